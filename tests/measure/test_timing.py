"""A comparison is fair: alternatives take turns, and what is slow only the first time does not count."""

import time

from platform.measure.timing import median_seconds


def test_alternatives_take_turns() -> None:
    calls: list[str] = []
    median_seconds({"one": lambda: calls.append("one"), "two": lambda: calls.append("two")}, repeats=2)
    assert calls == ["one", "two"] * 3  # one turn to warm up, two that count


def test_the_warm_up_is_dropped() -> None:
    naps = iter([0.2, 0.0])
    assert median_seconds({"nap": lambda: time.sleep(next(naps))}, repeats=1)["nap"] < 0.1
    naps = iter([0.2])
    assert median_seconds({"nap": lambda: time.sleep(next(naps))}, repeats=1, warm_up=0)["nap"] >= 0.2


def test_one_disturbed_turn_does_not_move_the_median() -> None:
    naps = iter([0.0, 0.0, 0.2, 0.0])
    assert median_seconds({"nap": lambda: time.sleep(next(naps))}, repeats=3)["nap"] < 0.1

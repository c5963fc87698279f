"""Threads work ahead, in order, within bounds; what goes wrong in one reaches whoever waits; none is left behind."""

import threading
import time
from collections.abc import Iterator
from contextlib import closing
from threading import Event

import pytest

from platform.training.ahead import Stopped, work_ahead

READERS = [0, 1, 3]


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    yield
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("reader")] == []


@pytest.mark.parametrize("readers", READERS)
def test_results_come_in_order_however_long_each_takes(readers: int) -> None:
    def work(item: int, stop: Event) -> int:
        time.sleep(0.002 * (item % 3))
        return item * item

    assert list(work_ahead(work, range(20), readers)) == [item * item for item in range(20)]
    assert list(work_ahead(work, [], readers)) == []


@pytest.mark.parametrize("readers", READERS)
def test_no_more_is_done_ahead_than_there_are_readers(readers: int) -> None:
    begun = []
    with closing(work_ahead(lambda item, stop: begun.append(item), range(20), readers)) as results:
        for taken, _ in enumerate(results):
            time.sleep(0.01)
            assert len(begun) <= taken + 1 + readers
    assert sorted(begun) == list(range(20))


def test_with_readers_the_calling_thread_does_nothing_and_without_it_does_all() -> None:
    def name(item: int, stop: Event) -> str:
        return threading.current_thread().name

    assert all(told.startswith("reader") for told in work_ahead(name, range(4), 2))
    assert set(work_ahead(name, range(4), 0)) == {threading.current_thread().name}


@pytest.mark.parametrize("readers", READERS)
def test_an_exception_comes_where_its_result_was_due(readers: int) -> None:
    def work(item: int, stop: Event) -> int:
        if item == 3:
            raise OSError("the disk is gone")
        return item

    results, taken = work_ahead(work, range(10), readers), list[int]()
    with pytest.raises(OSError, match="the disk is gone"):
        taken.extend(results)
    assert taken == [0, 1, 2]


def test_closing_early_tells_threads_to_stop_and_drops_what_has_not_begun() -> None:
    begun = []

    def work(item: int, stop: Event) -> int:
        begun.append(item)
        if item > 0:
            if stop.wait(timeout=60):
                raise Stopped
            raise AssertionError("nobody told this thread to stop")
        return item

    closed_at = time.monotonic()
    with closing(work_ahead(work, range(100), 2)) as results:
        assert next(results) == 0
    assert time.monotonic() - closed_at < 5
    assert set(begun) <= {0, 1, 2}


def test_what_goes_wrong_while_a_result_is_used_ends_the_threads_too() -> None:
    def use() -> None:
        with closing(work_ahead(lambda item, stop: item, range(100), 2)) as results:
            for _ in results:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        use()

"""Which block a server computes next, and that each is computed once however many wait for it."""

import time
from collections.abc import Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from threading import Event

import numpy as np
import pytest

from platform.memory import worker as worker_module
from platform.memory.blocks import BlockStore
from platform.memory.compute import Answer, SourceRunner
from platform.memory.request import Request, Shown
from platform.memory.worker import BlockWorker


class Gated(SourceRunner):
    """A source that waits before each block until it is let through, and notes which blocks it was given."""

    given: list[Request]
    entered: Event
    gate: Event

    def compute(self, request: Request, shown: Shown | None = None) -> np.ndarray:
        self.given.append(request)
        self.entered.set()
        self.gate.wait()
        return super().compute(request, shown)


@pytest.fixture
def source(runners: dict[str, SourceRunner]) -> Gated:
    source = runners["one"]
    source.__class__ = Gated
    assert isinstance(source, Gated)
    source.given, source.entered, source.gate = [], Event(), Event()
    return source


@pytest.fixture
def worker(source: Gated) -> Iterator[BlockWorker]:
    worker = BlockWorker({"one": source})
    yield worker
    source.gate.set()
    worker.close()


def blocks(*numbers: int, direction: str = "forward") -> list[Request]:
    return [Request("one", number, direction) for number in numbers]  # type: ignore[arg-type]


def finish(worker: BlockWorker, source: Gated) -> list[Request]:
    """Let everything through; the order in which blocks were computed."""
    source.gate.set()
    while worker.has_work:
        time.sleep(0.01)
    return source.given


def test_many_threads_that_ask_for_a_block_get_one_computation(worker: BlockWorker, source: Gated) -> None:
    def ask(_: int) -> Answer:
        return worker.ask(Request("one", 0)).result()

    with ThreadPoolExecutor(16) as threads:
        answers = [threads.submit(ask, number) for number in range(16)]
        source.entered.wait()
        source.gate.set()
        memories = [answer.result().memories for answer in answers]
    assert source.counters.computed == worker.totals.passes == 1
    for memory in memories:
        np.testing.assert_array_equal(memory, memories[0])


def test_who_waits_goes_before_what_was_announced(worker: BlockWorker, source: Gated) -> None:
    first, *others = blocks(0, 1, 2)
    urgent = Request("one", 2, "reverse")
    worker.announce([first, *others])
    source.entered.wait()
    waited = worker.ask(urgent)
    late = worker.ask(others[1])
    assert finish(worker, source) == [first, urgent, others[1], others[0]]
    assert waited.done()
    assert late.done()
    assert (worker.totals.passes, worker.totals.announced) == (4, 2)


def test_who_asks_for_the_block_in_work_waits_for_that(worker: BlockWorker, source: Gated) -> None:
    worker.announce(blocks(0))
    source.entered.wait()
    waited = worker.ask(blocks(0)[0])
    finish(worker, source)
    assert waited.result().was_computed
    assert worker.totals.passes == 1


def test_announcements_of_several_trials_merge(worker: BlockWorker, source: Gated) -> None:
    """One is three blocks into its epoch, another begins it: who is nearer to needing a block decides."""
    worker.ask(Request("one", 0, "reverse"))
    source.entered.wait()
    worker.announce(blocks(1, 2))
    worker.announce(blocks(0, 1, 2))
    worker.announce(blocks(2, 0, direction="reverse"))
    computed = finish(worker, source)[1:]
    assert sorted(computed[:3], key=str) == sorted([*blocks(0, 1), *blocks(2, direction="reverse")], key=str)
    assert len(computed) == len(set(computed)) == 4


def test_what_is_stored_is_not_computed_ahead(worker: BlockWorker, source: Gated) -> None:
    source.gate.set()
    worker.ask(blocks(1)[0]).result()
    worker.announce(blocks(0, 1, 2))
    assert finish(worker, source) == blocks(1, 0, 2)


def test_the_list_of_what_is_announced_is_bounded(
    worker: BlockWorker, source: Gated, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "MOST_ANNOUNCED", 2)
    worker.ask(blocks(0, direction="reverse")[0])
    source.entered.wait()
    for _ in range(64):
        worker.announce(blocks(2, 1, 0))
    assert finish(worker, source)[1:] == blocks(2, 1)


def test_nothing_is_computed_ahead_while_the_store_has_no_room(worker: BlockWorker, source: Gated) -> None:
    root = source.store.root
    source.store = BlockStore(root, budget_bytes=0)
    worker.announce(blocks(0, 1, 2))
    assert finish(worker, source) == blocks(0)
    worker.announce(blocks(1, 2))
    assert finish(worker, source) == blocks(0)
    source.store = BlockStore(root)
    worker.ask(blocks(1)[0]).result()  # finds room again
    worker.announce(blocks(0, 2))
    assert finish(worker, source) == blocks(0, 1, 2)  # block 0 is still at hand


def test_a_mask_is_one_trials_own(worker: BlockWorker, source: Gated) -> None:
    shown = Shown(3, np.ones((8, 2), np.float32))
    asked = [worker.ask(Request("one", 0, feed="scheduled"), shown) for _ in range(3)]
    finish(worker, source)
    assert [answer.result().is_stored for answer in asked] == [False] * 3
    assert (worker.totals.passes, worker.totals.unstored) == (3, 3)


def test_a_fault_reaches_all_who_wait_and_the_next_block_is_computed(worker: BlockWorker, source: Gated) -> None:
    lost = worker.ask(Request("one", 99))
    source.gate.set()
    assert worker.ask(Request("one", 0)).result().is_stored
    with pytest.raises(IndexError, match="no block 99"):
        lost.result()
    with pytest.raises(KeyError, match="three"):
        worker.ask(Request("three", 0))


def test_who_still_waits_when_it_closes_is_told(worker: BlockWorker, source: Gated) -> None:
    worker.ask(Request("one", 0))
    source.entered.wait()
    left = worker.ask(Request("one", 1))
    with ThreadPoolExecutor(1) as thread:
        closing = thread.submit(worker.close)
        while not worker.is_closed:
            time.sleep(0.01)
        source.gate.set()
        closing.result()
    with pytest.raises(CancelledError):
        left.result()


def test_who_gives_up_takes_the_answer_from_nobody(source: Gated, worker: BlockWorker) -> None:
    asked = worker.ask(Request("one", 0))
    source.entered.wait()
    assert not asked.cancel()
    source.gate.set()
    assert asked.result(timeout=20).memories.shape[0] > 0
    assert worker.ask(Request("one", 1)).result(timeout=20) is not None  # its thread goes on


def test_a_request_cancelled_before_its_turn_stops_no_other(source: Gated, worker: BlockWorker) -> None:
    first, second, third = (worker.ask(Request("one", block)) for block in range(3))
    source.entered.wait()
    assert second.cancel()
    source.gate.set()
    for asked in (first, third):
        assert asked.result(timeout=20) is not None
    assert Request("one", 1) not in source.given

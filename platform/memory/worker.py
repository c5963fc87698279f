"""The one thread of a memory server that runs sources: which block comes next, and who is told when it is there.

A block that somebody waits for goes before one that was only announced, and each is computed once however many ask.
What is held in memory does not grow with the number of trials: one block is computed at a time, and none while too many
computed ones are still held by somebody, and the announcements of all trials share one list of bounded length.
"""

import weakref
from collections import OrderedDict
from collections.abc import Hashable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from threading import Condition, Thread

import torch

from platform.memory.compute import KEPT_UNSTORED, Answer, SourceRunner
from platform.memory.request import Request, Shown, Totals

MOST_ANNOUNCED = 20_000  # requests: a few MB. KTH at 64x64 with four sources has 2,700 in an epoch
MOST_HELD = 4  # computed blocks on their way to those who asked, besides those that each source keeps at hand


@dataclass(frozen=True)
class _Work:
    request: Request
    shown: Shown | None = None
    was_announced: bool = False
    answer: Future[Answer] = field(default_factory=Future)

    @property
    def key(self) -> Hashable:
        """The same for all who may share the answer; what is shown is one trial's own."""
        return self.request if self.shown is None else id(self)


class BlockWorker:
    """Answers requests for the sources of `runners`, which nobody else may use meanwhile. Any thread may ask."""

    def __init__(self, runners: Mapping[str, SourceRunner]) -> None:
        self.totals = Totals()
        self._runners = runners
        self._waited_for: OrderedDict[Hashable, _Work] = OrderedDict()
        self._announced: OrderedDict[Request, int] = OrderedDict()  # with its place in the epoch it was announced for
        self._running: _Work | None = None
        self._held = 0  # computed blocks that are still in this process's memory
        self._most_held = MOST_HELD + KEPT_UNSTORED * len(runners)
        self._has_room = True
        self.is_closed = False
        self._changed = Condition()
        self._thread = Thread(target=self._work, args=[torch.get_num_threads()], name="sources", daemon=True)
        self._thread.start()

    @property
    def has_work(self) -> bool:
        """Is a block in work, waited for or announced?"""
        with self._changed:
            return bool(self._running or self._waited_for or self._announced)

    def ask(self, request: Request, shown: Shown | None = None) -> Future[Answer]:
        """The answer, or what was raised on the way to it: one future for all who wait for the same block.

        Raises KeyError for a source that is not served here.
        """
        self._runners[request.source]
        work = _Work(request, shown)
        with self._changed:
            if self._running is not None and self._running.key == work.key:
                return self._running.answer
            work = self._waited_for.setdefault(work.key, work)
            self._announced.pop(request, None)
            self._changed.notify()
        return work.answer

    def announce(self, requests: Sequence[Request]) -> None:
        """These will be asked for, in this order. Announcements merge: what stands earlier in any of them goes first.

        Those beyond `MOST_ANNOUNCED` are forgotten, and so are all once the store has no room: they are computed when
        they are asked for.
        """
        with self._changed:
            if not self._has_room:
                return
            for place, request in enumerate(requests):
                if request not in self._waited_for:
                    self._announced[request] = min(place, self._announced.get(request, place))
            ordered = sorted(self._announced.items(), key=lambda item: item[1])
            self._announced = OrderedDict(ordered[:MOST_ANNOUNCED])
            self._changed.notify()

    def close(self) -> None:
        """Returns when the block in work is done. Who still waits is told that it was cancelled."""
        with self._changed:
            self.is_closed = True
            self._changed.notify()
        self._thread.join()

    def _work(self, threads: int) -> None:
        torch.set_num_threads(threads)  # OpenMP keeps it for each thread
        while (work := self._next()) is not None:
            if not work.answer.set_running_or_notify_cancel():  # from here on nobody can give up for all who wait
                self._end(work, None)
                continue
            try:
                answer = self._runners[work.request.source].answer(work.request, work.shown)
            except Exception as error:
                self._end(work, None)
                work.answer.set_exception(error)
            else:
                self._end(work, answer)
                work.answer.set_result(answer)
                del answer  # or the block would lie in memory until the next one is there
            del work

    def _next(self) -> _Work | None:
        """Waits until there is something to do; None when it is over."""
        with self._changed:
            while not self.is_closed:
                if self._held >= self._most_held:
                    self._changed.wait()
                elif self._waited_for:
                    _, self._running = self._waited_for.popitem(last=False)
                    return self._running
                if self._announced:
                    request, _ = self._announced.popitem(last=False)
                    if not self._runners[request.source].is_stored(request):
                        self._running = _Work(request, was_announced=True)
                        return self._running
                else:
                    self._changed.wait()
            while self._waited_for:
                self._waited_for.popitem()[1].answer.cancel()
            return None

    def _end(self, work: _Work, answer: Answer | None) -> None:
        with self._changed:
            self._running = None
            if answer is None or not answer.was_computed:
                return
            self._held += 1
            weakref.finalize(answer.memories, self._let_go).atexit = False
            self.totals = self.totals + Totals(
                passes=1,
                announced=int(work.was_announced),
                unstored=int(not answer.is_stored),
                evicted_blocks=answer.evicted_blocks,
            )
            if work.shown is None:
                self._has_room = answer.is_stored
            if not self._has_room:
                self._announced.clear()

    def _let_go(self) -> None:
        with self._changed:
            self._held -= 1
            self._changed.notify()

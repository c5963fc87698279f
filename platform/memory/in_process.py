"""The same memories without Ray: for a script, a test, or a bench that compares."""

from collections.abc import Mapping, Sequence
from threading import Lock

import numpy as np

from platform.memory.compute import SourceRunner
from platform.memory.request import Counters, Request, Shown


class InProcessMemory:
    """A MemoryProvider that runs the sources itself, in the calling process."""

    def __init__(self, runners: Mapping[str, SourceRunner]) -> None:
        self.runners = runners
        self.counters = Counters()
        self._one_at_a_time = Lock()

    def states(self, request: Request, shown: Shown | None = None) -> np.ndarray:
        with self._one_at_a_time:
            answer = self.runners[request.source].answer(request, shown)
        self.counters.add(
            ready=not answer.was_computed,
            computed=answer.was_computed,
            read_bytes=answer.memories.nbytes,
            evicted_blocks=answer.evicted_blocks,
        )
        return answer.memories

    def announce(self, requests: Sequence[Request]) -> None:
        """Nobody here could compute ahead."""

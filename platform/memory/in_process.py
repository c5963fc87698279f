"""The same memories without Ray: for a script, a test, or a bench that compares."""

from collections.abc import Mapping
from threading import Lock

import numpy as np

from platform.memory.compute import SourceRunner
from platform.memory.request import Counters, Request


class InProcessMemory:
    """A MemoryProvider that runs the sources itself, in the calling process."""

    def __init__(self, runners: Mapping[str, SourceRunner]) -> None:
        self.runners = runners
        self.counters = Counters()
        self._one_at_a_time = Lock()

    def states(self, request: Request) -> np.ndarray:
        runner = self.runners[request.source]
        with self._one_at_a_time:
            before = runner.counters.computed
            memories = runner.states(request)
            was_computed = runner.counters.computed > before
        self.counters.add(ready=not was_computed, computed=was_computed, read_bytes=memories.nbytes)
        return memories

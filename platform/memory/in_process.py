"""The same memories without Ray: for a script, a test, or a bench that compares."""

import time
from collections.abc import Mapping

import numpy as np

from platform.memory.compute import SourceRunner
from platform.memory.request import Counters, Request


class InProcessMemory:
    """A MemoryProvider that runs the sources itself, in the calling process."""

    def __init__(self, runners: Mapping[str, SourceRunner]) -> None:
        self.runners = runners
        self.counters = Counters()

    def states(self, request: Request) -> np.ndarray:
        began = time.perf_counter()
        runner = self.runners[request.source]
        before = runner.counters.computed
        memories = runner.states(request)
        was_computed = runner.counters.computed > before
        self.counters.computed += was_computed
        self.counters.ready += not was_computed
        self.counters.waited_s += time.perf_counter() - began
        self.counters.read_bytes += memories.nbytes
        return memories

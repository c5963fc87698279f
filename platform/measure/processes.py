"""Memory and time of work that has a process to itself, so that nothing that ran before counts. Linux."""

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from multiprocessing import get_context
from pathlib import Path
from threading import Event, Thread
from typing import ParamSpec, TypeVar

import psutil
import torch

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def in_fresh_process(
    work: Callable[Arguments, Result], *arguments: Arguments.args, **options: Arguments.kwargs
) -> Result:
    """What `work`, a function of a module, returns in a process that has only imported that module."""
    threads = (torch.get_num_threads(),)
    # Not a multiprocessing.Pool, whose workers may start no processes of their own.
    with ProcessPoolExecutor(1, get_context("spawn"), torch.set_num_threads, threads) as pool:
        return pool.submit(work, *arguments, **options).result()


@contextmanager
def peak_of_tree(every_s: float = 0.05) -> Iterator[Callable[[], int]]:
    """Yields what tells the most that this process and those it started held together, looked at every so often."""
    most, done, here = [0], Event(), psutil.Process()

    def look() -> None:
        while not done.wait(every_s):
            sizes = []
            for process in (here, *here.children(recursive=True)):
                with suppress(psutil.NoSuchProcess):
                    sizes.append(process.memory_info().rss)
            most[0] = max(most[0], sum(sizes))

    watcher = Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield lambda: most[0]
    finally:
        done.set()
        watcher.join()


def peak_resident_bytes() -> int:
    """The most that lay in memory since this process began."""
    return _status_bytes("VmHWM")  # not getrusage: its peak begins with the parent's, which survives fork and exec


def anonymous_bytes() -> int:
    """What lies in memory now and belongs to no file: mapped stores are left out."""
    return _status_bytes("RssAnon")


def _status_bytes(field: str) -> int:
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith(field)) * 1024

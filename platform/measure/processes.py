"""Memory and time of work that has a process to itself, so that nothing that ran before counts. Linux."""

import subprocess
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from multiprocessing import get_context
from pathlib import Path
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


def run_watched(command: Sequence[str], every_s: float = 0.05) -> tuple[float, int]:
    """Run a command: the seconds it took, and the most anonymous memory that it and its processes held together.

    What belongs to files, such as libraries and mapped stores, is left out. Raises CalledProcessError where it fails.
    """
    began, most = time.perf_counter(), 0
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    tree = psutil.Process(process.pid)
    while process.poll() is None:
        sizes = []
        with suppress(psutil.NoSuchProcess):
            for each in (tree, *tree.children(recursive=True)):
                with suppress(OSError, StopIteration):  # it has ended
                    sizes.append(_status_bytes("RssAnon", each.pid))
        most = max(most, sum(sizes))
        time.sleep(every_s)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return time.perf_counter() - began, most


def peak_resident_bytes() -> int:
    """The most that lay in memory since this process began."""
    return _status_bytes("VmHWM")  # not getrusage: its peak begins with the parent's, which survives fork and exec


def anonymous_bytes() -> int:
    """What lies in memory now and belongs to no file: mapped stores are left out."""
    return _status_bytes("RssAnon")


def _status_bytes(field: str, process: int | str = "self") -> int:
    status = Path(f"/proc/{process}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith(field)) * 1024

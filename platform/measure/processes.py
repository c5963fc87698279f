"""Memory and time of work that has a process to itself, so that nothing that ran before counts. Linux."""

from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from typing import ParamSpec, TypeVar

import torch

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def in_fresh_process(
    work: Callable[Arguments, Result], *arguments: Arguments.args, **options: Arguments.kwargs
) -> Result:
    """What `work`, a function of a module, returns in a process that has only imported that module."""
    with get_context("spawn").Pool(1, torch.set_num_threads, (torch.get_num_threads(),)) as pool:
        return pool.apply(work, arguments, options)


def peak_resident_bytes() -> int:
    """The most that lay in memory since this process began."""
    return _status_bytes("VmHWM")  # not getrusage: its peak begins with the parent's, which survives fork and exec


def anonymous_bytes() -> int:
    """What lies in memory now and belongs to no file: mapped stores are left out."""
    return _status_bytes("RssAnon")


def _status_bytes(field: str) -> int:
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith(field)) * 1024

"""One number that all processes of a machine keep together: how many bytes lie below a folder.

It stands in a small file, and whoever holds that file's lock is alone in changing what lies there. A process that is
killed in between leaves the number too high at most: bytes are added before they are there, and taken off after they
are gone.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

LEDGER = "ledger"
WIDTH = 20  # digits: always written over in place, in one go


class Ledger:
    """The number, for as long as its lock is held."""

    def __init__(self, handle: int) -> None:
        self._handle = handle

    @property
    def num_bytes(self) -> int | None:
        """None where nobody has counted yet."""
        content = os.pread(self._handle, WIDTH, 0)
        return int(content) if len(content) == WIDTH and content.isdigit() else None

    @num_bytes.setter
    def num_bytes(self, value: int) -> None:
        os.pwrite(self._handle, b"%0*d" % (WIDTH, max(value, 0)), 0)

    def add(self, num_bytes: int) -> None:
        """Of a number that nobody has counted yet nothing is known afterwards, either."""
        if (have := self.num_bytes) is not None:
            self.num_bytes = have + num_bytes


@contextlib.contextmanager
def alone(root: Path) -> Iterator[Ledger]:
    """Wait until no other thread or process changes what lies below `root`, which is made where it is missing."""
    root.mkdir(parents=True, exist_ok=True)
    handle = open_for_lock(root / LEDGER)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield Ledger(handle)
    finally:
        os.close(handle)  # which gives the lock back, as the end of the process would


def open_for_lock(path: Path) -> int:
    """A handle of the file, made where it is missing; of another user's, one that can only be locked."""
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except PermissionError:
        return os.open(path, os.O_RDONLY)


def try_lock(handle: int) -> bool:
    """Take the lock of an open file for oneself, unless anybody has it."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

"""A byte budget for stored memories, kept by all processes together.

Least recent use would be ruinous: an epoch visits every block once, so a store that is a little too small would throw
each block out just before its turn. Here blocks are taken in until the budget is full, and then no more: the part that
is kept is found ready in every epoch. Room is made only from folders that no process uses, the one not used for longest
first, and each of them whole.
"""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from platform.memory.folders import (
    folder_bytes,
    folders,
    is_in_use,
    last_used,
    remove_folder,
    remove_leftovers,
    temporary_path,
)
from platform.memory.ledger import Ledger, alone, try_lock

# What other programs need of a disk when nobody set a budget: the smaller of these.
RESERVED_SHARE, RESERVED_BYTES = 0.05, 10 * 10**9


class Room:
    """What may be stored below `root`: `budget_bytes` at most, or None: all of the disk but a reserve."""

    def __init__(self, root: Path, budget_bytes: int | None) -> None:
        self.root = root
        self.budget_bytes = budget_bytes
        self.evicted_blocks = 0
        self._has_counted = False

    @contextlib.contextmanager
    def reserve(self, block: Path, num_bytes: int) -> Iterator[BinaryIO | None]:
        """A file to write a block of this length to, which gets the block's name when the `with` ends without a fault.

        None where there is no room for it. Raises OSError where the file cannot be made. The block's folder must be in
        use, or it could vanish meanwhile.
        """
        temporary = temporary_path(block)
        with alone(self.root) as ledger:
            if not self._has_counted or ledger.num_bytes is None:
                self._count(ledger)
            file = self._begin(temporary, num_bytes, ledger) if self._make_room(ledger, num_bytes) else None
        if file is None:
            yield None
            return
        with file:
            try:
                yield file
                with alone(self.root) as ledger:
                    replaced = block.stat().st_size if block.exists() else 0
                    temporary.rename(block)
                    ledger.add(-replaced)
            except BaseException:
                self.remove(temporary)
                raise

    def _begin(self, temporary: Path, num_bytes: int, ledger: Ledger) -> BinaryIO:
        """The file at its full length, so that whoever counts the folder counts what is still to be written."""
        file = temporary.open("xb")
        try:
            try_lock(file.fileno())  # tells a living writer's file from a leftover
            ledger.add(num_bytes)
            os.truncate(file.fileno(), num_bytes)
        except BaseException:
            file.close()
            temporary.unlink()
            ledger.add(-num_bytes)
            raise
        return file

    def remove(self, file: Path, only: os.stat_result | None = None) -> None:
        """Remove one file of the store, where it is still there and the same as `only`."""
        with alone(self.root) as ledger, contextlib.suppress(FileNotFoundError, PermissionError):
            found = file.stat()
            if only is None or signature(found) == signature(only):
                file.unlink()
                ledger.add(-found.st_size)

    def _count(self, ledger: Ledger) -> None:
        """Once in the life of a store, since files may have been deleted by hand, and writers may have been killed."""
        for folder in folders(self.root):
            remove_leftovers(folder)
        ledger.num_bytes = sum(folder_bytes(folder) for folder in folders(self.root))
        self._has_counted = True

    def _make_room(self, ledger: Ledger, num_bytes: int) -> bool:
        """Remove unused folders until the bytes fit; none where all of them together would not be enough."""
        short = num_bytes - self._left(ledger)
        if short <= 0:
            return True
        unused = sorted((folder for folder in folders(self.root) if not is_in_use(folder)), key=last_used)
        if sum(folder_bytes(folder) for folder in unused) < short:
            return False
        for folder in unused:
            if short <= 0:
                break
            blocks, removed = remove_folder(folder)
            ledger.add(-removed)
            short -= removed
            self.evicted_blocks += blocks
        return True

    def _left(self, ledger: Ledger) -> int:
        disk = shutil.disk_usage(self.root)
        if self.budget_bytes is None:
            return disk.free - reserved_bytes(disk.total)
        return min(self.budget_bytes - (ledger.num_bytes or 0), disk.free)


def capacity(root: Path, budget_bytes: int | None) -> int:
    """Bytes that the store could hold if nothing of it were in use, what it holds already included."""
    existing = next(path for path in (root, *root.parents) if path.is_dir())
    disk, stored = shutil.disk_usage(existing), sum(folder_bytes(folder) for folder in folders(root))
    if budget_bytes is None:
        return max(0, disk.free + stored - reserved_bytes(disk.total))
    return min(budget_bytes, disk.free + stored)


def reserved_bytes(disk_bytes: int) -> int:
    return int(min(RESERVED_SHARE * disk_bytes, RESERVED_BYTES))


def signature(found: os.stat_result) -> tuple[int, int, int]:
    """What changes when a file is replaced or written to."""
    return found.st_ino, found.st_size, found.st_mtime_ns

"""The store of memories on one machine: a file a block, written whole or not at all, checked, mapped without a copy."""

import errno
import time
import weakref
from collections.abc import Callable
from pathlib import Path

import numpy as np

from platform.config.errors import UserError
from platform.memory.block_file import (
    BlockKey,
    DamagedBlock,
    block_batch,
    check_block,
    file_bytes,
    map_block,
    memories_of,
    write_block,
)
from platform.memory.folders import FoldersInUse
from platform.memory.request import MemoryIdentity, Request
from platform.memory.room import Room, signature
from platform.storage.fetching import FULL

# N clips, T frames, S channels, h w grid cells

# A file system's clock has a grain: a file this young could change once more and keep its time.
GRAIN_S = 1.0
READ_ONLY = (errno.EACCES, errno.EPERM, errno.EROFS, errno.EBADF)  # the last: a ledger that could only be locked


class BlockStore:
    """The folder of stored memories on this machine (`Home.memory`), shared by all processes.

    The folders from which a store object reads or to which it writes are in use, and nobody evicts them, until it is
    closed, dropped, or its process ends: a server, or a trial, keeps one object for as long as it lives. Any number of
    threads may call it.
    """

    def __init__(self, root: Path, budget_bytes: int | None = None) -> None:
        """`budget_bytes` bounds all that lies below `root`; None: all of the disk but a reserve (`room.py`)."""
        self.root = root
        self.budget_bytes = budget_bytes
        self._room = Room(root, budget_bytes)
        self._in_use = FoldersInUse(root)
        self._checked: dict[Path, tuple[int, int, int]] = {}  # files whose checksum this process has seen to be right
        self.close = weakref.finalize(self, self._in_use.close)

    def __reduce__(self) -> tuple[Callable[..., "BlockStore"], tuple[Path, int | None]]:
        return BlockStore, (self.root, self.budget_bytes)

    @property
    def evicted_blocks(self) -> int:
        """Blocks of unused folders that this object removed to make room."""
        return self._room.evicted_blocks

    def path(self, identity: MemoryIdentity, request: Request) -> Path:
        return self.root / identity.folder(request) / f"{request.block:06d}.arrow"

    def keep(self, identity: MemoryIdentity, request: Request) -> None:
        """Use the folder of this block from now on, before anything is read from it or written to it."""
        self._in_use.hold(self.path(identity, request).parent)

    def read(self, identity: MemoryIdentity, request: Request) -> np.ndarray | None:
        """The stored block, (N, T-1, S, h, w), mapped and read-only; None where there is none.

        A file that is not what was stored under this key is removed, and there is none. Its checksum is compared the
        first time this object reads it, and again when it has changed. Raises OSError for faults that are not the
        file's.
        """
        path = self.path(identity, request)
        try:
            found = path.stat()
            self._in_use.hold(path.parent)
            batch = map_block(path)
            was_replaced = signature(path.stat()) != signature(found)  # so what is mapped may be either file
            if was_replaced or self._checked.get(path) != signature(found):
                check_block(batch, BlockKey.of(identity, request))
                if not was_replaced and time.time() - found.st_mtime > GRAIN_S:
                    self._checked[path] = signature(found)
            return memories_of(batch)
        except FileNotFoundError:
            return None
        except DamagedBlock:
            self._room.remove(path, only=found)
            return None

    def write(self, identity: MemoryIdentity, request: Request, memories: np.ndarray) -> bool:
        """Store (N, T-1, S, h, w), already rounded; False where there is no room, and then nothing is stored.

        There is none when the budget or the disk is full and no unused folder is left to remove. Raises UserError where
        this user may not write, OSError for other faults; then nothing is stored, either.
        """
        path, batch = self.path(identity, request), block_batch(identity, request, memories)
        try:
            self._in_use.hold(path.parent)
            with self._room.reserve(path, file_bytes(batch)) as file:
                if file is None:
                    return False
                write_block(file, batch)
        except FileNotFoundError:  # somebody deleted the folder meanwhile
            return False
        except OSError as error:
            if error.errno in FULL:
                return False
            if error.errno in READ_ONLY:
                raise UserError(
                    f"memories at {self.root} are another user's: they can be read, and none can be stored. Make the "
                    "folder writable for your group (chmod -R g+w, then umask 002), or choose another TMU_HOME."
                ) from error
            raise
        return True

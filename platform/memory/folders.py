"""The folders of stored memories, one a source, memory, direction, feed and variant: what lies in them, who uses them.

A process uses a folder for as long as it holds a shared lock on the file `in-use` in it. The lock ends with the
process, however that ends. Whatever removes files, or begins to use a folder, does so `alone`.
"""

import contextlib
import fcntl
import os
import re
from collections.abc import Iterator
from pathlib import Path
from threading import Lock

from platform.memory.ledger import alone, open_for_lock, try_lock

IN_USE = "in-use"
_FOLDER = re.compile(r"[0-9a-f]{32}")  # as MemoryIdentity.folder names them
_BLOCK = re.compile(r"\d{6,}\.arrow")
_TEMPORARY = re.compile(r"\.\d{6,}\.arrow-.+")


def folders(root: Path) -> list[Path]:
    """Those of the store; whatever else lies below `root` is left alone."""
    if not root.is_dir():
        return []
    return sorted(path for path in root.iterdir() if _FOLDER.fullmatch(path.name) and path.is_dir())


def block_sizes(folder: Path) -> dict[str, int]:
    """Bytes of each stored block, by the name of its file."""
    return {entry.name: size for entry, size in _files(folder) if _BLOCK.fullmatch(entry.name)}


def folder_bytes(folder: Path) -> int:
    """Bytes of all blocks, those that are being written included: these have their full length from the start."""
    return sum(size for _, size in _files(folder))


def _files(folder: Path) -> Iterator[tuple[os.DirEntry[str], int]]:
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            if _BLOCK.fullmatch(entry.name) or _TEMPORARY.fullmatch(entry.name):
                with contextlib.suppress(FileNotFoundError):
                    yield entry, entry.stat().st_size


def temporary_path(block: Path) -> Path:
    """Where a block is written before it has its name."""
    return block.with_name(f".{block.name}-{os.urandom(8).hex()}")


def remove_leftovers(folder: Path) -> None:
    """Remove what killed writers left: a living one holds a lock on its file."""
    for entry, _ in list(_files(folder)):
        if _TEMPORARY.fullmatch(entry.name) and _is_unlocked(Path(entry.path)):
            os.unlink(entry.path)


def is_in_use(folder: Path) -> bool:
    path = folder / IN_USE
    return path.exists() and not _is_unlocked(path)


def _is_unlocked(path: Path) -> bool:
    handle = open_for_lock(path)
    try:
        return try_lock(handle)
    finally:
        os.close(handle)


def last_used(folder: Path) -> float:
    """When a process last read or wrote a block of it, seconds since 1970."""
    path = folder / IN_USE
    return (path if path.exists() else folder).stat().st_mtime


def remove_folder(folder: Path) -> tuple[int, int]:
    """Remove the folder's blocks, and it where nothing else lies in it; returns how many blocks and bytes."""
    blocks = num_bytes = 0
    for entry, size in list(_files(folder)):
        os.unlink(entry.path)
        blocks, num_bytes = blocks + bool(_BLOCK.fullmatch(entry.name)), num_bytes + size
    (folder / IN_USE).unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        folder.rmdir()
    return blocks, num_bytes


class FoldersInUse:
    """The folders that this process uses through one store object."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._handles: dict[Path, int] = {}
        self._guard = Lock()

    def hold(self, folder: Path) -> None:
        """Use the folder, made where it is missing, until `close`. Cheap where it is used already.

        Another user's folder in which this one may not write is read without being held.
        """
        with self._guard:
            handle = self._handles.get(folder)
            if handle is not None and not os.fstat(handle).st_nlink:  # somebody deleted the folder by hand
                os.close(self._handles.pop(folder))
                handle = None
            with contextlib.suppress(PermissionError):
                if handle is None:
                    with alone(self.root):
                        folder.mkdir(exist_ok=True)
                        handle = self._handles[folder] = open_for_lock(folder / IN_USE)
                        fcntl.flock(handle, fcntl.LOCK_SH)
                os.utime(handle)

    def close(self) -> None:
        with self._guard:
            while self._handles:
                os.close(self._handles.popitem()[1])

"""A machine's own copy of a folder on storage: fetched once, by one process, and seen by others when it is whole."""

import errno
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from platform.config.errors import UserError
from platform.storage.storage import Storage

SPARE_BYTES = 16 << 20  # what is written beside the files, file system slack
# A full disk, a full quota, a file larger than this process may write: the repair is the same.
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

Report = Callable[[int, int, str], None]  # bytes done, of how many, the file just done


def silent(done: int, total: int, now: str) -> None:
    """Where nobody watches."""


@contextmanager
def locked(target: Path, on_wait: Callable[[], None]) -> Iterator[None]:
    """One writer of a folder on this machine. The lock goes with its process, however that ends."""
    lock = FileLock(target.with_name(f".{target.name}.lock"))
    try:
        lock.acquire(timeout=0.2)
    except Timeout:
        on_wait()
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


@dataclass(frozen=True)
class Published:
    """A folder that was published: where, the size of each of its files, and a fingerprint of what they hold.

    `republish` ends the sentence that it is damaged.
    """

    storage: Storage
    files: Mapping[str, int]
    fingerprint: str
    republish: str

    def fetch_to(self, target: Path, verify: Callable[[Path], None], report: Report = silent) -> None:
        """Copy it to `target`, in place of what is there; under the lock of the caller, see `locked`.

        Goes on where a fetch was interrupted. `verify` raises UserError for a copy that is not what was published.
        Raises UserError where it is damaged or the disk is too small.
        """
        partial = target.with_name(f".{target.name}-{self.fingerprint[:8]}.fetching")  # of no other that was published
        partial.mkdir(exist_ok=True)
        self._fetch_files(partial, report)
        try:
            verify(partial)
        except UserError as fault:
            shutil.rmtree(partial)
            raise UserError(
                f"what was fetched from {self.storage} is not what was published ({fault}) "
                f"Run the same command again; if this stays, {self.republish}."
            ) from fault
        shutil.rmtree(target, ignore_errors=True)
        partial.replace(target)

    def _fetch_files(self, partial: Path, report: Report) -> None:
        total = sum(self.files.values())
        have = {name for name, size in self.files.items() if _size(partial / name) == size}
        done = sum(self.files[name] for name in have)
        if total - done + SPARE_BYTES > shutil.disk_usage(partial).free:
            raise self._no_room(partial, total - done + SPARE_BYTES)
        for name, size in self.files.items():
            if name in have:
                continue
            self._check_size(name, size)
            temporary = partial / f"{name}.tmp"
            try:
                self.storage.download(name, temporary)
            except FileNotFoundError:
                raise UserError(f"{self.storage}/{name} is gone; {self.republish}.") from None
            except UserError as fault:
                cause = fault.__cause__
                if isinstance(cause, OSError) and cause.errno in FULL:
                    raise self._no_room(partial, total - done) from fault
                raise
            temporary.replace(partial / name)
            done += size
            report(done, total, name)

    def _check_size(self, name: str, promised: int) -> None:
        """Room was looked for by what was promised: a longer file would fill the disk."""
        size = self.storage.num_bytes(name)
        if size != promised:
            found = "is gone" if size is None else f"has {size} bytes, {promised} were published"
            raise UserError(f"{self.storage}/{name} {found}; {self.republish}.")

    def _no_room(self, partial: Path, needed: int) -> UserError:
        return UserError(
            f"no room for {partial.name[1:].rpartition('-')[0]} in {partial.parent}: "
            f"{shutil.disk_usage(partial).free / 1e6:.0f} MB free, about {needed / 1e6:.0f} MB needed. "
            "Free some, or set TMU_HOME to another disk; what was fetched is kept."
        )


def _size(file: Path) -> int | None:
    return file.stat().st_size if file.is_file() else None

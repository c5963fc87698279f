"""A disk that is too small, found before writing where possible and named with both numbers where not."""

import errno
import shutil
from collections.abc import Iterable
from pathlib import Path

from platform.benchmarks.recording import Recording
from platform.config.errors import UserError
from platform.storage.fetching import SPARE_BYTES

NOT_WRITABLE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.ENAMETOOLONG)


def check_space(partial: Path, recordings: Iterable[Recording], frame_bytes: int) -> None:
    """Raises UserError when what is still to be stored does not fit on the disk of `partial`."""
    needed, free = _expected_bytes(recordings, frame_bytes), shutil.disk_usage(partial).free
    if needed > free:
        raise UserError(_text(partial, free, needed))


def disk_full(partial: Path, recordings: Iterable[Recording], frame_bytes: int) -> UserError:
    """The error for a disk that filled up while writing."""
    folder = partial if partial.is_dir() else partial.parent
    written = sum(file.stat().st_size for file in folder.glob("*.arrow"))
    needed = max(_expected_bytes(recordings, frame_bytes) - written, SPARE_BYTES)
    return UserError(_text(partial, shutil.disk_usage(folder).free, needed))


def _expected_bytes(recordings: Iterable[Recording], frame_bytes: int) -> int:
    return sum(recording.num_frames or 0 for recording in recordings) * frame_bytes + SPARE_BYTES


def _text(partial: Path, free: int, needed: int) -> str:
    return (
        f"no room for {partial.name.removesuffix('.partial')} in {partial.parent}: {free / 1e6:.0f} MB free, "
        f"about {needed / 1e6:.0f} MB needed. Free some, or choose another disk with --to or TMU_HOME, "
        "then run the same command again; what is finished is kept."
    )

"""What every reader of a measured field does alike: how large frames are stored, what is named when it cannot be used.

Frames are two-dimensional arrays of levels (`encoding.py`) until they are stacked into a recording.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from platform.benchmarks.manifest import SkippedFile
from platform.benchmarks.recording import UnusableFile, Wanted
from platform.benchmarks.resize import resize_field
from platform.config.errors import UserError

MOST_PIXELS = 64 << 20  # of one frame: what a header may promise before it counts as damaged

Size = tuple[int, int]  # (H, W)

ALL_INT16 = np.arange(1 << 16, dtype=np.uint16).view(np.int16)  # in the order that a table is looked up in


def stored_size(shape: Size, wanted: Wanted, what: str) -> Size:
    """(H, W) with `wanted.size` pixels on the shorter side, the aspect kept. Raises UserError instead of enlarging."""
    short = min(shape)
    if short < wanted.size:
        raise UserError(
            f"frames of {what} are {by(shape)}; --size {wanted.size} would enlarge them. Give --size {short} or less."
        )
    height, width = (round(side * wanted.size / short) for side in shape)
    return height, width


def stacked(frames: Iterable[np.ndarray], num_frames: int, shape: Size, size: Size) -> np.ndarray:
    """Levels of `shape`, one frame after the other, as uint8 (num_frames, *size, 1).

    Raises UnusableFile where a frame has another shape, or where there are fewer.
    """
    stored = np.empty((num_frames, *size, 1), np.uint8)
    done = 0
    for done, levels in enumerate(frames, start=1):
        if levels.shape != shape:
            raise UnusableFile(f"its frame {done} is {by(levels.shape)}, not {by(shape)} as the others")
        stored[done - 1, ..., 0] = levels if shape == size else resize_field(levels, *size)
    if done < num_frames:
        raise UnusableFile(f"{done} of {num_frames} frames are there; copy it again")
    return stored


def looked_up(table: np.ndarray, raw: np.ndarray) -> np.ndarray:
    """Levels of int16 values by a table made from `ALL_INT16`: exact, and the same on every machine."""
    return table[raw.astype(np.int16, copy=False).view(np.uint16)]


def by(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape))


def stamp(file: Path) -> str:
    """Changes when the file does. Raises OSError."""
    status = file.stat()
    return f"{status.st_size}-{status.st_mtime_ns}"


def below(file: Path, folder: Path) -> str:
    """What errors call a file. A name may hold bytes that are no UTF-8 on Linux, which a manifest cannot."""
    return printable(file.relative_to(folder))


def printable(text: object) -> str:
    return str(text).encode(errors="replace").decode()


def skip(file: Path, folder: Path, reason: object) -> SkippedFile:
    return SkippedFile(file=below(file, folder), reason=printable(reason))


def unreadable(fault: OSError) -> str:
    return f"it cannot be read ({fault.strerror or fault})"


def listed(names: Sequence[object], most: int = 5) -> str:
    """`a, b, c and 17 more`: a second copy of 3000 frames is one mistake, not 3000."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{', '.join(map(str, names[:most]))}{more}"


def require_folder(folder: Path, holds: str) -> None:
    if folder.is_file():
        raise UserError(f"{folder} is a file, not a folder. Give the one it lies in to --from: {folder.parent}.")
    if not folder.is_dir():
        raise UserError(f"no folder {folder}. Give the one with {holds} to --from.")


def nothing_usable(files: str, folder: Path, skipped: Sequence[SkippedFile], repair: str) -> UserError:
    """What to raise where no file could be used: what was looked for, where, what lies there instead, the repair."""
    named = "; ".join(f"{one.file}: {one.reason}" for one in skipped[:3])
    more = f"; and {len(skipped) - 3} more" if len(skipped) > 3 else ""
    there = f" ({named}{more})" if skipped else ""
    return UserError(f"no usable {files} in {folder} or below{there}. {repair}")

"""`predictions.npz`: a few test clips with what the best target predicted for them, read without trust.

`numpy.load` sets memory aside for whatever shape a header names, and unpacks whatever an archive holds. Here a header
has to agree with the length of its entry, and nothing is read but the arrays of that name.
"""

import zipfile
import zlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tokenize import TokenError

import numpy as np
from numpy.lib import format as npy

from platform.config.bounded import Refused, check_is_file

MOST_BYTES = 512 << 20  # of all arrays, unpacked
MOST_INDEX_BYTES = 4096  # an entry has about 60

_END = b"PK\x05\x06"  # begins the last 22 bytes; 12 bytes further stands how long the index is
_END_64 = b"PK\x06\x07"  # 20 bytes before those, where an archive has more than four gigabytes
# What a damaged archive raises, and, from the sixth on, what a header does, which numpy reads as Python's own words.
_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    OSError,
    KeyError,
    ValueError,
    RuntimeError,
    SyntaxError,
    TokenError,
    TypeError,
    OverflowError,
    MemoryError,
)


@dataclass(frozen=True)
class Predictions:
    """Clips of the test split, uint8. clips (N, T, H, W, C); predicted (N, T-1, H, W, C), where predicted[:, t] is
    the network's frame t+1; the first `input_length` frames were shown to it. `valid` is False where a pixel of the
    clips is missing."""

    clips: np.ndarray
    predicted: np.ndarray
    input_length: int
    valid: np.ndarray | None = None  # bool (N, T, H, W, C); None: nothing is missing

    @cached_property
    def mse(self) -> np.ndarray:
        """Of each clip (N): squared error summed over a frame's pixels in [0, 1], mean of the predicted frames.

        Missing pixels count like the mean of the others, as in the score of that name.
        """
        true = self.clips[:, self.input_length :].astype(np.float32) / 255
        guess = self.predicted[:, self.input_length - 1 :].astype(np.float32) / 255
        errors, there = (true - guess) ** 2, np.ones(true.shape, bool)
        if self.valid is not None:
            there = self.valid[:, self.input_length :]
        counts = there.sum(axis=(2, 3, 4))
        sums = (errors * there).sum(axis=(2, 3, 4)) * np.prod(true.shape[2:]) / np.maximum(counts, 1)
        return sums.sum(axis=1) / np.maximum((counts > 0).sum(axis=1), 1)


def read_predictions(path: Path) -> Predictions:
    """Raises FileNotFoundError as it comes, and Refused for anything but predictions."""
    try:
        check_is_file(path)
        _check_index(path)
        with zipfile.ZipFile(path) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > MOST_BYTES:
                raise Refused(f"unpacks to more than {MOST_BYTES >> 20} MiB")
            clips, predicted = (_array(archive, name) for name in ("clips", "predicted"))
            length = _array(archive, "input_length")
            valid = _array(archive, "valid") if "valid.npy" in archive.namelist() else None
    except (Refused, FileNotFoundError):
        raise
    except _DAMAGED:
        raise Refused("cannot be read") from None
    if length.shape or length.dtype.kind not in "iu":
        raise Refused("cannot be read")
    return _fitting(clips, predicted, int(length), valid)


def _fitting(clips: np.ndarray, predicted: np.ndarray, length: int, valid: np.ndarray | None) -> Predictions:
    agree = clips.ndim == 5 and predicted.shape == (clips.shape[0], clips.shape[1] - 1, *clips.shape[2:])
    agree = agree and (valid is None or (valid.shape == clips.shape and valid.dtype == bool))
    if not (agree and clips.size and clips.dtype == predicted.dtype == np.uint8 and 0 < length < clips.shape[1]):
        raise Refused(
            f"does not fit together (clips {clips.shape} {clips.dtype}, predicted {predicted.shape} "
            f"{predicted.dtype}, input_length {length})"
        )
    return Predictions(clips, predicted, length, valid)


def _check_index(path: Path) -> None:
    """Raises Refused for an archive with more entries than four arrays need: each would be an object in memory."""
    with path.open("rb") as file:
        file.seek(max(path.stat().st_size - 42, 0))
        before, end = (tail := file.read(42))[:-22], tail[-22:]
    if not end.startswith(_END) or before.startswith(_END_64):
        raise Refused("cannot be read")
    if int.from_bytes(end[12:16], "little") > MOST_INDEX_BYTES:
        raise Refused("has more entries than predictions have")


def _array(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    with archive.open(f"{name}.npy") as member:
        if npy.read_magic(member) != (1, 0):  # others are for structured arrays, and may have headers of any length
            raise Refused("cannot be read")
        shape, by_columns, dtype = npy.read_array_header_1_0(member)
        if dtype.kind not in "biu":
            raise Refused(f"has {name} of {dtype}")
        content = member.read(MOST_BYTES)
    return np.frombuffer(content, dtype).reshape(shape, order="F" if by_columns else "C")

"""Arrays of clips in `.npy` files: mapped, never read whole, never unpickled; and numbers as the bytes of a picture."""

from pathlib import Path
from tokenize import TokenError

import numpy as np
from numpy.lib import format as npy

from platform.benchmarks.formats.fields import by
from platform.benchmarks.recording import UnusableFile

# What a damaged or odd header raises.
DAMAGED = (ValueError, EOFError, SyntaxError, TokenError, TypeError, OverflowError, RecursionError, MemoryError)


def open_npy(file: Path) -> np.ndarray:
    """The array, mapped. Raises UnusableFile for what is none, is cut off, holds objects or is no picture's numbers."""
    try:
        with np.errstate(over="ignore"):  # a header's impossible shape: numpy warns, then refuses it
            array = npy.open_memmap(file, mode="r")
    except DAMAGED as fault:
        raise UnusableFile(
            f"it is cut off, holds objects or is no npy file ({fault}); copy it again, or save it with numpy.save"
        ) from fault
    except OSError as fault:
        raise UnusableFile(f"it cannot be read ({fault.strerror})") from fault
    check_kind(array.dtype)
    return array


def check_kind(kind: np.dtype) -> None:
    """Raises UnusableFile for numbers that are neither bytes nor fractions."""
    if kind != np.uint8 and kind.kind != "f":
        raise UnusableFile(f"it has values of {kind}; save uint8 from 0 to 255, or floats from 0 to 1")


def as_bytes(frame: np.ndarray, number: int) -> np.ndarray:
    """A frame's uint8, or its floats from 0 to 1 as uint8, rounded. Raises UnusableFile for other floats, NaN too."""
    if frame.dtype == np.uint8:
        return np.asarray(frame)
    lowest, highest = frame.min(initial=0), frame.max(initial=0)
    if not (lowest >= 0 and highest <= 1):  # NaN is neither
        raise UnusableFile(
            f"its frame {number} has values from {lowest:g} to {highest:g}; "
            "save floats from 0 to 1 (divide by the highest), or uint8"
        )
    return np.rint(frame.astype(np.float64) * 255).astype(np.uint8)


def check_shape(shape: tuple[int, ...], wanted: str, good: bool, repair: str) -> None:
    """Raises UnusableFile naming both shapes unless `good`."""
    if not good:
        raise UnusableFile(f"it is {by(shape) or 'a single number'}, not {wanted}; {repair}")

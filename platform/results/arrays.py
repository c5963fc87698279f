"""Archives of arrays (npz), read without trust.

`numpy.load` sets memory aside for whatever shape a header names, and unpacks whatever an archive holds. Here a header
has to agree with the length of its entry, and nothing is read but the arrays that are asked for.
"""

import zipfile
import zlib
from collections.abc import Iterable
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


def read_arrays(path: Path, names: Iterable[str], *, optional: Iterable[str] = ()) -> dict[str, np.ndarray]:
    """The arrays of these names, of numbers or truth values; `optional` ones where they are there.

    Raises FileNotFoundError as it comes, and Refused for an archive without one of `names`, or with anything else.
    """
    try:
        check_is_file(path)
        _check_index(path)
        with zipfile.ZipFile(path) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > MOST_BYTES:
                raise Refused(f"unpacks to more than {MOST_BYTES >> 20} MiB")
            there = [name for name in optional if f"{name}.npy" in archive.namelist()]
            return {name: _array(archive, name) for name in (*names, *there)}
    except (Refused, FileNotFoundError):
        raise
    except _DAMAGED:
        raise Refused("cannot be read") from None


def _check_index(path: Path) -> None:
    """Raises Refused for an archive with more entries than four arrays need: each would be an object in memory."""
    with path.open("rb") as file:
        file.seek(max(path.stat().st_size - 42, 0))
        before, end = (tail := file.read(42))[:-22], tail[-22:]
    if not end.startswith(_END) or before.startswith(_END_64):
        raise Refused("cannot be read")
    if int.from_bytes(end[12:16], "little") > MOST_INDEX_BYTES:
        raise Refused("has more entries than there are arrays")


def _array(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    with archive.open(f"{name}.npy") as member:
        if npy.read_magic(member) != (1, 0):  # others are for structured arrays, and may have headers of any length
            raise Refused("cannot be read")
        shape, by_columns, dtype = npy.read_array_header_1_0(member)
        if dtype.kind not in "biuf":
            raise Refused(f"has {name} of {dtype}")
        content = member.read(MOST_BYTES)
    return np.frombuffer(content, dtype).reshape(shape, order="F" if by_columns else "C")

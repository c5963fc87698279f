"""Arrays of an npz file, frame by frame and without trust: nothing is unpickled, and no header is believed.

`numpy.load` unpacks a whole array, 2.5 GB for ten days of one region, and sets memory aside for whatever shape a
header names. Here a header has to agree with the length of its zip member, and frames are read forward one by one.
"""

import lzma
import os
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from tokenize import TokenError
from typing import IO

import numpy as np
from numpy.lib import format as npy

from platform.benchmarks.formats.events import DatedFile
from platform.benchmarks.formats.fields import MOST_PIXELS, below, by, listed, skip, stamp, unreadable
from platform.benchmarks.formats.files import files_below
from platform.benchmarks.manifest import SkippedFile
from platform.benchmarks.recording import UnusableFile

MOST_LIST_BYTES = 16 << 20  # of an array that is read whole, such as times
SAVE_AGAIN = "save it again with numpy.savez_compressed"

# What a damaged or odd zip file raises: NotImplementedError and RuntimeError for unknown compressions and passwords,
# ValueError and what follows those for headers, which numpy reads as Python's own words.
DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    ValueError,
    NotImplementedError,
    RuntimeError,
    SyntaxError,
    TokenError,
    TypeError,
    MemoryError,
)


@dataclass(frozen=True)
class Header:
    """What a member says of itself."""

    shape: tuple[int, ...]
    dtype: np.dtype
    num_bytes: int  # after the header


def open_npz(file: Path) -> zipfile.ZipFile:
    """Raises UnusableFile."""
    try:
        return zipfile.ZipFile(file)
    except DAMAGED as fault:
        raise UnusableFile(f"it is cut off or no npz file ({fault}); copy it again") from fault
    except OSError as fault:
        raise UnusableFile(unreadable(fault)) from fault


def open_member(archive: zipfile.ZipFile, name: str) -> tuple[IO[bytes], Header]:
    """One array's content, to be read from its first byte, and its header. Raises UnusableFile and what is DAMAGED."""
    try:
        member = archive.getinfo(f"{name}.npy")
    except KeyError:
        held = ", ".join(entry.removesuffix(".npy") for entry in archive.namelist()[:6])
        raise UnusableFile(f"it has no array {name!r} but {held or 'none at all'}") from None
    handle = archive.open(member)
    if npy.read_magic(handle) != (1, 0):  # others are for structured arrays, and may have headers of any length
        raise UnusableFile(f"{name} is no plain array; {SAVE_AGAIN}")
    shape, by_columns, dtype = npy.read_array_header_1_0(handle)
    num_bytes = member.file_size - handle.tell()
    if by_columns and len(shape) > 1:
        raise UnusableFile(f"{name} is stored by columns; {SAVE_AGAIN} after numpy.ascontiguousarray")
    if not dtype.hasobject and num_bytes != dtype.itemsize * int(np.prod(shape, dtype=object)):
        raise UnusableFile(f"{name} does not hold the {by(shape)} values of its header; copy it again")
    return handle, Header(shape, dtype, num_bytes)


def read_list(archive: zipfile.ZipFile, name: str) -> tuple[bytes, Header]:
    """A small array's bytes. Raises UnusableFile and what is DAMAGED."""
    handle, header = open_member(archive, name)
    with handle:
        if header.num_bytes > MOST_LIST_BYTES:
            raise UnusableFile(f"{name} has {header.num_bytes} bytes; a list of times has less")
        return handle.read(header.num_bytes), header


def check_frames(archive: zipfile.ZipFile, name: str, num_times: int, times: str) -> tuple[int, int]:
    """(H, W) of an array int16 (frames, H, W) with a time for each. Raises UnusableFile and what is DAMAGED."""
    handle, header = open_member(archive, name)
    handle.close()
    if header.dtype.kind != "i" or header.dtype.itemsize != 2:
        raise UnusableFile(f"{name} has values of {header.dtype}, not int16")
    if len(header.shape) != 3:
        raise UnusableFile(f"{name} is {by(header.shape)}, not frames x rows x columns")
    if header.shape[0] != num_times:
        raise UnusableFile(f"{name} is {by(header.shape)} but there are {num_times} {times}; frames come first")
    height, width = header.shape[1:]
    if min(height, width) < 1 or height * width > MOST_PIXELS:
        raise UnusableFile(f"{name} has frames of {height}x{width}")
    return height, width


def dated_series(
    folder: Path,
    named: re.Pattern[str],
    says: str,
    *,
    frames: str,
    times: str,
    parsed: Callable[[bytes, Header], np.ndarray],
) -> tuple[dict[str, list[DatedFile[Path]]], list[SkippedFile]]:
    """Files in `folder` or below it by series, and what cannot be used.

    The first group of `named` is the series, the others are the period that a file is of, such as year and month;
    `says` is the name that it matches, in words. The rest as `dated_frames`.
    """
    series: dict[str, list[DatedFile[Path]]] = {}
    files, skipped = files_below(folder, "*.npz")
    for file in files:
        match = named.fullmatch(file.name)
        if match is None:
            skipped.append(skip(file, folder, f"its name is not {says}"))
            continue
        try:
            found, faults = dated_frames(file, folder, frames, times, parsed)
            check_period(found.times, "-".join(match.groups()[1:]), match[0])
        except UnusableFile as reason:
            skipped.append(skip(file, folder, reason))
        else:
            series.setdefault(match[1], []).append(found)
            skipped += faults
    return series, skipped


def dated_frames(
    file: Path, folder: Path, frames: str, times: str, parsed: Callable[[bytes, Header], np.ndarray]
) -> tuple[DatedFile[Path], list[SkippedFile]]:
    """The frames of a file that holds an array of them and one of their times, and which of them have no time.

    `parsed` turns the bytes of the times into datetime64[s], NaT where one is none. Raises UnusableFile.
    """
    try:
        with open_npz(file) as archive:
            moments = parsed(*read_list(archive, times))
            shape = check_frames(archive, frames, len(moments), times)
        changed = stamp(file)
    except DAMAGED as fault:
        raise UnusableFile(f"it is cut off or damaged ({fault}); copy it again") from fault
    except OSError as fault:
        raise UnusableFile(unreadable(fault)) from fault
    undated = np.isnat(moments)
    if undated.all():
        raise UnusableFile(f"none of its {len(moments)} {times} is a time")
    numbers = np.flatnonzero(~undated)
    faults = []
    if undated.any():
        reason = (
            f"{times} has no time for these of its frames, counted from 0: {listed(np.flatnonzero(undated).tolist())}"
        )
        faults.append(skip(file, folder, reason))
    return DatedFile(below(file, folder), file, shape, changed, moments[numbers], numbers), faults


def check_period(times: np.ndarray, period: str, name: str) -> None:
    """Raises UnusableFile unless one of `times` lies in the `period` (2016-08, 2020-10-31) that the name gives."""
    if not (times.astype(np.datetime64(period).dtype) == np.datetime64(period)).any():
        raise UnusableFile(f"its frames are of {times[0]} and later, its name says {name}; name it after its frames")


def read_frames(file: Path, name: str, numbers: tuple[int, ...]) -> Iterator[np.ndarray]:
    """These frames of an array int16 (frames, H, W). Raises UnusableFile.

    A process remembers where it stopped: recordings asked for in the order of the file unpack it once altogether.
    """
    try:
        reader = _reader(file, name, stamp(file), os.getpid())
        for number in numbers:
            yield reader.frame(number)
    except UnusableFile as reason:
        raise UnusableFile(f"{file.name}: {reason}") from None
    except DAMAGED as fault:
        raise UnusableFile(f"{file.name} is cut off or damaged ({fault}); copy it again") from fault
    except OSError as fault:
        raise UnusableFile(f"{file.name}: {unreadable(fault)}") from fault


class _ForwardReader:
    """Frames of one array. Going back means beginning again."""

    def __init__(self, file: Path, name: str) -> None:
        self._archive = open_npz(file)
        self._name = name
        self._open()

    def _open(self) -> None:
        self._handle, header = open_member(self._archive, self._name)
        self._shape, self._dtype, self._next = header.shape[1:], header.dtype, 0
        self._frame_bytes = int(np.prod(self._shape)) * self._dtype.itemsize

    def __del__(self) -> None:  # the archive's file stays open as long as one of its arrays is
        if hasattr(self, "_handle"):
            self._handle.close()
        if hasattr(self, "_archive"):
            self._archive.close()

    def frame(self, number: int) -> np.ndarray:
        if number < self._next:
            self._handle.close()
            self._open()
        content = b""
        while self._next <= number:
            content = self._handle.read(self._frame_bytes)
            self._next += 1
        if len(content) < self._frame_bytes:
            raise UnusableFile(f"{self._name} ends before its frame {number}; copy it again")
        return np.frombuffer(content, self._dtype).reshape(self._shape)


@lru_cache(maxsize=1)
def _reader(file: Path, name: str, stamp: str, process: int) -> _ForwardReader:
    """The stamp tells another file under the same name apart; a forked process must not share the open file."""
    return _ForwardReader(file, name)

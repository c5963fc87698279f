"""Radar composites of Finland as the Finnish Meteorological Institute publishes them: a gzipped PGM picture a frame.

`YYYYMMDDHHMM_fmi.radar.composite.lowest_FIN_SUOMI1.pgm.gz`, every 5 minutes, 8 bits a pixel, comments in the header.
Other products (rain sums, echo tops) have other meanings and are passed over by their names.
"""

import gzip
import os
import re
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from platform.benchmarks.encoding import RAIN
from platform.benchmarks.formats.events import DatedFile, found_in, parsed_times
from platform.benchmarks.formats.fields import (
    MOST_PIXELS,
    Size,
    below,
    by,
    nothing_usable,
    require_folder,
    skip,
    stamp,
    unreadable,
)
from platform.benchmarks.formats.files import files_below
from platform.benchmarks.recording import Found, UnusableFile, Wanted

VERSION = "1"
FRAME_NAME = re.compile(r"([0-9]{12})_fmi\.radar\.composite\.lowest_(\w+)\.pgm\.gz", re.ASCII)
LONGEST_HEADER = 4096  # bytes; the real one has 700

# dBZ of a grey level. Unsure: the files do not say it; pysteps and FMI's own GeoTIFFs (gain 0.5, offset -32) agree.
DBZ_STEP, DBZ_AT_ZERO = 0.5, -32.0
NO_DATA = 255  # outside the radars' reach. 0 is a place that was seen without an echo

_RAW = np.arange(256)
_LEVELS = RAIN.levels_of_dbz(DBZ_STEP * _RAW + DBZ_AT_ZERO, missing=_RAW == NO_DATA)

_GAP = rb"(?:\s|#[^\n]*\n)+"
_HEADER = re.compile(rb"P5" + _GAP + rb"([0-9]{1,6})" + _GAP + rb"([0-9]{1,6})" + _GAP + rb"([0-9]{1,6})\s")
_OBSERVED = re.compile(rb"^# *obstime +([0-9]{12})", re.MULTILINE)
_DAMAGED = (EOFError, zlib.error, gzip.BadGzipFile)


def find_fmi(folder: Path, wanted: Wanted) -> Found:
    """Every composite in `folder` or below it, as rain in mm/h. Only headers are read here.

    Raises UserError when there is none, or when the composites are smaller than wanted.
    """
    require_folder(folder, "FMI's .pgm.gz files")
    series: dict[str, list[DatedFile[Path]]] = {}
    files, skipped = files_below(folder, "*.pgm.gz")
    for file in files:
        match = FRAME_NAME.fullmatch(file.name)
        if match is None:
            skipped.append(skip(file, folder, "its name is not YYYYMMDDHHMM_fmi.radar.composite.lowest_AREA.pgm.gz"))
            continue
        times = parsed_times([match[1]], "%Y%m%d%H%M")
        if np.isnat(times[0]):
            skipped.append(skip(file, folder, f"{match[1]} is no date and time"))
            continue
        try:
            shape = _promised_shape(file, match[1])
            found = DatedFile(below(file, folder), file, shape, stamp(file), times)
        except UnusableFile as reason:
            skipped.append(skip(file, folder, reason))
        except OSError as fault:
            skipped.append(skip(file, folder, unreadable(fault)))
        else:
            series.setdefault(match[2], []).append(found)
    if not series:
        repair = "Give the folder with YYYYMMDDHHMM_fmi.radar.composite.lowest_FIN_SUOMI1.pgm.gz to --from."
        raise nothing_usable("radar composite", folder, skipped, repair)
    return found_in(series, read_fmi, folder=folder, wanted=wanted, encoding=RAIN, skipped=skipped)


def read_fmi(file: Path, numbers: tuple[int, ...] = (0,)) -> Iterator[np.ndarray]:
    """The one frame of a file as RAIN levels, uint8 (H, W). Raises UnusableFile.

    Never unpacks more than its header promises and a byte.
    """
    try:
        with gzip.open(file) as handle:
            head = handle.read(LONGEST_HEADER)
            begin, shape = _parsed_header(head)
            num_pixels = shape[0] * shape[1]
            pixels = head[begin:] + handle.read(max(0, num_pixels + 1 - (len(head) - begin)))
    except UnusableFile as reason:
        raise UnusableFile(f"{file.name}: {reason}") from None
    except _DAMAGED as fault:
        raise UnusableFile(f"{file.name} is cut off or damaged ({fault}); copy it again") from fault
    except OSError as fault:
        raise UnusableFile(f"{file.name}: {unreadable(fault)}") from fault
    if len(pixels) != num_pixels:
        raise UnusableFile(f"{file.name} does not hold the {num_pixels} pixels of its header; copy it again")
    yield _LEVELS[np.frombuffer(pixels, np.uint8).reshape(shape)]


def _promised_shape(file: Path, time: str) -> Size:
    """(H, W) by the header, which has to agree with the file's name and with the length that gzip notes at the end."""
    try:
        with file.open("rb") as packed, gzip.GzipFile(fileobj=packed) as unpacked:
            head = unpacked.read(LONGEST_HEADER)
            if not head:
                raise UnusableFile("it is empty; copy it again")
            begin, shape = _parsed_header(head)
            packed.seek(-4, os.SEEK_END)
            num_bytes = int.from_bytes(packed.read(4), "little")
    except _DAMAGED as fault:
        raise UnusableFile(f"it is cut off or no gzip file ({fault}); copy it again") from fault
    if num_bytes != begin + shape[0] * shape[1]:
        raise UnusableFile(f"it is cut off or damaged: it does not hold the {by(shape)} pixels of its header")
    observed = _OBSERVED.search(head[:begin])
    if observed and observed[1].decode() != time:
        raise UnusableFile(f"its header says it was observed at {observed[1].decode()}, its name {time}")
    return shape


def _parsed_header(head: bytes) -> tuple[int, Size]:
    """Where the pixels begin, and (H, W). Raises UnusableFile."""
    match = _HEADER.match(head)
    if match is None:
        raise UnusableFile("it is no binary PGM picture (P5)")
    width, height, brightest = (int(number) for number in match.groups())
    if brightest != 255:
        raise UnusableFile(f"its brightest value is {brightest}; composites have 8 bits, 255")
    if not 0 < width * height <= MOST_PIXELS:
        raise UnusableFile(f"its header promises {height}x{width} pixels")
    return match.end(), (height, width)

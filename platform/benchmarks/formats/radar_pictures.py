"""Folders of dated grey pictures of a radar: the TMU authors' own data, HKO-7, and whatever was exported like them.

A name ends in its time: `shanghai_20180601083000.png`, `20180601_0830.png`, or HKO-7's `RAD180601083000.png`, whose
year has two digits. What stands before it is the series, and so the category; where that is nothing or a number, the
nearest folder that is called by more than a number. A missing frame ends a recording.

HKO-7 has masks beside its pictures, `radarPNG_mask/2018/06/01/RAD180601083000.mask` for `radarPNG/2018/...`: bytes of
0 or 1 for each pixel, packed by zlib, 1 where it may be used. They are honoured wherever a folder `X_mask` holds a
file of the same name. Pictures in colours are refused: a legend is no number.
"""

import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from platform.benchmarks.encoding import MISSING, RAIN
from platform.benchmarks.formats.events import DatedFile, found_in, parsed_times
from platform.benchmarks.formats.fields import (
    Size,
    below,
    by,
    listed,
    nothing_usable,
    printable,
    require_folder,
    skip,
    stamp,
    unreadable,
)
from platform.benchmarks.formats.files import files_below
from platform.benchmarks.formats.pictures import check_size, read_picture
from platform.benchmarks.recording import Found, UnusableFile, Wanted

VERSION = "1"
MASK_FOLDER, MASK = "_mask", ".mask"

# dBZ of a grey value. HKO-7's; unsure for others, who seldom say theirs. 0 to 70 dBZ is another usage.
DBZ_STEP, DBZ_AT_ZERO = 70 / 255, -10.0

_LEVELS = RAIN.levels_of_dbz(DBZ_STEP * np.arange(256) + DBZ_AT_ZERO)

# How names end, and what the digits mean; the first that fits counts.
_ENDINGS = (
    (re.compile(r"(RAD)([0-9]{12})", re.ASCII), "%y%m%d%H%M%S"),
    (re.compile(r"(.*?)[-_]?(?<![0-9])([0-9]{14})", re.ASCII), "%Y%m%d%H%M%S"),
    (re.compile(r"(.*?)[-_]?(?<![0-9])([0-9]{12})", re.ASCII), "%Y%m%d%H%M"),
    (re.compile(r"(.*?)[-_]?(?<![0-9])([0-9]{8}[-_T]?[0-9]{6})", re.ASCII), "%Y%m%d%H%M%S"),
    (re.compile(r"(.*?)[-_]?(?<![0-9])([0-9]{8}[-_T]?[0-9]{4})", re.ASCII), "%Y%m%d%H%M"),
)
_NUMBER = re.compile(r"[-_0-9]*", re.ASCII)
_PNG_BEGIN = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"


@dataclass(frozen=True)
class Frame:
    """Where one frame is, and what says which of its pixels may be used."""

    picture: Path
    mask: Path | None = None


def find_radar_pictures(folder: Path, wanted: Wanted) -> Found:
    """Every dated PNG in `folder` or below it, as rain in mm/h. Only headers are read here.

    Raises UserError when there is none, or when the pictures are smaller than wanted.
    """
    require_folder(folder, "pictures named NAME_YYYYmmddHHMMSS.png")
    files, skipped = files_below(folder, "*.png", f"*{MASK}")
    masks = {file: below(file, folder) for file in files if file.suffix.lower() == MASK}
    unused = set(masks)
    series: dict[str, list[DatedFile[Frame]]] = {}
    unnamed: list[str] = []
    unmasked: list[str] = []
    for file in files:
        if file in masks:
            continue
        if (dated := _series_and_time(file, folder)) is None:
            unnamed.append(below(file, folder))
            continue
        mask = next((mask for mask in _places_of_mask(file, folder) if mask in masks), None)
        try:
            shape, changed = _promised_size(file), stamp(file)
            if mask is not None:
                changed = f"{changed}-{stamp(mask)}"
                unused.discard(mask)
            elif masks:
                unmasked.append(below(file, folder))
        except UnusableFile as reason:
            skipped.append(skip(file, folder, reason))
        except OSError as error:
            skipped.append(skip(file, folder, unreadable(error)))
        else:
            name, time = dated
            found = DatedFile(below(file, folder), Frame(file, mask), shape, changed, time)
            series.setdefault(name, []).append(found)
    for names, fault in (
        (unnamed, "their names do not end in a time as NAME_YYYYmmddHHMMSS.png"),
        (unmasked, "they have no mask, all of their pixels count"),
        ([masks[mask] for mask in sorted(unused)], "no picture belongs to these masks"),
    ):
        if names:
            skipped.append(skip(folder / names[0], folder, f"{fault}: {listed(names)}"))
    if not series:
        repair = "Name them by their series and time: shanghai_20180601083000.png."
        raise nothing_usable("dated picture", folder, skipped, repair)
    return found_in(series, read_frame, folder=folder, wanted=wanted, encoding=RAIN, skipped=skipped)


def read_frame(frame: Frame, numbers: tuple[int, ...] = (0,)) -> Iterator[np.ndarray]:
    """The one frame of a picture as RAIN levels, uint8 (H, W). Raises UnusableFile."""
    grey = read_picture(frame.picture)
    if grey.ndim == 3:
        if (grey != grey[..., :1]).any():
            raise UnusableFile(f"{frame.picture.name} has colours, whose decibels nobody says; export it in grey")
        grey = grey[..., 0]
    levels = _LEVELS[grey]
    if frame.mask is not None:
        levels[~_usable(frame.mask, (grey.shape[0], grey.shape[1]))] = MISSING
    yield levels


def _series_and_time(file: Path, folder: Path) -> tuple[str, np.ndarray] | None:
    """None where the name does not end in a time."""
    for ending, pattern in _ENDINGS:
        if match := ending.fullmatch(file.stem):
            times = parsed_times([re.sub(r"\D", "", match[2])], pattern)
            if not np.isnat(times[0]):
                names = (match[1].strip("-_"), *reversed(file.parent.relative_to(folder).parts))
                return next((printable(name) for name in names if not _NUMBER.fullmatch(name)), ""), times
    return None


def _places_of_mask(file: Path, folder: Path) -> Iterator[Path]:
    """Where a picture's mask may lie: in a folder X_mask beside the X that the picture is in or below."""
    name = file.with_suffix(MASK).relative_to(folder)
    for depth in range(len(name.parts) - 1):
        parts = list(name.parts)
        parts[depth] += MASK_FOLDER
        yield folder.joinpath(*parts)


def _promised_size(file: Path) -> Size:
    """(H, W) by the header. Raises UnusableFile, and OSError."""
    with file.open("rb") as handle:
        begin = handle.read(24)
    if len(begin) < 24 or not begin.startswith(_PNG_BEGIN):
        raise UnusableFile("it is empty, cut off or no PNG picture; get it again or delete it")
    width, height = struct.unpack(">II", begin[16:])
    check_size((height, width))
    return height, width


def _usable(mask: Path, shape: Size) -> np.ndarray:
    """bool of `shape`. Never unpacks more than that. Raises UnusableFile."""
    num_pixels = shape[0] * shape[1]
    try:
        with mask.open("rb") as handle:
            packed = handle.read(num_pixels + num_pixels // 100 + 1024)  # no packing makes it longer
        content = zlib.decompressobj().decompress(packed, num_pixels + 1)
    except OSError as fault:
        raise UnusableFile(f"{mask.name}: {unreadable(fault)}") from fault
    except zlib.error as fault:
        raise UnusableFile(f"{mask.name} is cut off or no mask ({fault}); get it again or delete it") from fault
    flags = np.frombuffer(content, np.uint8)
    if len(flags) != num_pixels or flags.max(initial=0) > 1:
        raise UnusableFile(f"{mask.name} does not hold {by(shape)} bytes of 0 or 1; get it again or delete it")
    return flags.reshape(shape) == 1

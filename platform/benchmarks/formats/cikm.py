"""Radar echoes of the CIKM AnalytiCup 2017 (Shenzhen): 90 minutes around a place, at four heights, as text.

A line of `train.txt`, `testA.txt` or `testB.txt` is `train_17,12.3,` and 15 x 4 x 101 x 101 whole numbers with spaces
between: time first, a frame every 6 minutes, then height, 0.5 to 3.5 km. The second field, the rain that a gauge
caught an hour later, is not used. Files have up to 15 GB, so their lines are found once and read one by one.

Nobody says when a sample was. The published split is by file; so that validation has something of its own, the
training samples are cut into groups of a thousand, in the order of their numbers.
"""

import re
from collections.abc import Iterator
from functools import lru_cache, partial
from pathlib import Path

import numpy as np

from platform.benchmarks.encoding import RAIN
from platform.benchmarks.formats.fields import (
    by,
    listed,
    nothing_usable,
    printable,
    require_folder,
    skip,
    stacked,
    stamp,
    stored_size,
    unreadable,
)
from platform.benchmarks.formats.files import files_below
from platform.benchmarks.recording import Found, Recording, UnusableFile, Wanted
from platform.config.datasets import CIKM_HEIGHTS

VERSION = "1"
POOLS = ("train", "testA", "testB")
FRAMES, SHAPE, STEP_S = 15, (101, 101), 360
BLOCK = 1000  # training samples in a group

# dBZ of a number. Unsure: the organisers did not say it. Papers that score by dBZ took these; -1 was never measured.
DBZ_STEP, DBZ_AT_ZERO = 95 / 255, -10.0
LOWEST, HIGHEST = -1, 255

NUM_VALUES = FRAMES * len(CIKM_HEIGHTS) * SHAPE[0] * SHAPE[1]
LONGEST_HEAD = 64  # bytes of `train_10000,12.3,`
LONGEST_LINE = LONGEST_HEAD + 5 * NUM_VALUES  # bytes; a number and its space have at most 4, and a little room
CHUNK = 8 << 20  # bytes

_HEAD = re.compile(rb"(train|testA|testB)_([0-9]{1,7}),[^,\n]{0,32},")
_NUMBERS = re.compile(rb"\s*+(?:-?[0-9]{1,4}+\s++)*+")  # possessive: it never goes back
_RAW = np.arange(LOWEST, HIGHEST + 1)
_LEVELS = RAIN.levels_of_dbz(DBZ_STEP * _RAW + DBZ_AT_ZERO, missing=_RAW < 0)


def find_cikm(folder: Path, wanted: Wanted) -> Found:
    """Every sample of the three files in `folder` or below it, as rain in mm/h; each height is one recording.

    Groups are `train_1` to `train_10`, `testA` and `testB`, categories the heights. Finding the lines reads the files
    through once. Raises UserError when there is none.
    """
    require_folder(folder, "train.txt, testA.txt and testB.txt")
    size = stored_size(SHAPE, wanted, "CIKM")
    files, skipped = files_below(folder, *(f"{pool}.txt" for pool in POOLS))
    samples: dict[tuple[str, int], list[Recording]] = {}
    for file in files:
        wrong: list[str] = []
        repeated: list[str] = []
        try:
            changed = stamp(file)
            for number, (begin, length, head) in enumerate(_lines(file), start=1):
                match = _HEAD.match(head)
                if match is None or match[1].decode().lower() != file.stem.lower():
                    wrong.append(f"line {number} {head[:20].decode(errors='replace')!r}")
                elif length > LONGEST_LINE:
                    wrong.append(f"line {number} of {length} bytes")
                elif (sample := (match[1].decode(), int(match[2]))) in samples:
                    repeated.append(f"{sample[0]}_{sample[1]}")
                else:
                    samples[sample] = _recordings(file, changed, sample, begin, length, size)
        except OSError as fault:
            skipped.append(skip(file, folder, unreadable(fault)))
        if wrong:
            form = f"{file.stem}_NUMBER,RAIN, and {by((FRAMES, len(CIKM_HEIGHTS), *SHAPE))} numbers"
            skipped.append(skip(file, folder, f"these are not {form}: {listed(wrong)}"))
        if repeated:
            skipped.append(skip(file, folder, f"samples of these names were found before: {listed(repeated)}"))
    if not samples:
        archives, _ = files_below(folder, "*.zip", "*.tar.gz", "*.rar")
        hint = f"Unpack {archives[0].name} first." if archives else "Give the folder with train.txt to --from."
        raise nothing_usable("sample", folder, skipped, hint)
    ordered = sorted(samples, key=lambda sample: (POOLS.index(sample[0]), sample[1]))
    recordings = [recording for sample in ordered for recording in samples[sample]]
    provenance = {"source": printable(folder), "step_s": str(STEP_S)}
    return Found(recordings, size, encoding=RAIN, skipped=tuple(skipped), provenance=provenance)


def read_sample(file: Path, changed: str, begin: int, length: int, height: int, size: tuple[int, int]) -> np.ndarray:
    """One sample at one height, uint8 (T, *size, 1) of levels. Raises UnusableFile."""
    levels_THWK = _sample(file, changed, begin, length)
    return stacked(levels_THWK[:, height], FRAMES, SHAPE, size)


def _recordings(
    file: Path, changed: str, sample: tuple[str, int], begin: int, length: int, size: tuple[int, int]
) -> list[Recording]:
    pool, number = sample
    group = f"{pool}_{max(number - 1, 0) // BLOCK + 1}" if pool == "train" else pool
    return [
        Recording(
            name=f"{pool}_{number}-{category}",
            group=group,
            category=category,
            key=f"{changed}-{begin}-{length}-{category}",
            load=partial(read_sample, file, changed, begin, length, height, size),
            num_frames=FRAMES,
        )
        for height, category in enumerate(CIKM_HEIGHTS)
    ]


def _lines(file: Path) -> Iterator[tuple[int, int, bytes]]:
    """Where each line begins, how many bytes it has, and its first few. Empty ones are passed over."""
    with file.open("rb") as handle:
        begin, at, head = 0, 0, b""
        while chunk := handle.read(CHUNK):
            done = 0
            while (end := chunk.find(b"\n", done)) >= 0:
                head += chunk[done : min(end, done + LONGEST_HEAD - len(head))]
                if head.strip():
                    yield begin, at + end - begin, head
                begin, done, head = at + end + 1, end + 1, b""
            head += chunk[done : done + LONGEST_HEAD - len(head)]
            at += len(chunk)
        if head.strip():
            yield begin, at - begin, head


@lru_cache(maxsize=1)  # the four heights of a sample are asked for one after the other
def _sample(file: Path, changed: str, begin: int, length: int) -> np.ndarray:
    """Levels, uint8 (15, 4, 101, 101). Raises UnusableFile."""
    try:
        with file.open("rb") as handle:
            handle.seek(begin)
            line = handle.read(length)
    except OSError as fault:
        raise UnusableFile(f"{file.name}: {unreadable(fault)}") from fault
    match = _HEAD.match(line)
    if match is None or len(line) < length:
        raise UnusableFile(f"{file.name} has changed since its lines were found; prepare it again")
    where, numbers = f"{file.name}, sample {match[1].decode()}_{match[2].decode()}", line[match.end() :] + b"\n"
    held = _NUMBERS.match(numbers)
    if held is None or held.end() < len(numbers):
        odd = numbers[held.end() if held else 0 :][:12].decode(errors="replace")
        raise UnusableFile(f"{where}: {odd!r} begins with no whole number; get the file again as it was published")
    raw = np.fromstring(numbers, np.int64, sep=" ") if numbers.strip() else np.empty(0, np.int64)
    if len(raw) != NUM_VALUES:
        wanted = by((FRAMES, len(CIKM_HEIGHTS), *SHAPE))
        raise UnusableFile(f"{where} has {len(raw)} numbers, not {wanted}; it is cut off, get the file again")
    if raw.min() < LOWEST or raw.max() > HIGHEST:
        raise UnusableFile(f"{where} has numbers from {raw.min()} to {raw.max()}, not from {LOWEST} to {HIGHEST}")
    return _LEVELS[raw - LOWEST].reshape(FRAMES, len(CIKM_HEIGHTS), *SHAPE)

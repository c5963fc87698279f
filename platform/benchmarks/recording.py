"""What a reader hands to the store: a list of recordings, each loaded only when its turn comes.

A reader looks at a folder (or at nothing: a stand-in) and answers at once with what is there. Frames come later, one
video at a time, so preparing never holds two, and a restart passes over what is stored already without decoding it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from platform.benchmarks.encoding import Encoding
from platform.benchmarks.manifest import SkippedFile

DAY = 24  # hours


@dataclass(frozen=True)
class NumClips:
    """How many sequences to generate for each pool."""

    train: int
    validation: int
    test: int


@dataclass(frozen=True)
class Wanted:
    """What the user asked of `prepare`. A reader takes from it what concerns it."""

    size: int  # pixels a side of stored pictures; of fields, which keep their aspect, the shorter side
    num_clips: NumClips | None = None  # of what is generated
    event_hours: int = DAY  # a radar's recording is cut into events of this length, the unit that splits are made of
    group_by: str | None = None  # own data: a regular expression whose first group names that unit
    grey: bool = False  # own data: store colour pictures as grey


class UnusableFile(Exception):
    """This one recording cannot be read. The text says why; the recording is skipped and named, the rest goes on."""


@dataclass(frozen=True)
class Recording:
    """One video that can be stored.

    `load()` returns uint8 (T, H, W, C), of a field levels as its `Encoding` says, or raises UnusableFile. `ranges` are
    half-open, 0-based usable stretches as the data set lists them (clipped to the real length when stored); None means
    all of it. `key` changes when the file's frames could: stored work with the same key, and the same size, channels,
    encoding and fit (see `Found`), is reused.
    """

    name: str
    group: str  # person, day or pool: the unit that splits are made of
    category: str
    key: str
    load: Callable[[], np.ndarray]
    ranges: tuple[tuple[int, int], ...] | None = None
    num_frames: int | None = None  # where it is known before loading: for progress and the space check


@dataclass(frozen=True)
class Found:
    """Everything a reader found, in the order in which it will be stored."""

    recordings: Sequence[Recording]
    frame_size: tuple[int, int]  # (H, W) as stored
    channels: int = 1
    encoding: Encoding | None = None  # of a measured field; None: pictures
    fit: str = ""  # what decides how pictures become frames, `Fit.stamp()`: the same files stored otherwise are others
    skipped: tuple[SkippedFile, ...] = ()
    provenance: dict[str, str] = field(default_factory=dict)


def usable_ranges(ranges: Sequence[tuple[int, int]] | None, num_frames: int) -> tuple[tuple[int, int], ...]:
    """Listed stretches clipped to the frames there are; the whole video when nothing is left of them.

    Those that touch are one: frames 1-95 and 96-185 are 185 frames in a row, and the public codes cut clips across.
    """
    joined: list[tuple[int, int]] = []
    for first, end in sorted((max(first, 0), min(end, num_frames)) for first, end in ranges or ()):
        if first >= end:
            continue
        if joined and first <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((first, end))
    return tuple(joined) or ((0, num_frames),)

"""What a reader hands to the store: a list of recordings, each loaded only when its turn comes.

A reader looks at a folder (or at nothing: a stand-in) and answers at once with what is there. Frames come later, one
video at a time, so preparing never holds two, and a restart passes over what is stored already without decoding it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from platform.benchmarks.manifest import SkippedFile


class UnusableFile(Exception):
    """This one recording cannot be read. The text says why; the recording is skipped and named, the rest goes on."""


@dataclass(frozen=True)
class Recording:
    """One video that can be stored.

    `load()` returns uint8 (T, size, size, C) or raises UnusableFile. `ranges` are half-open, 0-based usable stretches
    as the data set lists them (clipped to the real length when stored); None means all of it. `key` changes when the
    frames could: stored work with the same key is reused.
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
    channels: int = 1
    skipped: tuple[SkippedFile, ...] = ()
    provenance: dict[str, str] = field(default_factory=dict)


def usable_ranges(ranges: Sequence[tuple[int, int]] | None, num_frames: int) -> tuple[tuple[int, int], ...]:
    """Listed stretches clipped to the frames there are; the whole video when nothing is left of them."""
    clipped = tuple((max(first, 0), min(end, num_frames)) for first, end in ranges or ())
    return tuple(stretch for stretch in clipped if stretch[0] < stretch[1]) or ((0, num_frames),)

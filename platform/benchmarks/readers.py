"""The registry: which reader finds the files of a data set, which stand-in replaces them; a line each."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from platform.benchmarks import digits, figures, kth
from platform.benchmarks.recording import Found


@dataclass(frozen=True)
class Reader:
    """How one data set is found. `find(folder, size)` and `stand_in(size)` answer at once; frames are loaded later.

    `generated` data sets also take `num_clips`: how many sequences to make for each pool.
    """

    version: str  # of the reader and the stand-in; part of every stored input
    find: Callable[..., Found]
    stand_in: Callable[..., Found]
    files: str  # what the folder given to --from holds
    generated: bool = False


def _flying_digits(number: int) -> Reader:
    find, stand_in = partial(digits.find_mnist, digits=number), partial(digits.find_bundled, digits=number)
    return Reader(digits.VERSION, find, stand_in, "the MNIST IDX files", generated=True)


def find_real(name: str, folder: Path, size: int, num_clips: digits.NumClips | None) -> Found:
    """What the real files in `folder` hold."""
    return _ask(name, partial(READERS[name].find, folder), size, num_clips)


def find_stand_in(name: str, size: int, num_clips: digits.NumClips | None = None) -> Found:
    """What the built-in stand-in would hold. Touches nothing."""
    return _ask(name, READERS[name].stand_in, size, num_clips)


def _ask(name: str, find: Callable[..., Found], size: int, num_clips: digits.NumClips | None) -> Found:
    return find(size, num_clips=num_clips) if READERS[name].generated else find(size)


READERS: dict[str, Reader] = {
    "kth": Reader(kth.VERSION, kth.find_kth, figures.find_figures, "KTH's AVI files and 00sequences.txt"),
    "flying_digits_1": _flying_digits(1),
    "flying_digits_2": _flying_digits(2),
    "flying_digits_3": _flying_digits(3),
}

"""What becomes of a picture on its way into a store, and how a folder of numbered pictures is a video.

Pixels become fewer by exact integer means and grey by exact integer shares, so that every machine stores the same
bytes. What a file says of its size is bounded before anything is decoded, and only formats of pictures are tried: to
open a PostScript program that is named .png would run it. Pictures of 16 bits are refused: cutting them to 8 would be
a guess at what is black and white.
"""

import hashlib
import os
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from struct import error as StructError
from typing import Literal

import numpy as np

from platform.benchmarks.formats.fields import MOST_PIXELS, by
from platform.benchmarks.manifest import SkippedFile
from platform.benchmarks.recording import UnusableFile
from platform.benchmarks.resize import resize_area

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")
FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP")
MODES_8_BIT = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr")
MOST_BYTES = 512 << 20  # of the stored frames of one video, which lie in memory until they are written
RGB_SHARES = (299, 587, 114)  # thousandths of red, green and blue in grey (ITU-R BT.601)

# What Pillow raises for a damaged file, by format.
DAMAGED = (OSError, ValueError, SyntaxError, EOFError, IndexError, TypeError, StructError, zlib.error)

Size = tuple[int, int]  # (H, W)
Ranges = tuple[tuple[int, int], ...]  # half-open, 0-based positions


@dataclass(frozen=True)
class Fit:
    """How frames of any size become stored ones: a part of the picture, resized to a square.

    `whole` and `half`, the middle half of each side, do not keep the aspect, as in the published protocols; `square`,
    the largest in the middle, does.
    """

    size: int
    channels: Literal[1, 3] = 1  # grey, or red, green and blue
    part: Literal["whole", "half", "square"] = "whole"

    def stamp(self) -> str:
        """Changes when the frames of the same pictures do."""
        return f"{self.part}-{self.size}-{self.channels}"

    def frame(self, picture: np.ndarray) -> np.ndarray:
        """uint8 (H, W) grey or (H, W, 3) -> (size, size, channels)."""
        if picture.ndim == 2:
            return self.of_grey(self.plane(picture, picture.shape))
        colours = [self.plane(picture[..., colour], picture.shape[:2]) for colour in range(3)]
        return np.stack(colours, -1) if self.channels == 3 else self.of_grey(grey_of(colours))

    def of_grey(self, plane: np.ndarray) -> np.ndarray:
        """uint8 (size, size) -> (size, size, channels)."""
        return np.repeat(plane[..., None], self.channels, axis=-1)

    def plane(self, plane: np.ndarray, whole: Size) -> np.ndarray:
        """One plane (h, w) of a picture of size `whole`, which may be finer than the plane -> (size, size)."""
        rows, columns = (
            slice(first * held // side, -(-end * held // side))
            for (first, end), held, side in zip(self._box(whole), plane.shape, whole, strict=True)
        )
        seen = plane[rows, columns]
        return seen if seen.shape == (self.size, self.size) else resize_area(seen, self.size, self.size)

    def _box(self, whole: Size) -> list[tuple[int, int]]:
        """First and end of what is seen, of the rows and of the columns."""
        if self.part == "half":  # an odd pixel counts as seen at the end, as in the TMU code
            return [(side // 4, max(side + (-side // 4), side // 4 + 1)) for side in whole]
        if self.part == "square":
            short = min(whole)
            return [((side - short) // 2, (side - short) // 2 + short) for side in whole]
        return [(0, side) for side in whole]


def grey_of(colours: Sequence[np.ndarray]) -> np.ndarray:
    """Red, green and blue, uint8 each of one shape, as grey, rounded half up."""
    red, green, blue = (share * colour.astype(np.int32) for share, colour in zip(RGB_SHARES, colours, strict=True))
    return ((red + green + blue + 500) // 1000).astype(np.uint8)


def read_picture(file: Path) -> np.ndarray:
    """uint8 (H, W) of a grey picture, (H, W, 3) of a coloured one. Raises UnusableFile naming the file."""
    from PIL import Image

    try:
        with Image.open(file, formats=FORMATS) as picture:
            check_size((picture.height, picture.width))
            if picture.mode not in MODES_8_BIT:
                raise UnusableFile(f"it has pixels of mode {picture.mode}; save it with 8 bits a colour")
            if (pages := getattr(picture, "n_frames", 1)) > 1 and picture.format != "MPO":
                raise UnusableFile(f"it holds {pages} pictures; save each as a file of its own")
            grey = picture.mode in ("1", "L", "LA")
            return np.asarray(picture.convert("L" if grey else "RGB"))
    except UnusableFile as reason:
        raise UnusableFile(f"{file.name}: {reason}") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as fault:
        raise UnusableFile(f"{file.name}: it says to have more than {MOST_PIXELS} pixels") from fault
    except DAMAGED as fault:
        why = getattr(fault, "strerror", None) or fault
        raise UnusableFile(f"{file.name} is cut off or no picture ({why}); get it again or delete it") from fault


def check_size(size: Size) -> None:
    """Raises UnusableFile for pictures too large to be any, or without pixels."""
    if not all(size):
        raise UnusableFile(f"it says to be {by(size)} pixels large; get it again")
    if size[0] * size[1] > MOST_PIXELS:
        raise UnusableFile(f"it says to be {by(size)} pixels large; at most {MOST_PIXELS} are read, make it smaller")


def stack_frames(frames: Iterable[np.ndarray], fit: Fit) -> np.ndarray:
    """Fitted frames one after the other, uint8 (T, size, size, channels). Raises UnusableFile for too many."""
    shape = (fit.size, fit.size, fit.channels)
    most = MOST_BYTES // int(np.prod(shape))
    stored = np.empty((min(256, most), *shape), np.uint8)
    done = 0
    for done, frame in enumerate(frames, start=1):
        if done > most:
            raise UnusableFile(f"it has more than {most} frames; cut it into shorter ones, or give a smaller --size")
        if done > len(stored):
            stored = np.concatenate([stored, np.empty_like(stored)])[:most]
        stored[done - 1] = frame
    return stored[:done]


@dataclass(frozen=True)
class Series:
    """Numbered pictures in one folder. A clip may go on from one to the next where their numbers are a `step` apart."""

    folder: Path
    names: tuple[str, ...]
    numbers: tuple[int, ...]  # ascending, none twice
    step: int = 1

    def key(self) -> str:
        """Changes when one of the files does."""
        digest = hashlib.sha256()
        for name in self.names:
            try:
                status = os.stat(self.folder / name)
                digest.update(f"{name}/{status.st_size}/{status.st_mtime_ns}/".encode())
            except OSError:  # gone since it was listed, which loading will name
                digest.update(f"{name}/gone/".encode())
        return digest.hexdigest()[:32]

    def ranges(self, listed: Ranges | None = None) -> Ranges:
        """Positions of stretches without a gap; of these what `listed` allows, if it allows anything.

        `listed` counts from 0 what the pictures' numbers count from 1.
        """
        numbers = np.array(self.numbers)
        breaks = 1 + np.flatnonzero(np.diff(numbers) != self.step)
        whole = tuple(pairwise([0, *breaks.tolist(), len(numbers)]))
        allowed = [np.searchsorted(numbers, [first + 1, end + 1]).tolist() for first, end in listed or ()]
        both = (
            (max(first, one), min(end, other)) for one, other in allowed for first, end in whole
        )  # at most a few hundred of each
        return tuple(stretch for stretch in both if stretch[0] < stretch[1]) or whole

    def load(self, fit: Fit) -> np.ndarray:
        """Raises UnusableFile where a picture cannot be read or has another size than the first."""
        return stack_frames(self._frames(fit), fit)

    def _frames(self, fit: Fit) -> Iterator[np.ndarray]:
        size: Size | None = None
        for name in self.names:
            picture = read_picture(self.folder / name)
            size = size or picture.shape[:2]
            if picture.shape[:2] != size:
                raise UnusableFile(
                    f"{name} is {by(picture.shape[:2])}, {self.names[0]} is {by(size)}; "
                    "bring the pictures of a video to one size"
                )
            yield fit.frame(picture)


def series_of(numbered: Iterable[tuple[int, Path]], step: int | None = None) -> tuple[Series, list[Path]]:
    """Pictures of one folder with their numbers, at least one, in order; and files whose number came before.

    Without a `step` it is the usual one: the most frequent, the shortest of several.
    """
    files: dict[int, Path] = {}
    repeated: list[Path] = []
    for number, file in sorted(numbered):
        if number in files:
            repeated.append(file)
        else:
            files[number] = file
    if step is None:
        steps, counts = np.unique(np.diff(list(files)), return_counts=True)
        step = int(steps[np.argmax(counts)]) if len(steps) else 1
    folder = next(iter(files.values())).parent
    return Series(folder, tuple(file.name for file in files.values()), tuple(files), step), repeated


def name_gaps(series: Iterable[tuple[str, Series]]) -> list[SkippedFile]:
    """One entry that says which of these named series have gaps, and where the first of each is."""
    texts = []
    for name, one in series:
        stretches = one.ranges()
        if len(stretches) > 1:
            before, after = one.numbers[stretches[0][1] - 1], one.numbers[stretches[1][0]]
            texts.append(f"{name} goes from {before} to {after}")
    if not texts:
        return []
    more = f" and {len(texts) - 5} more" if len(texts) > 5 else ""
    reason = f"frames are missing, no clip crosses the gaps: {', '.join(texts[:5])}{more}"
    return [SkippedFile(file="numbered pictures", reason=reason)]

"""What of its stored frames a clip shows: which square, shrunk how far, turned which way.

Random crops and augmentation come as a few numbered variants, each a pure function of (store, video, first frame,
variant): whoever asks for variant 3 of a clip, today or in a year, is given the same frames, so that memories computed
for them stay true. Anything freer could not be stored.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from platform.benchmarks.resize import area_mean, area_mean_of_field
from platform.benchmarks.scatter import mixed
from platform.benchmarks.store import FrameStore
from platform.config.clips import CropConfig
from platform.config.errors import UserError

Augment = Literal["none", "mirror", "symmetries"]
TURNS = {"none": 1, "mirror": 2, "symmetries": 8}
PLACE, TURN = 1, 2  # what is drawn: where a clip is cut says nothing about how it is turned

# N clips, T frames, C channels, H W stored pixels, S pixels a side of what is seen


@dataclass(frozen=True)
class Views:
    """The square part of stored frames that clips show, and the ways to show it."""

    stored_size: tuple[int, int]  # (H, W)
    side: int  # of the square, in stored pixels
    frame_size: int  # to which it is shrunk
    place: Literal["centre", "grid", "random"]
    augment: Augment
    field: bool  # stored are levels: missing places stay out of means

    @classmethod
    def of(
        cls, store: FrameStore, frame_size: int, crop: CropConfig | None = None, augment: Augment = "none"
    ) -> "Views":
        """Without `crop` the largest square in the middle. Raises UserError where it cannot be cut or shrunk."""
        manifest = store.manifest
        side = min(manifest.frame_size) if crop is None else crop.side
        if side > min(manifest.frame_size) or side % frame_size:
            raise _cannot_be_seen(store, side, frame_size, crop)
        place = "centre" if crop is None else crop.place
        return cls(manifest.frame_size, side, frame_size, place, augment, field=manifest.encoding is not None)

    @property
    def num_tiles(self) -> int:
        """How many clips one stretch of frames yields: squares side by side in a grid, else 1."""
        return num_tiles(self.stored_size, self.side) if self.place == "grid" else 1

    @property
    def plain(self) -> bool:
        """Are stored frames shown as they are?"""
        return (self.frame_size, self.frame_size) == self.stored_size and self.augment == "none"

    def corners(self, keys: np.ndarray, tiles: np.ndarray, variant: int) -> np.ndarray:
        """Where the square of each clip begins: int64 (N, 2), row and column.

        `keys` are the clips' own (`clip_keys`), `tiles` says which place in the grid.
        """
        free = np.array(self.stored_size) - self.side
        if self.place == "random":
            drawn = _drawn(keys, variant, PLACE)
            return np.column_stack([drawn >> np.uint64(32), drawn & np.uint64(0xFFFFFFFF)]).astype(np.int64) % (
                free + 1
            )
        rows, columns = _grid(self.stored_size, self.side) if self.place == "grid" else (1, 1)
        first = (np.array(self.stored_size) - self.side * np.array([rows, columns])) // 2
        return first + self.side * np.column_stack(np.divmod(tiles, columns))

    def turns(self, keys: np.ndarray, variant: int) -> np.ndarray:
        """How each clip is turned, (N,): 1 is left for right, 2 top for bottom, 4 rows for columns, and their sums.

        Variant 0 is never turned.
        """
        if variant == 0 or self.augment == "none":
            return np.zeros(len(keys), np.int64)
        return (_drawn(keys, variant, TURN) % np.uint64(TURNS[self.augment])).astype(np.int64)

    def show(self, stored_THWC: np.ndarray, corner: np.ndarray, turn: int) -> np.ndarray:
        """(T, H, W, C) -> (T, S, S, C), a view of the stored frames where nothing is shrunk."""
        seen = stored_THWC
        if (self.side, self.side) != self.stored_size:
            row, column = corner
            seen = seen[:, row : row + self.side, column : column + self.side]
        factor = self.side // self.frame_size
        if factor > 1:
            seen = area_mean_of_field(seen, factor) if self.field else area_mean(seen, factor)
        if turn & 4:
            seen = seen.swapaxes(1, 2)
        if turn & 2:
            seen = seen[:, ::-1]
        return seen[:, :, ::-1] if turn & 1 else seen


def num_tiles(stored_size: tuple[int, int], side: int) -> int:
    """How many squares fit side by side into a stored frame."""
    rows, columns = _grid(stored_size, side)
    return rows * columns


def _grid(stored_size: tuple[int, int], side: int) -> tuple[int, int]:
    height, width = stored_size
    return height // side, width // side


def _drawn(keys: np.ndarray, variant: int, what: int) -> np.ndarray:
    return mixed(mixed(keys ^ np.uint64(variant)) ^ np.uint64(what))


def _cannot_be_seen(store: FrameStore, side: int, frame_size: int, crop: CropConfig | None) -> UserError:
    manifest = store.manifest
    (height, width), largest = manifest.frame_size, min(manifest.frame_size)
    fitting = largest // frame_size * frame_size  # a side that could be cut and shrunk; 0: none
    if crop is None and height == width:
        return UserError(
            f"{store.path} holds frames of {height} pixels, which {frame_size} does not divide. "
            f"Set frame_size to a divisor, or prepare {manifest.dataset} with --size {frame_size}."
        )
    if crop is None:
        repair = f"crop.side to {fitting}" if fitting else f"frame_size to {largest} or less"
        return UserError(
            f"{store.path} holds frames of {height}x{width} pixels, whose middle square of {side} pixels {frame_size} "
            f"does not divide. Set {repair}."
        )
    if side > largest:
        repair = f"crop.side to {fitting}" if fitting else f"frame_size and crop.side to {largest} or less"
        return UserError(
            f"{store.path} holds frames of {height}x{width} pixels, into which crop.side {side} does not fit. "
            f"Set {repair}."
        )
    return UserError(
        f"crop.side {side} is no multiple of frame_size {frame_size}, to which it is shrunk. "
        f"Set crop.side to {side // frame_size * frame_size or frame_size}, or frame_size to a divisor of it."
    )

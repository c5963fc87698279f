"""Making frames smaller by area mean, in exact integer arithmetic.

Library resizers differ between versions and processors by a grey level here and there, which would give every machine
another fingerprint. Sums of integers do not. Of a measured field (see `encoding.py`) missing places stay out of the
mean; where they make up half of a pixel or more, it is missing itself.
"""

from functools import cache
from math import gcd

import numpy as np

from platform.benchmarks.encoding import MISSING


def area_mean(frames: np.ndarray, factor: int) -> np.ndarray:
    """Mean over `factor` x `factor` pixels, rounded half up. uint8 (..., H, W, C) -> (..., H/f, W/f, C)."""
    if factor == 1:
        return frames
    number = np.uint16 if factor <= 15 else np.uint32  # 15 * 15 * 255 and half of the area still fit
    rows = np.zeros((*frames.shape[:-3], frames.shape[-3] // factor, *frames.shape[-2:]), number)
    for offset in range(factor):
        rows += frames[..., offset::factor, :, :]
    sums = np.zeros((*rows.shape[:-2], rows.shape[-2] // factor, rows.shape[-1]), number)
    for offset in range(factor):
        sums += rows[..., offset::factor, :]
    area = factor * factor
    return ((sums + area // 2) // area).astype(np.uint8)


def area_mean_of_field(levels: np.ndarray, factor: int) -> np.ndarray:
    """`area_mean` of levels, whose missing places (255) are passed over. uint8 (..., H, W, C), as above."""
    if factor == 1:
        return levels
    shape = (
        *levels.shape[:-3],
        levels.shape[-3] // factor,
        factor,
        levels.shape[-2] // factor,
        factor,
        levels.shape[-1],
    )
    cells = levels.reshape(shape)
    present = cells != MISSING
    counts = present.sum(axis=(-4, -2), dtype=np.int64)
    sums = np.where(present, cells, 0).sum(axis=(-4, -2), dtype=np.int64)
    return _mean_or_missing(sums, counts, factor * factor)


def resize_field(levels: np.ndarray, height: int, width: int) -> np.ndarray:
    """`resize_area` of one frame of levels, uint8 (H, W), whose missing places (255) are passed over."""
    present = levels != MISSING
    sums, area = _area_sums(np.where(present, levels, 0), height, width)
    counts, _ = _area_sums(present, height, width)
    return _mean_or_missing(sums.astype(np.int64), counts.astype(np.int64), area)


def _mean_or_missing(sums: np.ndarray, counts: np.ndarray, area: int) -> np.ndarray:
    enough = 2 * counts > area
    safe = np.where(enough, counts, 1)
    return np.where(enough, (2 * sums + safe) // (2 * safe), MISSING).astype(np.uint8)


def resize_area(frame: np.ndarray, height: int, width: int) -> np.ndarray:
    """A grey uint8 (H, W) frame at any size by area overlap, rounded half up; the aspect is not kept."""
    sums, area = _area_sums(frame, height, width)
    sums *= sums.dtype.type(2)
    sums += sums.dtype.type(area)
    sums //= sums.dtype.type(2 * area)
    return sums.astype(np.uint8)


def _area_sums(frame: np.ndarray, height: int, width: int) -> tuple[np.ndarray, int]:
    """Sums over the pixels that each target pixel covers, (height, width), and how much it covers.

    They come in the narrowest integers in which twice the sum and the area fit: 16 bits for KTH's 160x120 at 64x64,
    which halves the time of 64.
    """
    (at_rows, row_weights), (at_columns, column_weights) = (
        _overlaps(source, target) for source, target in zip(frame.shape, (height, width), strict=True)
    )
    area = int(row_weights[:, 0].sum() * column_weights[:, 0].sum())
    number = next(kind for kind in (np.uint16, np.uint32, np.int64) if area * 511 <= np.iinfo(kind).max)
    rows = np.zeros((height, frame.shape[1]), number)
    for at, weights in zip(at_rows, row_weights.astype(number), strict=True):
        rows += frame.take(at, 0) * weights[:, None]
    sums = np.zeros((height, width), number)
    for at, weights in zip(at_columns, column_weights.astype(number), strict=True):
        sums += rows.take(at, 1) * weights
    return sums, area


@cache
def _overlaps(source: int, target: int) -> tuple[np.ndarray, np.ndarray]:
    """Which source pixels each target pixel covers and how much of them, in whole units: both int64 (K, target).

    K is the most pixels that one covers; where one covers fewer, the rest has weight 0.
    """
    unit = gcd(source, target)
    wide, narrow = source // unit, target // unit  # a target pixel is `wide` units, a source pixel `narrow`
    starts = np.arange(target) * wide
    most = -(-wide // narrow) + 1
    at = starts // narrow + np.arange(most)[:, None]
    weights = np.minimum(starts + wide, (at + 1) * narrow) - np.maximum(starts, at * narrow)
    return np.minimum(at, source - 1), np.maximum(weights, 0)

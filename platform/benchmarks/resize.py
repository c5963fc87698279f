"""Making frames smaller by area mean, in exact integer arithmetic.

Library resizers differ between versions and processors by a grey level here and there, which would give every machine
another fingerprint. Sums of integers do not.
"""

from functools import cache
from math import gcd

import numpy as np


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


def resize_area(frame: np.ndarray, height: int, width: int) -> np.ndarray:
    """A grey uint8 (H, W) frame at any size by area overlap, rounded half up; the aspect is not kept."""
    (rows, row_weights), (columns, column_weights) = (
        _overlaps(source, target) for source, target in zip(frame.shape, (height, width), strict=True)
    )
    wide = frame.astype(np.int64)
    wide = sum(weights[:, None] * wide[at] for at, weights in zip(rows, row_weights, strict=True))
    sums = sum(weights * wide[:, at] for at, weights in zip(columns, column_weights, strict=True))
    area = row_weights[:, 0].sum() * column_weights[:, 0].sum()
    return ((2 * sums + area) // (2 * area)).astype(np.uint8)


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

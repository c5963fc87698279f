"""Making frames smaller by area mean, in exact integer arithmetic.

Library resizers differ between versions and processors by a grey level here and there, which would give every
machine another fingerprint. Sums of integers do not.
"""

from functools import cache
from math import gcd

import numpy as np


def area_mean(frames: np.ndarray, factor: int) -> np.ndarray:
    """Mean over `factor` x `factor` pixels, rounded half up. uint8 (..., H, W, C) -> (..., H/f, W/f, C)."""
    if factor == 1:
        return frames
    rows = np.zeros((*frames.shape[:-3], frames.shape[-3] // factor, *frames.shape[-2:]), np.uint32)
    for offset in range(factor):
        rows += frames[..., offset::factor, :, :]
    sums = np.zeros((*rows.shape[:-2], rows.shape[-2] // factor, rows.shape[-1]), np.uint32)
    for offset in range(factor):
        sums += rows[..., offset::factor, :]
    area = factor * factor
    return ((sums + area // 2) // area).astype(np.uint8)


def resize_area(frame: np.ndarray, height: int, width: int) -> np.ndarray:
    """A grey uint8 (H, W) frame at any size by area overlap, rounded half up; the aspect is not kept.

    Every weight is a whole number and every sum stays below 2**53, so float64 products are exact in any
    order.
    """
    rows, columns = _overlaps(frame.shape[0], height), _overlaps(frame.shape[1], width)
    sums = rows @ frame.astype(np.float64) @ columns.T
    area = rows[0].sum() * columns[0].sum()
    return ((2 * sums + area) // (2 * area)).astype(np.uint8)


@cache
def _overlaps(source: int, target: int) -> np.ndarray:
    """(target, source): how much of each source pixel a target pixel covers, in whole units."""
    unit = gcd(source, target)
    wide, narrow = source // unit, target // unit  # a target pixel is `wide` units, a source pixel `narrow`
    starts_T, starts_S = np.arange(target)[:, None] * wide, np.arange(source)[None, :] * narrow
    overlap = np.minimum(starts_T + wide, starts_S + narrow) - np.maximum(starts_T, starts_S)
    return np.maximum(overlap, 0).astype(np.float64)

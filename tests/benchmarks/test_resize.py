"""Frames get smaller by area mean, exactly."""

import numpy as np
import pytest

from platform.benchmarks.encoding import MISSING
from platform.benchmarks.resize import area_mean, area_mean_of_field, resize_area, resize_field


def test_area_mean_is_the_rounded_mean_of_each_square() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (3, 8, 12, 2), dtype=np.uint8)
    exact = frames.reshape(3, 2, 4, 3, 4, 2).mean(axis=(2, 4))
    assert np.array_equal(area_mean(frames, 4), np.floor(exact + 0.5).astype(np.uint8))


def test_factor_one_hands_out_the_same_array() -> None:
    frames = np.zeros((1, 4, 4, 1), np.uint8)
    assert area_mean(frames, 1) is frames


def test_resize_area_agrees_with_area_mean_where_sizes_divide() -> None:
    frame = np.random.default_rng(1).integers(0, 256, (120, 160), dtype=np.uint8)
    assert np.array_equal(resize_area(frame, 30, 40), area_mean(frame[..., None], 4)[..., 0])


def test_a_white_frame_stays_white_at_any_size() -> None:
    white = np.full((120, 160), 255, np.uint8)
    for size in (8, 48, 64, 128, 200):
        assert (resize_area(white, size, size) == 255).all()


def test_mean_brightness_survives_an_uneven_resize() -> None:
    frame = np.random.default_rng(2).integers(0, 256, (120, 160), dtype=np.uint8)
    assert abs(resize_area(frame, 64, 64).mean() - frame.mean()) < 0.5


@pytest.mark.parametrize("factor", [2, 4])
def test_missing_places_stay_out_of_the_mean_and_half_of_them_make_it_missing(factor: int) -> None:
    levels = np.random.default_rng(0).integers(0, 255, (3, 16, 16, 1), dtype=np.uint8)
    levels[np.random.default_rng(1).random(levels.shape) < 0.4] = MISSING
    small = area_mean_of_field(levels, factor)
    for t, y, x in np.ndindex(small.shape[:3]):
        cell = levels[t, factor * y : factor * (y + 1), factor * x : factor * (x + 1), 0].ravel()
        present = cell[cell != MISSING].astype(float)
        wanted = np.floor(present.mean() + 0.5) if 2 * len(present) > len(cell) else MISSING
        assert small[t, y, x, 0] == wanted
    for frame, resized in zip(levels, small, strict=True):
        assert np.array_equal(resize_field(frame[..., 0], 16 // factor, 16 // factor), resized[..., 0])


def test_a_field_without_gaps_is_made_smaller_like_a_picture() -> None:
    levels = np.random.default_rng(2).integers(0, 255, (30, 41), dtype=np.uint8)
    assert np.array_equal(resize_field(levels, 13, 20), resize_area(levels, 13, 20))


def test_every_size_is_the_exact_mean_rounded_half_up() -> None:
    rng = np.random.default_rng(3)
    for _ in range(60):
        (height, width), (high, wide) = rng.integers(1, 90, 2), rng.integers(1, 90, 2)
        frame = rng.integers(0, 256, (height, width), dtype=np.uint8)
        fine = np.repeat(np.repeat(frame.astype(np.int64), high, 0), wide, 1)  # every source pixel high x wide units
        sums = fine.reshape(high, height, wide, width).sum(axis=(1, 3))
        area = int(height * width)
        assert np.array_equal(resize_area(frame, high, wide), (2 * sums + area) // (2 * area))
        gone = np.where(rng.random(frame.shape) < 0.3, MISSING, frame)
        assert resize_field(gone, high, wide).shape == (high, wide)


def test_large_frames_do_not_overflow() -> None:
    white = np.full((3001, 2999), 255, np.uint8)
    assert (resize_area(white, 64, 61) == 255).all()

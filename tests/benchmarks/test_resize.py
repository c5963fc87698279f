"""Frames get smaller by area mean, exactly."""

import numpy as np

from platform.benchmarks.resize import area_mean, resize_area


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

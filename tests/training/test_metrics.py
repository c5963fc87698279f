"""Scores equal the public code's numbers."""

import numpy as np
import pytest
from skimage.metrics import structural_similarity

from platform.benchmarks.encoding import RAIN, TOP, Encoding
from platform.benchmarks.tensors import clips_to_float
from platform.config.errors import UserError
from platform.training.events import EventScores, level_bounds
from platform.training.metrics import mean_of_defined, per_frame_scores
from platform.training.ssim import ssim_uint8
from tests.given import REFERENCE
from tmu_models import ShapeError

CASE = REFERENCE / "metrics" / "case.npz"


@pytest.mark.parametrize(
    ("name", "recorded"),
    [("mse", "mse_per_frame"), ("ssim", "ssim_per_frame_uint8"), ("psnr", "psnr_per_frame_uint8")],
)
def test_scores_equal_the_public_code(name: str, recorded: str) -> None:
    case = np.load(CASE)
    true, predicted = (case[key].transpose(0, 1, 4, 2, 3) for key in ("true", "pred"))
    per_frame = per_frame_scores(true, predicted)[name].mean(axis=0)
    np.testing.assert_allclose(per_frame, case[recorded], rtol=1e-6)


def test_identical_frames_have_infinite_psnr_and_no_error() -> None:
    frames = np.random.default_rng(0).random((1, 2, 1, 16, 16))
    scores = per_frame_scores(frames, frames)
    assert np.isposinf(scores["psnr"]).all()
    assert (scores["mse"] == 0).all()


def test_clips_of_different_shape_are_refused() -> None:
    with pytest.raises(ShapeError, match="differ in shape"):
        per_frame_scores(np.zeros((1, 2, 1, 16, 16)), np.zeros((1, 3, 1, 16, 16)))


@pytest.mark.parametrize("channels", [1, 3])
def test_ssim_of_many_frames_equals_scikit_image_of_each(channels: int) -> None:
    rng = np.random.default_rng(0)
    true = rng.integers(0, 256, (40, channels, 33, 29), dtype=np.uint8)
    predicted = np.clip(true + rng.integers(-40, 40, true.shape), 0, 255).astype(np.uint8)
    predicted[3], true[4] = 0, 255  # flat frames
    wanted = [structural_similarity(t, p, channel_axis=0) for t, p in zip(true, predicted, strict=True)]
    np.testing.assert_allclose(ssim_uint8(true, predicted), wanted, rtol=1e-9, atol=1e-12)


def test_a_frame_smaller_than_the_window_is_refused() -> None:
    with pytest.raises(ValueError, match="smaller than SSIM's window"):
        ssim_uint8(np.zeros((1, 1, 6, 8), np.uint8), np.zeros((1, 1, 6, 8), np.uint8))


def test_ssim_is_exact_at_the_largest_sums_an_8_bit_frame_has() -> None:
    white, nearly = np.full((1, 1, 9, 9), 255, np.uint8), np.full((1, 1, 9, 9), 255, np.uint8)
    nearly[..., 4, 4] = 254
    wanted = structural_similarity(white[0], nearly[0], channel_axis=0)
    np.testing.assert_allclose(ssim_uint8(white, nearly), [wanted], rtol=1e-12)


def test_ssim_takes_bytes_of_one_shape_only() -> None:
    frames = np.zeros((2, 1, 8, 8), np.uint8)
    for other in (frames.astype(np.float32), frames[:1], frames[:, :, :7]):
        with pytest.raises(ValueError, match=r"give uint8 of one shape"):
            ssim_uint8(frames, other)


def test_openstls_error_is_not_clipped() -> None:
    true, predicted = np.full((1, 1, 1, 8, 8), 0.5), np.full((1, 1, 1, 8, 8), 1.5)
    scores = per_frame_scores(true, predicted)
    assert scores["mse"] == pytest.approx(64 * 0.25)
    assert scores["mse_openstl"] == pytest.approx(64)


@pytest.mark.parametrize("poison", [np.nan, np.inf])
@pytest.mark.parametrize("which", ["true", "predicted"])
def test_frames_that_are_no_numbers_have_no_score(poison: float, which: str) -> None:
    frames = {"true": np.zeros((1, 2, 1, 16, 16)), "predicted": np.zeros((1, 2, 1, 16, 16))}
    frames[which][0, 1, 0, 3, 3] = poison
    with pytest.raises(ValueError, match=f"{which} frames hold NaN or infinity"):
        per_frame_scores(frames["true"], frames["predicted"])


def masked_frames(channels: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """True and predicted frames (2, 3, C, 16, 16), of which frame 0 is whole and frame 2 of clip 1 is missing."""
    draw = np.random.default_rng(0)
    true, predicted = draw.random((2, 2, 3, channels, 16, 16))
    valid = np.ones(true.shape, bool)
    valid[:, 1:, :, 3:5, 2:9] = False
    valid[1, 2] = False
    return true, predicted, valid


@pytest.mark.parametrize("channels", [1, 3])
def test_missing_pixels_count_for_nothing_in_any_score(channels: int) -> None:
    true, predicted, valid = masked_frames(channels)
    scores = per_frame_scores(true, predicted, valid_BTCHW=valid)
    whole = per_frame_scores(true, predicted)
    for name, values in scores.items():
        np.testing.assert_array_equal(values[:, 0], whole[name][:, 0])  # nothing is missing there
        assert np.isnan(values[1, 2])
        assert np.isfinite(values[:, :2]).all()
    garbage = np.where(valid, predicted, 0.77), np.where(valid, true, 0.33)
    for name, values in per_frame_scores(garbage[1], garbage[0], valid_BTCHW=valid).items():
        np.testing.assert_array_equal(values, scores[name])

    at, seen = (0, 1), valid[0, 1]
    error = (true[at] - predicted[at])[seen] ** 2
    assert scores["mse"][at] == pytest.approx(error.mean() * seen.size)  # as if the missing ones erred like the others
    true_bytes, predicted_bytes = ((clips[at] * 255).astype(np.uint8) for clips in (true, predicted))
    error = (true_bytes.astype(float) - predicted_bytes)[seen] ** 2
    assert scores["psnr"][at] == pytest.approx(20 * np.log10(255) - 10 * np.log10(error.mean()))
    _, places = structural_similarity(true_bytes, predicted_bytes, channel_axis=0, full=True)
    windows = np.lib.stride_tricks.sliding_window_view(seen, (7, 7), (1, 2)).all(axis=(-2, -1))
    assert scores["ssim"][at] == pytest.approx(places[:, 3:-3, 3:-3][windows].mean())


def test_no_window_without_a_missing_pixel_leaves_ssim_undefined_and_the_others_not() -> None:
    true, predicted, valid = masked_frames()
    valid[:, :, :, ::5, ::5] = False
    scores = per_frame_scores(true, predicted, valid_BTCHW=valid)
    assert np.isnan(scores["ssim"]).all()
    assert np.isfinite(scores["mse"][0]).all()


def test_a_mask_of_another_shape_is_refused() -> None:
    true, predicted, valid = masked_frames()
    with pytest.raises(ShapeError, match="differ in shape"):
        per_frame_scores(true, predicted, valid_BTCHW=valid[:1])


def test_undefined_scores_are_left_out_of_a_mean_and_infinite_ones_are_not() -> None:
    values = np.array([[1.0, np.nan, 3.0], [np.nan, np.nan, np.nan], [np.inf, np.nan, 1.0]])
    np.testing.assert_array_equal(mean_of_defined(values, axis=1), [2.0, np.nan, np.inf])


def test_every_stored_level_meets_the_bound_of_its_own_value() -> None:
    """In float32, in which frames are compared: a value of exactly T is an event, the level below is none."""
    levels = np.arange(TOP + 1, dtype=np.uint8)[:, None, None, None, None]
    frames = clips_to_float(levels, field=True).numpy().ravel()
    for encoding in (RAIN, Encoding(unit="VIL", scale="linear", lowest=0, highest=254)):
        for level in range(1, TOP + 1):
            (bound,) = level_bounds(encoding, encoding.values(np.array([level], np.uint8)).tolist())
            assert frames[level] >= bound > frames[level - 1]


@pytest.mark.parametrize("threshold", [0.0, 0.01, 300.0])
def test_a_threshold_that_no_level_tells_apart_is_refused(threshold: float) -> None:
    with pytest.raises(UserError, match=r"beyond what was stored, 0\.0\d+ to 205 mm/h\. Take it out of"):
        level_bounds(RAIN, [1.0, threshold])


def test_pictures_have_no_thresholds() -> None:
    assert level_bounds(None, []) == ()
    with pytest.raises(UserError, match=r"Set benchmark\.thresholds: \[\]"):
        level_bounds(None, [1.0])


def test_rain_scores_refuse_what_would_pass_for_dry() -> None:
    scores, rain = EventScores([10]), np.array([20.0, 20.0])
    with pytest.raises(ValueError, match="predicted values hold NaN"):
        scores.add(rain, np.array([20.0, np.nan]))
    with pytest.raises(ValueError, match="mask of booleans, not uint8"):
        scores.add(rain, rain, np.array([1, 255], np.uint8))
    scores.add(np.array([20.0, np.nan]), rain, np.array([True, False]))
    assert scores.scores()["csi_10"] == 1


def test_rain_scores_pool_before_they_divide() -> None:
    scores = EventScores([10, 50])
    scores.add(np.array([20, 20, 0, 60]), np.array([20, 0, 20, 60]))
    scores.add(np.array([0, 0]), np.array([0, 0]))
    scores.add(np.array([20]), np.array([20]))
    got = scores.scores()
    assert (got["csi_10"], got["pod_10"], got["far_10"]) == (3 / 5, 3 / 4, 1 / 4)
    assert (got["csi_50"], got["pod_50"], got["far_50"]) == (1, 1, 0)


def test_a_missing_pixel_counts_for_nothing() -> None:
    masked, without = EventScores([10]), EventScores([10])
    masked.add(np.array([20, 20]), np.array([20, 0]), valid=np.array([True, False]))
    without.add(np.array([20]), np.array([20]))
    assert masked.scores() == without.scores()


def test_without_events_a_score_is_undefined_and_not_a_number_made_up() -> None:
    scores = EventScores([10])
    scores.add(np.array([0.0]), np.array([0.0]))
    assert scores.scores() == {"csi_10": None, "pod_10": None, "far_10": None}

"""Scores equal the public code's numbers."""

from pathlib import Path

import numpy as np
import pytest
from skimage.metrics import structural_similarity

from platform.training.events import EventScores
from platform.training.metrics import per_frame_scores
from platform.training.ssim import ssim_uint8
from tmu_models import ShapeError

CASE = Path(__file__).parents[1] / "fixtures" / "reference" / "metrics" / "case.npz"


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
@pytest.mark.parametrize("threads", [1, 2])
def test_ssim_of_many_frames_equals_scikit_image_of_each(channels: int, threads: int) -> None:
    rng = np.random.default_rng(0)
    true = rng.integers(0, 256, (40, channels, 33, 29), dtype=np.uint8)
    predicted = np.clip(true + rng.integers(-40, 40, true.shape), 0, 255).astype(np.uint8)
    predicted[3], true[4] = 0, 255  # flat frames
    wanted = [structural_similarity(t, p, channel_axis=0) for t, p in zip(true, predicted, strict=True)]
    np.testing.assert_allclose(ssim_uint8(true, predicted, threads=threads), wanted, rtol=1e-9, atol=1e-12)


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

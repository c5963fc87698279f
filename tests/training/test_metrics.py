"""Scores equal the public code's numbers."""

from pathlib import Path

import numpy as np
import pytest

from platform.training.metrics import per_frame_scores
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

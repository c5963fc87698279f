"""LPIPS equals the public package's numbers, on weights drawn at random: its own are not ours to ship."""

from pathlib import Path

import numpy as np
import pytest
import torch

from platform.config.errors import UserError
from platform.training.lpips import BACKBONE, LINEAR, SMALLEST_FRAME, load_lpips, why_no_lpips
from tests.given import REFERENCE

# Made with the package lpips 0.1.4 from the same weights as `weights` below.
CASE = REFERENCE / "metrics" / "lpips.npz"
BACKBONE_SHAPES = {
    0: (64, 3, 11, 11),
    3: (192, 64, 5, 5),
    6: (384, 192, 3, 3),
    8: (256, 384, 3, 3),
    10: (256, 256, 3, 3),
}


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, draw = tmp_path_factory.mktemp("lpips"), np.random.RandomState(0)
    backbone = {"classifier.6.bias": torch.zeros(1000)}  # the public file holds the whole classifier
    for layer, shape in BACKBONE_SHAPES.items():
        scale = 1 / np.sqrt(np.prod(shape[1:]))
        kernel, bias = draw.standard_normal(shape) * scale, draw.standard_normal(shape[:1]) * 0.1
        backbone |= {f"features.{layer}.weight": _tensor(kernel), f"features.{layer}.bias": _tensor(bias)}
    torch.save(backbone, folder / BACKBONE)
    draw = np.random.RandomState(1)
    linear = {
        f"lin{tap}.model.1.weight": _tensor(draw.rand(1, shape[0], 1, 1))
        for tap, shape in enumerate(BACKBONE_SHAPES.values())
    }
    torch.save(linear, folder / LINEAR)
    return folder


def _tensor(values: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(values.astype(np.float32))


@pytest.mark.parametrize("kind", ["grey", "colour"])
def test_distances_equal_the_public_package(weights: Path, kind: str) -> None:
    case, lpips = np.load(CASE), load_lpips(weights, 64)
    assert lpips is not None
    true, predicted = (case[f"{kind}_{which}"].astype(np.float32) / 255 for which in ("true", "predicted"))
    distances = lpips.distance(true, predicted)
    np.testing.assert_allclose(distances, case[f"{kind}_distance"], rtol=1e-5, atol=1e-9)
    assert distances[2] == 0
    assert (distances[:2] > 0.01).all()


def test_more_frames_than_a_group_score_as_alone(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lpips, frames = load_lpips(weights, 64), np.random.default_rng(0).random((5, 1, 32, 32))
    assert lpips is not None
    whole = lpips.distance(frames, frames[::-1])
    monkeypatch.setattr("platform.training.lpips.GROUP", 2)
    np.testing.assert_allclose(lpips.distance(frames, frames[::-1]), whole, rtol=1e-5)


def test_missing_weights_are_named(weights: Path, tmp_path: Path) -> None:
    assert load_lpips(tmp_path, 64) is None
    assert BACKBONE in str(why_no_lpips(tmp_path, 64))
    assert LINEAR in str(why_no_lpips(tmp_path, 64))
    (tmp_path / LINEAR).write_bytes((weights / LINEAR).read_bytes())
    assert LINEAR not in str(why_no_lpips(tmp_path, 64))
    assert why_no_lpips(weights, 64) is None


def test_frames_too_small_for_alexnet_are_not_scored(weights: Path) -> None:
    lpips = load_lpips(weights, SMALLEST_FRAME)
    assert lpips is not None
    smallest = np.zeros((1, 1, SMALLEST_FRAME, SMALLEST_FRAME))
    assert lpips.distance(smallest, smallest) == 0
    assert load_lpips(weights, SMALLEST_FRAME - 1) is None
    with pytest.raises(RuntimeError):
        lpips.distance(smallest[..., 1:, 1:], smallest[..., 1:, 1:])


@pytest.mark.parametrize("damage", ["empty", "truncated", "swapped"])
def test_weights_that_are_not_the_public_ones_are_refused(weights: Path, tmp_path: Path, damage: str) -> None:
    backbone, linear = (weights / BACKBONE).read_bytes(), (weights / LINEAR).read_bytes()
    if damage == "swapped":
        backbone, linear = linear, backbone
    (tmp_path / BACKBONE).write_bytes(backbone)
    kept = {"empty": 0, "truncated": len(linear) // 2}.get(damage, len(linear))
    (tmp_path / LINEAR).write_bytes(linear[:kept])
    with pytest.raises(UserError, match="not the public ones"):
        load_lpips(tmp_path, 64)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ([1, 2], "not the public ones"),
        ({f"lin{tap}.model.1.weight": 3 for tap in range(5)}, "not the public ones"),
        ({f"lin{tap}.model.1.weight": torch.rand(1, 7, 1, 1) for tap in range(5)}, "size mismatch"),
        (
            {
                f"lin{tap}.model.1.weight": torch.full((1, shape[0], 1, 1), torch.nan)
                for tap, shape in enumerate(BACKBONE_SHAPES.values())
            },
            r"linear\.0\.weight is NaN or infinite",
        ),
    ],
)
def test_linear_layers_that_would_fail_or_score_nan_later_are_refused_at_once(
    weights: Path, tmp_path: Path, content: object, reason: str
) -> None:
    (tmp_path / BACKBONE).write_bytes((weights / BACKBONE).read_bytes())
    torch.save(content, tmp_path / LINEAR)
    with pytest.raises(UserError, match=reason):
        load_lpips(tmp_path, 64)

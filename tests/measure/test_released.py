"""The plain form is the released step, number for number, or every ratio that the bench prints would mean nothing."""

from pathlib import Path

import numpy as np
import pytest
import torch

from platform.measure.released import ReleasedNetwork, ReleasedStep
from tmu_models import VideoPredictor, load_reference_checkpoint, to_patches

REFERENCE = Path(__file__).parents[1] / "fixtures" / "reference"


@pytest.fixture
def case() -> tuple[dict[str, np.ndarray], torch.Tensor, torch.Tensor]:
    """The public code's arrays, its clips (B, T, C, H, W) and its mask (B, T-1-input_length)."""
    arrays = dict(np.load(REFERENCE / "tmu_released" / "case.npz"))
    frames = torch.from_numpy(arrays["frames"]).permute(0, 1, 4, 2, 3)
    return arrays, frames, torch.from_numpy(arrays["mask"])[:, :, 0, 0, 0]


def network(name: str, family: str) -> VideoPredictor:
    return load_reference_checkpoint(REFERENCE / name / "model.ckpt-20", family=family, patch_size=4)


def released_step() -> ReleasedStep:
    sources = {letter: ReleasedNetwork.like(network(f"convlstm_source_{letter}", "convlstm")) for letter in "ab"}
    target = ReleasedNetwork.like(network("tmu_released", "tmu"), num_sources=2)
    return ReleasedStep(target, sources, patch_size=4, input_length=4, learning_rate=3e-4)


def assert_same(got: torch.Tensor, wanted: np.ndarray) -> None:
    np.testing.assert_allclose(got.detach().numpy(), wanted, rtol=1e-5, atol=1e-5 * np.abs(wanted).max())


def test_a_pass_equals_the_public_code(case: tuple) -> None:
    arrays, frames, mask = case
    given = released_step().target(to_patches(frames, 4), 4, mask)
    assert_same(given.patches.permute(0, 1, 3, 4, 2), arrays["next_frames"])
    assert_same(given.memory.transpose(0, 1), arrays["layer0_memory"])
    for drawn, letter in zip(given.distilled, "ab", strict=True):
        assert_same(drawn.transpose(0, 1), arrays[f"layer0_distilled_{letter}"])


def test_its_steps_train_as_the_public_code(case: tuple) -> None:
    arrays, frames, mask = case
    plain = released_step()
    losses = [plain.step(frames, mask, mask) for _ in range(3)]
    np.testing.assert_allclose([loss for loss, _ in losses], arrays["three_adam_step_losses"], rtol=1e-5)
    assert_same(plain.target.conv_last.weight, arrays["conv_last_after_three_steps"])
    assert losses[0][1].item() == pytest.approx(float(arrays["distillation_loss"]), rel=1e-5)


def test_sources_learn_nothing(case: tuple) -> None:
    _, frames, mask = case
    plain = released_step()
    before = {name: source.conv_last.weight.clone() for name, source in plain.sources.items()}
    plain.step(frames, mask, mask)
    for name, source in plain.sources.items():
        assert torch.equal(source.conv_last.weight, before[name])
        assert source.conv_last.weight.grad is None

"""The networks against the public TMU code's own numbers, and the promises of the unrolled predictor."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tmu_models import ShapeError, VideoPredictor, from_patches, to_patches

REFERENCE = Path(__file__).parents[1] / "fixtures" / "reference"


def tiny(**changes: object) -> VideoPredictor:
    torch.manual_seed(0)
    sizes = {"channels": 1, "frame_size": (16, 16), "patch_size": 4, "hidden": (8, 8), "kernel_size": 3}
    return VideoPredictor(**{**sizes, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize("case", ["convlstm_source_a", "convlstm_source_b"])
def test_a_convlstm_equals_the_public_code(case: str) -> None:
    arrays = np.load(REFERENCE / case / "case.npz")
    weights = torch.load(REFERENCE / case / "model.ckpt-20", weights_only=True)["net_param"]
    network = VideoPredictor(channels=1, frame_size=(16, 16), patch_size=4, hidden=(8, 8, 8), kernel_size=5)
    network.load_state_dict(weights)
    frames = torch.from_numpy(arrays["frames"]).permute(0, 1, 4, 2, 3)
    mask = torch.from_numpy(arrays["mask"])[:, :, 0, 0, 0]
    with torch.no_grad():
        fed = network(frames, input_length=4, truth_mask=mask, keep_memories=["cell/0"])
        alone = network(frames, input_length=4, keep_memories=["cell/0"])

    def time_first(memory: torch.Tensor) -> np.ndarray:
        return memory.transpose(0, 1).numpy()

    def patches_last(frames: torch.Tensor) -> np.ndarray:
        return to_patches(frames, 4).permute(0, 1, 3, 4, 2).numpy()

    for got, wanted in (
        (time_first(fed.memories["cell/0"]), arrays["memory"]),
        (time_first(alone.memories["cell/0"]), arrays["memory_zero_mask"]),
        (patches_last(fed.frames), arrays["next_frames"]),
        (patches_last(alone.frames), arrays["next_frames_zero_mask"]),
    ):
        np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-5 * np.abs(wanted).max())


def test_patches_are_ordered_as_the_public_code_orders_them() -> None:
    arrays = np.load(REFERENCE / "convlstm_source_a" / "case.npz")
    patched = to_patches(torch.from_numpy(arrays["frames"]).permute(0, 1, 4, 2, 3), 4)
    np.testing.assert_array_equal(patched.permute(0, 1, 3, 4, 2).numpy(), arrays["patched_frames"])


def test_patches_come_back_as_the_frames_they_were() -> None:
    frames = torch.rand(2, 3, 3, 8, 12)
    torch.testing.assert_close(from_patches(to_patches(frames, 4), 4), frames)


def test_a_true_frame_that_is_not_shown_changes_nothing() -> None:
    network, frames = tiny(), torch.rand(2, 6, 1, 16, 16)
    other = frames.clone()
    other[:, 3:] = 0
    assert torch.equal(network(frames, input_length=3).frames, network(other, input_length=3).frames)


def test_a_mask_shows_the_true_frame_to_its_clip_and_step_only() -> None:
    network, frames = tiny(), torch.rand(2, 6, 1, 16, 16)
    mask = torch.zeros(2, 2)
    mask[0, 1] = 1  # clip 0 sees frame 4
    shown, alone = network(frames, input_length=3, truth_mask=mask).frames, network(frames, input_length=3).frames
    torch.testing.assert_close(shown[1], alone[1])
    torch.testing.assert_close(shown[0, :4], alone[0, :4])
    assert not torch.allclose(shown[0, 4], alone[0, 4])


@pytest.mark.parametrize(
    ("shape", "arguments", "repair"),
    [
        ((2, 6, 3, 16, 16), {"input_length": 3}, r"do not fit a network for \(B, T, 1, 16, 16\)"),
        ((2, 6, 1, 16, 16), {"input_length": 6}, "use 1 to 5"),
        ((2, 6, 1, 16, 16), {"input_length": 3, "truth_mask": torch.zeros(2, 3)}, r"expected .* \(2, 2\)"),
        ((2, 6, 1, 16, 16), {"input_length": 3, "keep_memories": ["cell/7"]}, "this network has cell/0, cell/1"),
    ],
)
def test_what_does_not_fit_is_refused_with_both_sides(shape: tuple[int, ...], arguments: dict, repair: str) -> None:
    with pytest.raises(ShapeError, match=repair):
        tiny()(torch.rand(*shape), **arguments)


def test_a_patch_that_does_not_divide_the_frame_is_refused() -> None:
    with pytest.raises(ShapeError, match="choose a divisor"):
        tiny(patch_size=5)

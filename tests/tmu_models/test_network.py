"""The networks against the public TMU code's own numbers, and the promises of the unrolled predictor."""

import numpy as np
import pytest
import torch

from tests.given import REFERENCE
from tmu_models import ShapeError, VideoPredictor, from_patches, to_patches


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


@pytest.mark.parametrize(
    ("poison", "repair"),
    [
        (float("nan"), "give finite pixels"),
        (float("inf"), "give finite pixels"),
        (255.0, r"reach from .* to 255"),
        (-1.0, "reach from -1"),
    ],
)
def test_frames_that_are_no_pixels_are_refused(poison: float, repair: str) -> None:
    frames = torch.rand(2, 6, 1, 16, 16)
    frames[1, 2, 0, 3, 4] = poison
    with pytest.raises(ShapeError, match=repair):
        tiny()(frames, input_length=3)


def test_frames_of_bytes_and_lengths_that_are_no_numbers_of_frames_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"for bytes frames\.float\(\) / 255"):
        tiny()(torch.zeros(2, 6, 1, 16, 16, dtype=torch.uint8), input_length=3)
    with pytest.raises(ShapeError, match=r"input_length 2\.5 does not fit"):
        tiny()(torch.rand(2, 6, 1, 16, 16), input_length=2.5)


@pytest.mark.parametrize("value", [7.5, 0.5, float("nan")])
def test_a_mask_holds_zeros_and_ones_only(value: float) -> None:
    with pytest.raises(ShapeError, match=r"must hold 0 .* and 1 "):
        tiny()(torch.rand(2, 6, 1, 16, 16), input_length=3, truth_mask=torch.full((2, 2), value))


@pytest.mark.parametrize(
    "sizes", [{"kernel_size": 4}, {"kernel_size": 0}, {"patch_size": 0}, {"channels": 0}, {"hidden": (8, 0)}]
)
def test_sizes_that_make_no_network_are_refused(sizes: dict) -> None:
    with pytest.raises(ShapeError):
        tiny(**sizes)


@pytest.mark.parametrize("layers", [(0, 9), (0, 0)])
def test_a_wrong_layer_changes_none(layers: tuple[int, ...]) -> None:
    for add in (VideoPredictor.add_transfer, VideoPredictor.add_knowledge_flow):
        network = tiny()
        cells = network.cells
        with pytest.raises(ShapeError, match=r"does not exist|named twice"):
            add(network, layers, {"a": 8})
        assert network.cells == cells


@pytest.mark.parametrize("shape", [(1, 4, 6, 4, 4), (2, 4, 6, 1, 1), (2, 9, 6, 4, 4), (2, 2, 6, 4, 4), (2, 4, 7, 4, 4)])
def test_a_teachers_memory_is_never_broadcast(shape: tuple[int, ...]) -> None:
    network = tiny()
    network.add_knowledge_flow((0,), {"a": 6})
    frames = torch.rand(2, 5, 1, 16, 16)
    with pytest.raises(ShapeError, match=r"expected \(B, T-1, S, h, w\) = \(2, 4, 6, 4, 4\)"):
        network(frames, input_length=3, teachers={"a": torch.rand(shape)})
    with pytest.raises(ShapeError, match="no layer learns from 'b'"):
        network(frames, input_length=3, teachers={"a": torch.rand(2, 4, 6, 4, 4), "b": torch.rand(2, 4, 6, 4, 4)})
    with pytest.raises(ShapeError, match="call add_knowledge_flow first"):
        tiny()(frames, input_length=3, teachers={"a": torch.rand(2, 4, 6, 4, 4)})

"""What networks refuse, each fault where it enters and with its repair: nothing reaches torch to fail there."""

import numpy as np
import pytest
import torch

from tmu_models import ConvLSTMCell, ShapeError, TransferGates, VideoPredictor, from_patches, to_patches
from tmu_models.stlstm import STLSTMCell


def tiny(**changes: object) -> VideoPredictor:
    torch.manual_seed(0)
    sizes = {"channels": 1, "frame_size": (16, 16), "patch_size": 4, "hidden": (8, 8), "kernel_size": 3}
    return VideoPredictor(**{**sizes, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", [(0, 6, 1, 16, 16), (2, 0, 1, 16, 16), (2, 1, 1, 16, 16)])
def test_clips_with_nothing_to_predict_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match="give at least one clip of two frames"):
        tiny()(torch.rand(*shape), input_length=1)


def test_frames_without_pixels_are_refused_by_a_network_for_any_size() -> None:
    with pytest.raises(ShapeError, match=r"clips of shape \(1, 4, 1, 0, 0\) hold nothing"):
        tiny(frame_size=None)(torch.rand(1, 4, 1, 0, 0), input_length=2)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16])
def test_frames_of_another_precision_than_the_weights_are_refused(dtype: torch.dtype) -> None:
    frames = torch.rand(1, 4, 1, 16, 16).to(dtype)
    with pytest.raises(ShapeError, match=rf"frames are {dtype}, the weights torch.float32; give frames.to"):
        tiny()(frames, input_length=2)


def test_autocast_may_mix_precisions() -> None:
    with torch.autocast("cpu", torch.bfloat16):
        assert tiny()(torch.rand(1, 4, 1, 16, 16).bfloat16(), input_length=2).frames.shape == (1, 3, 1, 16, 16)


def test_arrays_that_are_no_tensors_are_refused() -> None:
    frames = np.zeros((2, 6, 1, 16, 16), np.float32)
    with pytest.raises(ShapeError, match=r"frames are a ndarray; give torch\.from_numpy"):
        tiny()(frames, input_length=3)
    with pytest.raises(ShapeError, match=r"truth_mask is a ndarray; give torch\.from_numpy"):
        tiny()(torch.from_numpy(frames), input_length=3, truth_mask=np.zeros((2, 2)))


def test_a_length_may_be_numpys_whole_number() -> None:
    assert tiny()(torch.rand(1, 4, 1, 16, 16), input_length=np.int64(2)).frames.shape == (1, 3, 1, 16, 16)


@pytest.mark.parametrize("layer_norm", [False, True])
@pytest.mark.parametrize("size", [(0, 0), (-16, -16), (16,), (16, 16, 16), (16.0, 16.0)])
def test_a_frame_size_is_two_positive_whole_numbers(size: tuple, layer_norm: bool) -> None:
    with pytest.raises(ShapeError, match=r"frame_size .*: give \(height, width\) in pixels"):
        tiny(frame_size=size, layer_norm=layer_norm)


@pytest.mark.parametrize(
    "sizes", [{"kernel_size": 3.0}, {"hidden": (8.0,)}, {"hidden": "88"}, {"channels": 1.0}, {"patch_size": 4.0}]
)
def test_sizes_are_whole_numbers(sizes: dict) -> None:
    with pytest.raises(ShapeError):
        tiny(**sizes)


@pytest.mark.parametrize("add", [VideoPredictor.add_transfer, VideoPredictor.add_knowledge_flow])
@pytest.mark.parametrize(
    ("layers", "sources", "repair"),
    [
        ((), {"a": 8}, "no layer was named; this network has layers 0 to 1"),
        ((1.0,), {"a": 8}, r"layer 1\.0 does not exist"),
        ((0,), {"a": 0}, "source 'a' has 0 memory channels; a memory has at least one"),
        ((0,), {"a": -1}, "source 'a' has -1 memory channels"),
        ((0,), {1: 8}, "1 is no name for a source"),
    ],
)
def test_transfer_that_would_be_none_is_refused(add: object, layers: tuple, sources: dict, repair: str) -> None:
    with pytest.raises(ShapeError, match=repair):
        add(tiny(), layers, sources)  # type: ignore[operator]


@pytest.mark.parametrize("bias", [float("nan"), float("inf")])
def test_a_gate_begins_at_a_number(bias: float) -> None:
    with pytest.raises(ShapeError, match=r"gate bias .* is no number"):
        tiny().add_transfer((0,), {"a": 8}, bias=bias)


def test_a_part_used_alone_refuses_an_even_kernel_too() -> None:
    for part in (lambda: ConvLSTMCell(4, 8, 4), lambda: STLSTMCell(4, 8, 4)):
        with pytest.raises(ShapeError, match="only an odd kernel"):
            part()
    with pytest.raises(ShapeError, match="only an odd kernel"):
        TransferGates(4, 8, (4, 4), {"a": 8}, kernel_size=4)


@pytest.mark.parametrize("patch_size", [0, -4])
def test_a_patch_has_a_side(patch_size: int) -> None:
    with pytest.raises(ShapeError, match="choose a divisor of both"):
        to_patches(torch.rand(1, 2, 1, 16, 16), patch_size)
    with pytest.raises(ShapeError, match="no whole number of"):
        from_patches(torch.rand(1, 2, 16, 4, 4), patch_size)


def test_patches_are_made_of_clips_only() -> None:
    for turn in (to_patches, from_patches):
        with pytest.raises(ShapeError, match=r"\(2, 16, 4, 4\) has 4 dimensions, clips have 5"):
            turn(torch.rand(2, 16, 4, 4), 4)

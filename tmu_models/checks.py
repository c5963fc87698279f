"""What networks refuse, said once and before torch would say it worse: sizes, clips, lengths, masks, teachers, names.

Each raises ShapeError with both sides and the repair. On a GPU values are not looked at: that would make it wait in
every step, and stored clips are bytes. Nor are those of tensors that have none, with which memory is foretold.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral

import torch
from torch._subclasses.fake_tensor import FakeTensor

from tmu_models.errors import ShapeError

# B clips, T frames, C channels, H W pixels, S memory channels, h w grid cells

PIXEL_SLACK = 0.01  # resizing may leave [0, 1] by rounding


def check_sizes(
    *, channels: int, frame_size: Sequence[int] | None, patch_size: int, hidden: Sequence[int], kernel_size: int
) -> None:
    """The numbers that a network is built from."""
    if not hidden or not all(_counts(width) for width in hidden):
        raise ShapeError(f"hidden {tuple(hidden)}: a network needs layers of at least one channel, say (64, 64)")
    if not (_counts(channels) and _counts(patch_size)):
        raise ShapeError(f"channels {channels} and patch_size {patch_size} must be whole numbers of at least 1")
    check_kernel(kernel_size)
    if frame_size is None:
        return
    if len(frame_size) != 2 or not all(_counts(side) for side in frame_size):
        raise ShapeError(f"frame_size {tuple(frame_size)}: give (height, width) in pixels, or None for any")
    height, width = frame_size
    if height % patch_size or width % patch_size:
        raise ShapeError(f"patch_size {patch_size} does not divide frames of {height}x{width}; choose a divisor")


def check_kernel(kernel_size: int) -> None:
    """An even kernel does not keep the grid's size."""
    if not _counts(kernel_size) or kernel_size % 2 == 0:
        raise ShapeError(f"kernel_size {kernel_size}: only an odd kernel keeps the grid's size")


def check_sources(sources: Mapping[str, int]) -> None:
    """Names that can stand in a state dict's keys, and memories that have channels."""
    for name, channels in sources.items():
        if not isinstance(name, str) or not name or "." in name:
            raise ShapeError(f"{name!r} is no name for a source: it must not be empty or hold a dot")
        if not _counts(channels):
            raise ShapeError(f"source {name!r} has {channels} memory channels; a memory has at least one")


def check_layers(layers: Sequence[int], num_layers: int) -> None:
    """Layers that exist, each named once."""
    if not layers:
        raise ShapeError(f"no layer was named; this network has layers 0 to {num_layers - 1}")
    for place, layer in enumerate(layers):
        if not _whole(layer) or not 0 <= layer < num_layers:
            raise ShapeError(f"layer {layer} does not exist; this network has layers 0 to {num_layers - 1}")
        if layer in layers[:place]:
            raise ShapeError(f"layer {layer} is named twice in {tuple(layers)}; name it once")


def check_gate_bias(bias: float) -> None:
    if not math.isfinite(bias):
        raise ShapeError(f"gate bias {bias} is no number to begin at; -100 closes a gate, 100 opens it")


def check_clips(
    frames: torch.Tensor, channels: int, frame_size: tuple[int, int] | None, weights_dtype: torch.dtype
) -> None:
    """Clips (B, T, C, H, W) in [0, 1] for a network of these channels; `frame_size` None takes any H and W."""
    _check_tensor("frames are", frames)
    if frames.dim() != 5 or frames.shape[2:] != (channels, *(frame_size or frames.shape[3:])):
        wanted = f"(B, T, {channels}, {', '.join(map(str, frame_size or ('H', 'W')))})"
        raise ShapeError(f"clips of shape {tuple(frames.shape)} do not fit a network for {wanted}")
    if not frames.is_floating_point():
        raise ShapeError(f"frames are {frames.dtype}; give floats in [0, 1], for bytes frames.float() / 255")
    if frames.dtype != weights_dtype and not torch.is_autocast_enabled(frames.device.type):
        raise ShapeError(f"frames are {frames.dtype}, the weights {weights_dtype}; give frames.to({weights_dtype})")
    if frames.numel() == 0 or frames.shape[1] < 2:
        raise ShapeError(
            f"clips of shape {tuple(frames.shape)} hold nothing to predict; give at least one clip of two frames"
        )
    if _shows_values(frames):
        low, high = (bound.item() for bound in frames.detach().aminmax())
        if not -PIXEL_SLACK <= low <= high <= 1 + PIXEL_SLACK:  # NaN compares as false
            raise ShapeError(f"frames reach from {low:g} to {high:g}; give finite pixels in [0, 1]")


def check_shown(frames: torch.Tensor, input_length: int, truth_mask: torch.Tensor | None) -> None:
    """How many frames are shown, and where true ones are after them: (B, T-1-input_length) of 0 and 1."""
    B, T = frames.shape[:2]
    if not _whole(input_length) or not 1 <= input_length < T:
        raise ShapeError(f"input_length {input_length} does not fit clips of {T} frames; use 1 to {T - 1}")
    if truth_mask is None:
        return
    _check_tensor("truth_mask is", truth_mask)
    if truth_mask.shape != (wanted := (B, T - 1 - int(input_length))):
        raise ShapeError(f"truth_mask has shape {tuple(truth_mask.shape)}, expected (B, T-1-input_length) = {wanted}")
    if _shows_values(truth_mask) and not ((truth_mask == 0) | (truth_mask == 1)).all():
        raise ShapeError("truth_mask must hold 0 (the network sees its prediction) and 1 (the true frame) only")


def check_memory_names(names: Iterable[str], known: Iterable[str]) -> None:
    known = tuple(known)
    if unknown := [name for name in names if name not in known]:
        raise ShapeError(f"no memory {unknown[0]!r}; this network has {', '.join(known)}")


def check_teachers(
    teachers: Mapping[str, torch.Tensor] | None, learners: Sequence[Mapping[str, int]], steps: tuple[int, int, int, int]
) -> None:
    """Every teacher's memory fits every layer that learns; `learners` are these layers' (name -> S).

    `steps` is (B, T-1, h, w): a memory is (B, T-1, S, h, w), and none is broadcast.
    """
    if teachers is not None and not learners:
        raise ShapeError("teachers were given, but no layer learns from any; call add_knowledge_flow first")
    B, T1, h, w = steps
    for name, memory in (teachers or {}).items():
        for sources in learners:
            if name not in sources:
                raise ShapeError(f"no layer learns from {name!r}; the teachers are {', '.join(sources)}")
            wanted = (B, T1, sources[name], h, w)
            if memory.shape != wanted:
                raise ShapeError(
                    f"memory of teacher {name!r} is {tuple(memory.shape)}, expected (B, T-1, S, h, w) = {wanted}"
                )


def _shows_values(tensor: torch.Tensor) -> bool:
    """Can its values be looked at without waiting, or at all?"""
    return not (tensor.is_cuda or tensor.is_meta or isinstance(tensor, FakeTensor))


def _whole(value: object) -> bool:
    """Is it a whole number, numpy's included?"""
    return isinstance(value, Integral)


def _counts(value: object) -> bool:
    """Is it a whole number of at least 1?"""
    return isinstance(value, Integral) and int(value) >= 1


def _check_tensor(what: str, value: object) -> None:
    if not isinstance(value, torch.Tensor):
        raise ShapeError(f"{what} a {type(value).__name__}; give torch.from_numpy(array), or another tensor")

"""Making a source and a target of different geometry fit: frames to what the source was trained on, and back.

Shapes are changed here and nowhere else, one kind of change a function; nothing is broadcast.
"""

import torch
from torch.nn import functional as F

from platform.config.errors import UserError
from tmu_models import VideoPredictor

# N clips, T frames, C channels, H W pixels, S memory channels, h w grid cells


def check_fit(source: str, network: VideoPredictor, *, channels: int, frame_size: int) -> None:
    """Can the source be shown square clips of these channels and size? Raises UserError where it cannot."""
    if channels != network.channels and 1 not in (channels, network.channels):
        raise _unfit_channels(f"source {source!r}", network.channels, channels)
    if network.frame_size is None and frame_size % network.patch_size:
        raise UserError(
            f"source {source!r} reads patches of {network.patch_size}, which do not divide frames of {frame_size}. "
            "Import it again with the --frame-size it was trained on."
        )


def fit_frames(frames_NTCHW: torch.Tensor, channels: int, size: tuple[int, int]) -> torch.Tensor:
    """Frames with the channels and size (H, W) that a network was trained on.

    Grey is repeated into colours, colours are averaged into grey. Raises UserError for any other change of channels.
    """
    return resize(fit_channels(frames_NTCHW, channels), size)


def fit_channels(frames_NTCHW: torch.Tensor, channels: int) -> torch.Tensor:
    have = frames_NTCHW.shape[2]
    if have == channels:
        return frames_NTCHW
    if have == 1:
        return frames_NTCHW.repeat(1, 1, channels, 1, 1)
    if channels == 1:
        return frames_NTCHW.mean(dim=2, keepdim=True)
    raise _unfit_channels("a source", channels, have)


def _unfit_channels(source: str, wanted: int, have: int) -> UserError:
    return UserError(
        f"{source} was trained on {wanted}-channel frames, the clips have {have}: only grey and colour can be turned "
        "into each other. Drop it from `sources`."
    )


def resize(maps_NTCHW: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """(N, T, C, H, W) -> (N, T, C, *size): averaged over areas where it shrinks, bilinear where it grows."""
    have = (maps_NTCHW.shape[3], maps_NTCHW.shape[4])
    if have == size:
        return maps_NTCHW
    N, T = maps_NTCHW.shape[:2]
    flat = maps_NTCHW.flatten(0, 1)
    if size[0] <= have[0] and size[1] <= have[1]:
        changed = F.interpolate(flat, size=size, mode="area")
    else:
        changed = F.interpolate(flat, size=size, mode="bilinear", align_corners=False, antialias=True)
    return changed.unflatten(0, (N, T))

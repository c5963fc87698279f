"""Making a source and a target of different geometry fit: frames to what the source was trained on, and back.

Shapes are changed here and nowhere else, one kind of change a function; nothing is broadcast.
"""

import torch
from torch.nn import functional as F

from platform.config.errors import UserError

# N clips, T frames, C channels, H W pixels, S memory channels, h w grid cells


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
    raise UserError(
        f"a source was trained on {channels}-channel frames, the clips have {have}: only grey and colour can be turned "
        "into each other. Drop that source."
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

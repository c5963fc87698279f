"""Frames folded into patches, so that a recurrent grid is small and its channels many.

Source: `reshape_patch` of the public TMU and PredRNN codes; channels are ordered (dy, dx, c) as there.
"""

import torch

from tmu_models.errors import ShapeError

# B clips, T frames, C channels, H W pixels, h w grid cells, p patch side


def to_patches(frames_BTCHW: torch.Tensor, patch_size: int) -> torch.Tensor:
    """(B, T, C, H, W) -> (B, T, p*p*C, h, w) with h = H/p. Raises ShapeError where p does not divide H and W."""
    _check_clips(frames_BTCHW)
    B, T, C, H, W = frames_BTCHW.shape
    p = patch_size
    if p < 1 or H % p or W % p:
        raise ShapeError(f"patch_size {p} does not divide frames of {H}x{W}; choose a divisor of both")
    cut = frames_BTCHW.reshape(B, T, C, H // p, p, W // p, p)
    return cut.permute(0, 1, 4, 6, 2, 3, 5).reshape(B, T, p * p * C, H // p, W // p)


def from_patches(patches_BTPhw: torch.Tensor, patch_size: int) -> torch.Tensor:
    """(B, T, p*p*C, h, w) -> (B, T, C, H, W): the inverse of `to_patches`."""
    _check_clips(patches_BTPhw)
    B, T, P, h, w = patches_BTPhw.shape
    p = patch_size
    if p < 1 or P % (p * p):
        raise ShapeError(f"{P} channels are no whole number of {p}x{p} patches")
    cut = patches_BTPhw.reshape(B, T, p, p, P // (p * p), h, w)
    return cut.permute(0, 1, 4, 5, 2, 6, 3).reshape(B, T, P // (p * p), h * p, w * p)


def _check_clips(clips: torch.Tensor) -> None:
    if clips.dim() != 5:
        raise ShapeError(f"{tuple(clips.shape)} has {clips.dim()} dimensions, clips have 5: add the missing one")

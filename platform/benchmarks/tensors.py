"""From stored bytes to what networks take: floats in [0, 1], and which pixels they are true of."""

from typing import NamedTuple

import numpy as np
import torch

from platform.benchmarks.encoding import MISSING, TOP

WHITE = 255  # of pictures

# N clips, T frames, C channels, H W pixels


class ClipTensors(NamedTuple):
    """Clips as networks take them, and where they were measured at all."""

    frames: torch.Tensor  # float32 (N, T, C, H, W) in [0, 1]; 0 where a pixel is missing
    valid: torch.Tensor | None  # bool, of the same shape; None: no pixel is missing


def clips_to_tensors(
    clips_NTHWC: np.ndarray, device: str | torch.device = "cpu", *, field: bool, reverse: bool = False
) -> ClipTensors:
    """uint8 (N, T, H, W, C), reversed in time where asked; `field` says that bytes are levels (`encoding.py`).

    By numpy, on the thread that calls: torch would take the threads that train.
    """
    stored_NTCHW = np.moveaxis(clips_NTHWC[:, ::-1] if reverse else clips_NTHWC, -1, 2)
    frames = np.empty(stored_NTCHW.shape, np.float32)
    np.divide(stored_NTCHW, np.float32(TOP if field else WHITE), out=frames, dtype=np.float32)
    missing = stored_NTCHW == MISSING if field else None
    if missing is None or not missing.any():
        return ClipTensors(torch.from_numpy(frames).to(device), None)
    frames[missing] = 0
    return ClipTensors(torch.from_numpy(frames).to(device), torch.from_numpy(~missing).to(device))


def clips_to_float(
    clips_NTHWC: np.ndarray, device: str | torch.device = "cpu", *, field: bool, reverse: bool = False
) -> torch.Tensor:
    """The frames of `clips_to_tensors` alone, for what never compares with them."""
    return clips_to_tensors(clips_NTHWC, device, field=field, reverse=reverse).frames

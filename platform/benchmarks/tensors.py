"""From stored bytes to what networks take."""

import numpy as np
import torch


def clips_to_float(clips_NTHWC: np.ndarray, device: str | torch.device, *, reverse: bool = False) -> torch.Tensor:
    """uint8 (N, T, H, W, C) -> float32 (N, T, C, H, W) in [0, 1], reversed in time where asked."""
    frames = torch.from_numpy(np.ascontiguousarray(clips_NTHWC)).to(device).permute(0, 1, 4, 2, 3).float() / 255
    return frames.flip(1) if reverse else frames.contiguous()

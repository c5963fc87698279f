"""Which true frames a network is shown in training: scheduled sampling, and PredRNN-v2's reverse form of it."""

import math

import numpy as np

from platform.config.training import SamplingConfig


def truth_mask(
    sampling: SamplingConfig,
    progress: float,
    num_clips: int,
    total_length: int,
    input_length: int,
    seed: tuple[int, int],
) -> tuple[int, np.ndarray | None]:
    """How many frames are always shown, and for the inputs after them where the true frame is: float32 (B, T-1-shown).

    None stands for none at all. `progress` is the fraction of training done; `seed` decides the draw.
    """
    shown = 1 if sampling.kind == "reverse" else input_length
    chances = _chances(sampling, progress, total_length - 1 - shown, input_length - shown)
    if not chances.any():
        return shown, None
    draws = np.random.default_rng(seed).random((num_clips, len(chances)))
    return shown, (draws < chances).astype(np.float32)


def _chances(sampling: SamplingConfig, progress: float, length: int, observed: int) -> np.ndarray:
    """The chance of the true frame for each input after those always shown, (length,)."""
    if sampling.kind == "scheduled":
        return np.full(length, sampling.start * max(0.0, 1.0 - progress / sampling.until))
    begin, until = sampling.begin, sampling.until
    if progress < begin:
        of_observed, of_later = 0.5, 0.5
    elif progress < until:
        of_observed = 1 - 0.5 * math.exp(-(progress - begin) / sampling.rise)
        of_later = 0.5 * (until - progress) / (until - begin)
    else:
        of_observed, of_later = 1.0, 0.0
    return np.array([of_observed] * observed + [of_later] * (length - observed))

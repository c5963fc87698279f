"""Scores of predicted frames, named by protocol: `mse`, `ssim`, `psnr` as in the TMU code.

Published numbers differ by definition; these are, for frames in [0, 1] of shape (B, T, C, H, W):
`mse`  squared error summed over pixels and channels of frames clipped to [0, 1];
`mse_openstl` the same sum, not clipped;
`ssim` scikit-image's structural similarity of the uint8 frames (x 255, truncated), its default window;
`psnr` in dB, of the uint8 frames; identical frames give infinity, and the mean is then infinite, never NaN;
`lpips` the learned perceptual distance of frames clipped to [0, 1], where its weights are at hand.
Each returns one number a frame, (B, T). Means over frames and clips are the caller's (`mean_of_defined`).

Of a measured field with missing pixels, these count for nothing: errors are summed over the valid pixels and scaled up
to the whole frame, `psnr` is of the valid pixels, `ssim` the mean over windows that hold no missing one. `lpips` has no
such form: it is undefined for a frame in which a pixel is missing. What is undefined is NaN.
"""

import numpy as np

from platform.training.lpips import LPIPS
from platform.training.ssim import ssim_uint8
from tmu_models import ShapeError


def per_frame_scores(
    true_BTCHW: np.ndarray,
    predicted_BTCHW: np.ndarray,
    lpips: LPIPS | None = None,
    *,
    valid_BTCHW: np.ndarray | None = None,
) -> dict[str, np.ndarray]:
    """All protocols for float frames in [0, 1], each (B, T) float64. `valid_BTCHW` (bool): False where one is missing.

    Raises ShapeError if the clips differ in shape, ValueError for frames that are no numbers: as bytes they would
    still get an `ssim`.
    """
    if true_BTCHW.shape != predicted_BTCHW.shape:
        raise ShapeError(f"true frames {true_BTCHW.shape} and predicted {predicted_BTCHW.shape} differ in shape")
    for which, clips in (("true", true_BTCHW), ("predicted", predicted_BTCHW)):
        if not np.isfinite(clips).all():
            raise ValueError(f"{which} frames hold NaN or infinity, which no score can judge")
    if valid_BTCHW is not None:
        if valid_BTCHW.shape != true_BTCHW.shape:
            raise ShapeError(f"frames {true_BTCHW.shape} and their valid pixels {valid_BTCHW.shape} differ in shape")
        true_BTCHW, predicted_BTCHW = (np.where(valid_BTCHW, clips, 0) for clips in (true_BTCHW, predicted_BTCHW))
    true, predicted = _clipped(true_BTCHW), _clipped(predicted_BTCHW)
    true_bytes, predicted_bytes = _as_bytes(true), _as_bytes(predicted)
    share = _valid_share(valid_BTCHW, true.shape)
    clipped = _squared_error(true, predicted) / share
    inside = np.array_equal(true, true_BTCHW) and np.array_equal(predicted, predicted_BTCHW)
    scores = {
        "mse": clipped,
        "mse_openstl": clipped if inside else _squared_error(true_BTCHW, predicted_BTCHW) / share,
        "ssim": _ssim(true_bytes, predicted_bytes, valid_BTCHW),
        "psnr": _psnr(true_bytes, predicted_bytes, share),
    }
    if lpips is not None:
        scores["lpips"] = np.full(share.shape, np.nan)
        if (complete := share == 1).any():
            scores["lpips"][complete] = lpips.distance(true[complete], predicted[complete])
    return scores


def mean_of_defined(values: np.ndarray, axis: int) -> np.ndarray:
    """The mean over an axis of all that is not NaN; NaN where nothing is. An infinity stays one."""
    defined = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        return np.where(defined, values, 0).sum(axis) / defined.sum(axis)


def _valid_share(valid_BTCHW: np.ndarray | None, shape: tuple[int, ...]) -> np.ndarray:
    """Of each frame's pixels, (B, T); NaN where none is valid, and then no score is defined."""
    if valid_BTCHW is None:
        return np.ones(shape[:2])
    share = valid_BTCHW.mean(axis=(2, 3, 4))
    return np.where(share > 0, share, np.nan)


def _squared_error(true: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Summed over pixels and channels of a frame, in float64; clip by clip, so that one stays in a core's cache."""
    errors = np.empty(true.shape[:2])
    for clip, (a, b) in enumerate(zip(true, predicted, strict=True)):
        difference = np.subtract(a, b, dtype=np.float64)
        errors[clip] = np.einsum("tchw,tchw->t", difference, difference)
    return errors


def _clipped(frames: np.ndarray) -> np.ndarray:
    return np.clip(frames, 0.0, 1.0)


def _as_bytes(frames: np.ndarray) -> np.ndarray:
    return (frames * 255).astype(np.uint8)


def _frames(clips_BTCHW: np.ndarray) -> np.ndarray:
    return clips_BTCHW.reshape(-1, *clips_BTCHW.shape[2:])


def _ssim(true: np.ndarray, predicted: np.ndarray, valid: np.ndarray | None) -> np.ndarray:
    mask = None if valid is None else _frames(valid)
    scores = ssim_uint8(_frames(true), _frames(predicted), valid_NCHW=mask)
    return scores.reshape(true.shape[:2])


def _psnr(true: np.ndarray, predicted: np.ndarray, share: np.ndarray) -> np.ndarray:
    error = _squared_error(true, predicted) / share / np.prod(true.shape[2:])
    with np.errstate(divide="ignore"):
        return 20 * np.log10(255.0) - 10 * np.log10(error)

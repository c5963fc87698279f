"""Predicted against true frames, as strips and as a looping animation, ready to stand in a page (data URIs).

Frames are shown in the pixels they have, enlarged without smoothing by the browser: nothing looks better than it is.
"""

import base64
from dataclasses import dataclass
from io import BytesIO
from itertools import pairwise

import numpy as np
from PIL import Image

from platform.results.predictions import Predictions

MAX_FRAMES = 12  # of a strip; longer clips show every k-th
GAP = 2  # pixels between frames, per 64 of a side
PANEL = 192  # pixels of a panel's side in the animation
MISSING_GREY = 110  # of pixels that were not measured, in frames and in errors
OBSERVED_EDGE, PREDICTED_EDGE = (128, 128, 128), (213, 94, 0)
# Inferno, coarse: from no error (black) to a full 255 grey levels (pale yellow); readable with colour blindness.
_INFERNO = np.array(
    [
        (0, 0, 4),
        (40, 11, 84),
        (101, 21, 110),
        (159, 42, 99),
        (212, 72, 66),
        (245, 125, 21),
        (250, 193, 39),
        (252, 255, 164),
    ]
)


@dataclass(frozen=True)
class Row:
    """One line of a strip: an image as wide as `columns` frames, and what it says to who cannot see it."""

    label: str
    uri: str
    frames: tuple[int, ...]  # counted from 1
    alt: str


@dataclass(frozen=True)
class Strip:
    """A clip: what was observed, then the true, predicted and error frames above each other. mse of this clip."""

    title: str
    mse: float
    columns: int
    rows: tuple[Row, ...]
    animation: str
    still: str


def strips(predictions: Predictions) -> list[Strip]:
    """The best, the median and the worst of the stored clips, by mse; fewer where fewer are stored."""
    order = np.argsort(predictions.mse, kind="stable")
    picks = {"Best": order[0], "Median": order[len(order) // 2], "Worst": order[-1]}
    count = f"of the {len(order)} clips kept"
    if len(order) == 1:
        return [strip(predictions, 0, "The one clip that was kept")]
    if len(order) == 2:
        del picks["Median"]
    return [strip(predictions, int(clip), f"{word} {count}") for word, clip in picks.items()]


def strip(predictions: Predictions, clip: int, title: str) -> Strip:
    length = predictions.input_length
    frames_THWC = predictions.clips[clip]
    future_THWC = predictions.predicted[clip, length - 1 :]
    true_THWC = frames_THWC[length:]
    error_THWC = _heat(np.abs(true_THWC.astype(int) - future_THWC.astype(int)).mean(axis=-1))
    if predictions.valid is not None:
        missing_THW = ~predictions.valid[clip].all(axis=-1)
        frames_THWC = np.where(missing_THW[..., None], MISSING_GREY, frames_THWC).astype(np.uint8)
        true_THWC = frames_THWC[length:]
        error_THWC[missing_THW[length:]] = MISSING_GREY
    observed, future = _thinned(length), _thinned(len(true_THWC))
    rows = (
        _row("Observed", frames_THWC[observed], observed + 1, "what the network was shown"),
        _row("True", true_THWC[future], future + 1 + length, "what happened next"),
        _row("Predicted", future_THWC[future], future + 1 + length, "what the network predicted"),
        _row("Error", error_THWC[future], future + 1 + length, "absolute difference, bright is wrong"),
    )
    moving = _animation_frames(frames_THWC, future_THWC, error_THWC, length)
    return Strip(
        title=title,
        mse=float(predictions.mse[clip]),
        columns=max(len(observed), len(future)),
        rows=rows,
        animation=_animated_uri(moving),
        still=_png_uri(moving[-1]),
    )


def _thinned(count: int) -> np.ndarray:
    return np.unique(np.linspace(0, count - 1, min(count, MAX_FRAMES)).round().astype(int))


def _row(label: str, frames_THWC: np.ndarray, numbers: np.ndarray, meaning: str) -> Row:
    """Every frame gets a gap on its right of a fixed share, so that rows of the same page align."""
    colors_THWC = _rgb(frames_THWC)
    num, height, width, _ = colors_THWC.shape
    gap = max(1, round(GAP * width / 64))
    canvas = np.zeros((height, num * (width + gap), 4), np.uint8)
    for index, frame_HWC in enumerate(colors_THWC):
        left = index * (width + gap)
        canvas[:, left : left + width, :3] = frame_HWC
        canvas[:, left : left + width, 3] = 255
    frames = tuple(int(n) for n in numbers)
    step = "" if all(b - a == 1 for a, b in pairwise(frames)) else ", not every frame is drawn"
    return Row(label, _png_uri(canvas), frames, f"{label}, frames {frames[0]} to {frames[-1]}{step}: {meaning}")


def _animation_frames(
    frames_THWC: np.ndarray, future_THWC: np.ndarray, error_THWC: np.ndarray, length: int
) -> list[np.ndarray]:
    """True, predicted and error side by side; the edge of the second turns orange where the prediction begins."""
    pictures = []
    for step, frame_HWC in enumerate(frames_THWC):
        seen = step < length
        guess = frame_HWC if seen else future_THWC[step - length]
        error = np.zeros((*frame_HWC.shape[:2], 3), np.uint8) if seen else error_THWC[step - length]
        panels = (_panel(frame_HWC, OBSERVED_EDGE), _panel(guess, OBSERVED_EDGE if seen else PREDICTED_EDGE))
        pictures.append(np.concatenate([*panels, _panel(error, OBSERVED_EDGE)], axis=1))
    return pictures


def _panel(frame_HWC: np.ndarray, edge: tuple[int, int, int]) -> np.ndarray:
    color_HWC = _rgb(frame_HWC[None])[0]
    times = max(1, PANEL // max(color_HWC.shape[:2]))
    color_HWC = color_HWC.repeat(times, axis=0).repeat(times, axis=1)
    framed = np.pad(color_HWC, ((4, 4), (4, 4), (0, 0)))
    for side in (framed[:4], framed[-4:], framed[:, :4], framed[:, -4:]):
        side[...] = edge
    return framed


def _rgb(frames_THWC: np.ndarray) -> np.ndarray:
    """Grey becomes grey in colour, three channels stay, any other count shows its mean."""
    if frames_THWC.shape[-1] == 3:
        return frames_THWC
    return frames_THWC.mean(axis=-1, keepdims=True).astype(np.uint8).repeat(3, axis=-1)


def _heat(error_THW: np.ndarray) -> np.ndarray:
    """0 to 255 grey levels -> colours (T, H, W, 3)."""
    stops = np.linspace(0, 255, len(_INFERNO))
    channels = [np.interp(error_THW, stops, _INFERNO[:, channel]) for channel in range(3)]
    return np.stack(channels, axis=-1).astype(np.uint8)


def _png_uri(pixels: np.ndarray) -> str:
    file = BytesIO()
    Image.fromarray(pixels).save(file, "PNG", optimize=True)
    return _uri("png", file)


def _animated_uri(pictures: list[np.ndarray]) -> str:
    file = BytesIO()
    first, *rest = [Image.fromarray(pixels) for pixels in pictures]
    durations = [160] * (len(pictures) - 1) + [900]  # the last frame stays, so that the eye finds the end
    first.save(file, "WEBP", save_all=True, append_images=rest, duration=durations, loop=0, quality=80, method=4)
    return _uri("webp", file)


def _uri(kind: str, file: BytesIO) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode()}"

"""Predicted against true frames, as strips and as a looping animation, ready to stand in a page (data URIs).

Frames are shown in the pixels they have, enlarged without smoothing by the browser: nothing looks better than it is.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from itertools import pairwise

import numpy as np
from PIL import Image

from platform.results.look import Look
from platform.results.predictions import Predictions
from platform.results.scores import score

MOST_SHOWN = 3  # targets side by side
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
    """A clip: what was observed, then the true, predicted and error frames above each other. `told` is the mse of each
    target on this clip; `panels` name those of the animation."""

    title: str
    told: str
    columns: int
    rows: tuple[Row, ...]
    panels: tuple[str, ...]
    animation: str
    still: str


@dataclass(frozen=True)
class Shown:
    """What one target predicted for the clips that all are shown on."""

    name: str
    predictions: Predictions


def strips(looks: Sequence[Look]) -> list[Strip]:
    """The clips that were kept, the best of the first look first; other looks are shown where they are at the same."""
    if not looks:
        return []
    first = looks[0]
    same = [look for look in looks if look.facts.kept == first.facts.kept][:MOST_SHOWN]
    shown = [Shown(f"Trial {look.facts.trial}", look.predictions) for look in same]
    order = np.argsort(first.predictions.mse, kind="stable")
    words = {1: ("The one",), 2: ("Best", "Worst")}.get(len(order), ("Best", *["Between"] * (len(order) - 2), "Worst"))
    words = ("Best", "Median", "Worst") if len(order) == 3 else words
    count = f"of {len(first.facts.clips):,} clips, {{}}"
    names = first.facts.kept
    return [
        strip(shown, int(clip), f"{word} {count.format(names[clip])}") for word, clip in zip(words, order, strict=True)
    ]


def strip(shown: Sequence[Shown], clip: int, title: str) -> Strip:
    """All are predictions for the same clips."""
    length = shown[0].predictions.input_length
    frames_THWC, valid = shown[0].predictions.clips[clip], shown[0].predictions.valid
    futures = [each.predictions.predicted[clip, length - 1 :] for each in shown]
    true_THWC = frames_THWC[length:]
    errors = [inferno(np.abs(true_THWC.astype(int) - future.astype(int)).mean(axis=-1)) for future in futures]
    if valid is not None:
        missing_THW = ~valid[clip].all(axis=-1)
        frames_THWC = np.where(missing_THW[..., None], MISSING_GREY, frames_THWC).astype(np.uint8)
        true_THWC = frames_THWC[length:]
        for error_THWC in errors:
            error_THWC[missing_THW[length:]] = MISSING_GREY
    observed, future = thinned(length), thinned(len(true_THWC))
    numbers = future + 1 + length
    rows = [
        picture_row("Observed", frames_THWC[observed], observed + 1, "what the network was shown"),
        picture_row("True", true_THWC[future], numbers, "what happened next"),
    ]
    for each, predicted_THWC, error_THWC in zip(shown, futures, errors, strict=True):
        name = "Predicted" if len(shown) == 1 else each.name
        rows.append(picture_row(name, predicted_THWC[future], numbers, f"what {each.name.lower()} predicted"))
        rows.append(picture_row("Error", error_THWC[future], numbers, "absolute difference, bright is wrong"))
    moving = _animation_frames(frames_THWC, futures, errors[0] if len(shown) == 1 else None, length)
    panels = ("true", "predicted", "error") if len(shown) == 1 else ("true", *(each.name.lower() for each in shown))
    return Strip(
        title=title,
        told=", ".join(f"{each.name.lower()} {score('mse').text(float(each.predictions.mse[clip]))}" for each in shown),
        columns=max(len(observed), len(future)),
        rows=tuple(rows),
        panels=panels,
        animation=_animated_uri(moving),
        still=png_uri(moving[-1]),
    )


def animated_gif(shown: Sequence[Shown], clip: int) -> bytes:
    """The animation of a strip, for programs that know no newer format."""
    frames_THWC, length = shown[0].predictions.clips[clip], shown[0].predictions.input_length
    futures = [each.predictions.predicted[clip, length - 1 :] for each in shown]
    first, *rest = [Image.fromarray(pixels) for pixels in _animation_frames(frames_THWC, futures, None, length)]
    file = BytesIO()
    first.save(file, "GIF", save_all=True, append_images=rest, duration=160, loop=0)
    return file.getvalue()


def thinned(count: int) -> np.ndarray:
    return np.unique(np.linspace(0, count - 1, min(count, MAX_FRAMES)).round().astype(int))


def picture_row(label: str, frames_THWC: np.ndarray, numbers: np.ndarray, meaning: str) -> Row:
    """Every frame gets a gap on its right of a fixed share, so that rows of the same page align."""
    colors_THWC = as_rgb(frames_THWC)
    num, height, width, _ = colors_THWC.shape
    gap = max(1, round(GAP * width / 64))
    canvas = np.zeros((height, num * (width + gap), 4), np.uint8)
    for index, frame_HWC in enumerate(colors_THWC):
        left = index * (width + gap)
        canvas[:, left : left + width, :3] = frame_HWC
        canvas[:, left : left + width, 3] = 255
    frames = tuple(int(n) for n in numbers)
    step = "" if all(b - a == 1 for a, b in pairwise(frames)) else ", not every frame is drawn"
    return Row(label, png_uri(canvas), frames, f"{label}, frames {frames[0]} to {frames[-1]}{step}: {meaning}")


def _animation_frames(
    frames_THWC: np.ndarray, futures: Sequence[np.ndarray], error_THWC: np.ndarray | None, length: int
) -> list[np.ndarray]:
    """True, predicted and error side by side; the edge of predictions turns orange where they begin."""
    pictures = []
    for step, frame_HWC in enumerate(frames_THWC):
        seen = step < length
        edge = OBSERVED_EDGE if seen else PREDICTED_EDGE
        guesses = [frame_HWC if seen else future_THWC[step - length] for future_THWC in futures]
        panels = [_panel(frame_HWC, OBSERVED_EDGE), *(_panel(guess, edge) for guess in guesses)]
        if error_THWC is not None:
            error = np.zeros((*frame_HWC.shape[:2], 3), np.uint8) if seen else error_THWC[step - length]
            panels.append(_panel(error, OBSERVED_EDGE))
        pictures.append(np.concatenate(panels, axis=1))
    return pictures


def _panel(frame_HWC: np.ndarray, edge: tuple[int, int, int]) -> np.ndarray:
    color_HWC = as_rgb(frame_HWC[None])[0]
    times = max(1, PANEL // max(color_HWC.shape[:2]))
    color_HWC = color_HWC.repeat(times, axis=0).repeat(times, axis=1)
    framed = np.pad(color_HWC, ((4, 4), (4, 4), (0, 0)))
    for side in (framed[:4], framed[-4:], framed[:, :4], framed[:, -4:]):
        side[...] = edge
    return framed


def as_rgb(frames_THWC: np.ndarray) -> np.ndarray:
    """Grey becomes grey in colour, three channels stay, any other count shows its mean."""
    if frames_THWC.shape[-1] == 3:
        return frames_THWC
    return frames_THWC.mean(axis=-1, keepdims=True).astype(np.uint8).repeat(3, axis=-1)


def inferno(error_THW: np.ndarray) -> np.ndarray:
    """0 to 255 grey levels -> colours (T, H, W, 3)."""
    stops = np.linspace(0, 255, len(_INFERNO))
    channels = [np.interp(error_THW, stops, _INFERNO[:, channel]) for channel in range(3)]
    return np.stack(channels, axis=-1).astype(np.uint8)


def png_uri(pixels: np.ndarray) -> str:
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

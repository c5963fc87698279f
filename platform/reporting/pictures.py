"""Predicted against true frames, as strips and as a looping animation, ready to stand in a page (data URIs).

Frames are shown in the pixels they have, enlarged without smoothing by the browser: nothing looks better than it is.
Those of a radar are drawn in classes of what it measured (`radar_colours.py`).
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from itertools import pairwise

import numpy as np
from PIL import Image

from platform.reporting.radar_colours import MISSING_GREY, ColourScale, FieldColours
from platform.results.look import Look, MeasuredField
from platform.results.looks import side_by_side
from platform.results.predictions import Predictions
from platform.results.scores import score

MOST_SHOWN = 3  # targets side by side
MAX_FRAMES = 12  # of a strip; longer clips show every k-th
GAP = 2  # pixels between frames, per 64 of a side
PANEL = 192  # pixels of a panel's side in the animation
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
    target on this clip; `panels` name those of the animation; `scales` are what the colours of a radar's values and
    errors mean, none for pictures."""

    title: str
    told: str
    columns: int
    rows: tuple[Row, ...]
    panels: tuple[str, ...]
    animation: str
    still: str
    scales: tuple[ColourScale, ...] = ()


@dataclass(frozen=True)
class Shown:
    """What one target predicted for the clips that all are shown on; `field` says what their bytes measure."""

    name: str
    predictions: Predictions
    field: MeasuredField | None = None

    @classmethod
    def of(cls, look: Look) -> "Shown":
        return cls(f"Trial {look.facts.trial}", look.predictions, look.facts.field)


@dataclass(frozen=True)
class Drawn:
    """A clip in colour, uint8 (T, H, W, 3): what happened, what each target saw and then foretold, how wrong it was."""

    true: np.ndarray
    told: list[np.ndarray]
    errors: list[np.ndarray]
    scales: tuple[ColourScale, ...] = ()


def strips(looks: Sequence[Look]) -> list[Strip]:
    """The clips that were kept, the one that the first look predicts best first; others are shown beside it."""
    if not looks:
        return []
    first = looks[0]
    shown = [Shown.of(look) for look in side_by_side(looks, MOST_SHOWN)]
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
    predictions, field = shown[0].predictions, shown[0].field
    length, drawn = predictions.input_length, draw(shown, clip)
    if field is not None and field.values[predictions.clips[clip].max()] < (least := drawn.scales[0].bounds[0]):
        title += f", below {least:g} {field.unit} throughout"
    observed, future = thinned(length), length + thinned(len(drawn.true) - length)
    rows = [
        picture_row("Observed", drawn.true[observed], observed + 1, "what the network was shown"),
        picture_row("True", drawn.true[future], future + 1, "what happened next"),
    ]
    wrong = "orange is too low, purple too high" if drawn.scales else "absolute difference, bright is wrong"
    for each, told_THWC, error_THWC in zip(shown, drawn.told, drawn.errors, strict=True):
        name = "Predicted" if len(shown) == 1 else each.name
        rows.append(picture_row(name, told_THWC[future], future + 1, f"what {each.name.lower()} predicted"))
        rows.append(picture_row("Error", error_THWC[future], future + 1, wrong))
    moving = _animation_frames(drawn, length, with_error=len(shown) == 1)
    panels = ("true", "predicted", "error") if len(shown) == 1 else ("true", *(each.name.lower() for each in shown))
    return Strip(
        title=title,
        told=", ".join(f"{each.name.lower()} {score('mse').text(float(each.predictions.mse[clip]))}" for each in shown),
        columns=max(len(observed), len(future)),
        rows=tuple(rows),
        panels=panels,
        animation=_animated_uri(moving, exact=bool(drawn.scales)),
        still=png_uri(moving[-1]),
        scales=drawn.scales,
    )


def draw(shown: Sequence[Shown], clip: int) -> Drawn:
    """All are predictions for the same clips."""
    predictions, field = shown[0].predictions, shown[0].field
    true_THWC, length = predictions.clips[clip], predictions.input_length
    told = [np.concatenate([true_THWC[:length], each.predictions.predicted[clip, length - 1 :]]) for each in shown]
    if field is not None:
        colours = FieldColours.of(field)
        errors = [colours.paint_difference(told_THWC, true_THWC) for told_THWC in told]
        painted = [colours.paint(told_THWC) for told_THWC in told]
        drawn = Drawn(colours.paint(true_THWC), painted, errors, colours.scales)
    else:
        errors = [inferno(np.abs(true_THWC.astype(int) - told_THWC).mean(axis=-1)) for told_THWC in told]
        drawn = Drawn(as_rgb(true_THWC).copy(), [as_rgb(told_THWC) for told_THWC in told], errors)
    if predictions.valid is not None:
        missing_THW = ~predictions.valid[clip].all(axis=-1)
        for each in (drawn.true, *errors):
            each[missing_THW] = MISSING_GREY
        for told_THWC in drawn.told:
            told_THWC[:length] = drawn.true[:length]
        scales = tuple(replace(scale, has_missing=bool(missing_THW.any())) for scale in drawn.scales)
        drawn = replace(drawn, scales=scales)
    return drawn


def animated_gif(shown: Sequence[Shown], clip: int) -> bytes:
    """The animation of a strip, for programs that know no newer format."""
    moving = _animation_frames(draw(shown, clip), shown[0].predictions.input_length)
    first, *rest = [Image.fromarray(pixels) for pixels in moving]
    file = BytesIO()
    first.save(file, "GIF", save_all=True, append_images=rest, duration=160, loop=0)
    return file.getvalue()


def thinned(count: int) -> np.ndarray:
    return np.unique(np.linspace(0, count - 1, min(count, MAX_FRAMES)).round().astype(int))


def picture_row(label: str, colors_THWC: np.ndarray, numbers: np.ndarray, meaning: str) -> Row:
    """Every frame gets a gap on its right of a fixed share, so that rows of the same page align."""
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


def _animation_frames(drawn: Drawn, length: int, *, with_error: bool = False) -> list[np.ndarray]:
    """True, predicted and error side by side; the edge of predictions turns orange where they begin."""
    pictures = []
    for step, true_HWC in enumerate(drawn.true):
        edge = OBSERVED_EDGE if step < length else PREDICTED_EDGE
        panels = [_panel(true_HWC, OBSERVED_EDGE), *(_panel(told_THWC[step], edge) for told_THWC in drawn.told)]
        if with_error:
            panels.append(_panel(drawn.errors[0][step], OBSERVED_EDGE))
        pictures.append(np.concatenate(panels, axis=1))
    return pictures


def _panel(color_HWC: np.ndarray, edge: tuple[int, int, int]) -> np.ndarray:
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


def _animated_uri(pictures: list[np.ndarray], *, exact: bool) -> str:
    """`exact` keeps every colour, which classes need, and blends nothing."""
    file = BytesIO()
    first, *rest = [Image.fromarray(pixels) for pixels in pictures]
    durations = [160] * (len(pictures) - 1) + [900]  # the last frame stays, so that the eye finds the end
    options = {"lossless": True} if exact else {"quality": 80, "method": 4}
    first.save(file, "WEBP", save_all=True, append_images=rest, duration=durations, loop=0, **options)
    return _uri("webp", file)


def _uri(kind: str, file: BytesIO) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode()}"

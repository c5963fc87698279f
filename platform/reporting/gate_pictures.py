"""How open gates were, as heat maps laid over the frames that the target saw."""

from dataclasses import dataclass

import numpy as np

from platform.reporting.pictures import Row, Shown, as_rgb, draw, inferno, picture_row, thinned
from platform.reporting.radar_colours import ColourScale
from platform.results.look import Look

STRENGTH = 0.6  # of the map over the frame


@dataclass(frozen=True)
class GatePicture:
    """One clip: the frames that the target saw, and below them each source's gate in each layer. `low` and `high` are
    the openness that is drawn black and bright. What a radar's target saw has colours, `scales`; below its gates it is
    grey."""

    title: str
    rows: tuple[Row, ...]
    low: float
    high: float
    scales: tuple[ColourScale, ...] = ()


def gate_picture(look: Look) -> GatePicture | None:
    """Of the clip of median error; None for a target without gates."""
    if not look.facts.sources:
        return None
    clip = int(np.argsort(look.predictions.mse, kind="stable")[len(look.predictions.mse) // 2])
    length = look.facts.input_length
    seen_THWC = look.predictions.clips[clip, :-1].copy()
    seen_THWC[length:] = look.predictions.predicted[clip, length - 1 : -1]  # after the observed ones, its own
    steps = thinned(len(seen_THWC))
    openness = look.openness[:, :, clip].astype(np.float64) / 255  # (L, K, T-1, h, w)
    low, high = float(openness.min()), float(openness.max())
    frames_THWC = as_rgb(seen_THWC[steps])
    drawn = draw([Shown.of(look)], clip)
    rows = [picture_row("Seen", drawn.told[0][steps], steps + 1, "what the target saw: observed frames, then its own")]
    for layer, of_layer in zip(look.facts.layers, openness, strict=True):
        for source, maps_THW in zip(look.facts.sources, of_layer, strict=True):
            laid = _over(frames_THWC, maps_THW[steps], low, high)
            rows.append(picture_row(f"{source}, layer {layer}", laid, steps + 1, f"how open the gate of {source} is"))
    title = f"Gates of trial {look.facts.trial} on {look.facts.kept[clip]}, the clip of median error"
    return GatePicture(title, tuple(rows), low, high, drawn.scales[:1])


def _over(frames_THWC: np.ndarray, maps_Thw: np.ndarray, low: float, high: float) -> np.ndarray:
    """Each cell of the map covers the pixels of its patch."""
    scaled = (maps_Thw - low) / max(high - low, 1e-9) * 255
    patch = frames_THWC.shape[1] // maps_Thw.shape[1]
    heat_THWC = inferno(scaled.repeat(patch, axis=1).repeat(patch, axis=2))
    return ((1 - STRENGTH) * frames_THWC + STRENGTH * heat_THWC).astype(np.uint8)

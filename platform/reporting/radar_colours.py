"""The colours of a radar's pictures: classes of rain, of reflectivity or of SEVIR's levels, and of what was told wrong.

Classes change where published radar products change theirs. No rain is nearly white and heavier is darker, in steps of
viridis; what was foretold too low is orange and too high purple (ColorBrewer's PuOr). Both are told apart with colour
blindness, also from the grey of missing pixels. Left out is the rainbow of most radar products, which is not.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from plotly.colors import sample_colorscale, unlabel_rgb

from platform.results.look import MeasuredField

NOTHING = (240, 240, 240)  # below the lowest class
MISSING_GREY = 110  # of pixels that were not measured, in frames and in errors


class Product(NamedTuple):
    """What is measured, and where colours change: `bounds` of values, `steps` of differences."""

    name: str
    bounds: tuple[float, ...]
    steps: tuple[float, ...]


PRODUCTS = {  # by unit
    "mm/h": Product("rain", (0.1, 0.5, 1, 2, 5, 10, 20, 50), (0.5, 2, 5, 10)),
    "dBZ": Product("reflectivity", (5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55, 60), (5, 10, 20, 30)),
    "VIL level": Product("vertically integrated liquid", (16, 74, 133, 160, 181, 219), (16, 32, 64, 128)),
}


@dataclass(frozen=True)
class ColourScale:
    """Colours between `bounds`, of which there is one more than bounds: uint8 (n+1, 3). `has_missing`: the picture also
    has grey where nothing was measured."""

    name: str  # what is coloured
    unit: str
    bounds: tuple[float, ...]
    colours: np.ndarray
    has_missing: bool = False

    @property
    def swatches(self) -> list[tuple[str, str]]:
        """From the lowest class to the highest: its colour for CSS, and the bound where it begins, or `""`; before them
        the grey of what was not measured, where there is such."""
        labels = ["", *(f"{bound:.4g}".replace("-", "−") for bound in self.bounds)]
        classes = [(f"#{bytes(rgb).hex()}", label) for rgb, label in zip(self.colours, labels, strict=True)]
        return [(f"#{bytes([MISSING_GREY] * 3).hex()}", "no data"), *classes] if self.has_missing else classes

    @property
    def text(self) -> str:
        """For who cannot see it."""
        bounds = ", ".join(label for _, label in replace(self, has_missing=False).swatches if label)
        missing = "; grey was not measured" if self.has_missing else ""
        return f"Colours of {self.name} in {self.unit}, which change at {bounds}{missing}"


@dataclass(frozen=True)
class FieldColours:
    """How a measured field is drawn: its values, and predicted minus true ones."""

    field: MeasuredField
    values: ColourScale
    differences: ColourScale

    @classmethod
    def of(cls, field: MeasuredField) -> "FieldColours":
        unit, product = field.unit, PRODUCTS.get(field.unit) or _even(field)
        shades = _sampled("Viridis", np.linspace(1, 0, len(product.bounds)))
        steps = (*(-step for step in reversed(product.steps)), *product.steps)
        sides = _sampled("PuOr", np.linspace(0, 1, len(steps) + 1))
        return cls(
            field,
            ColourScale(product.name, unit, product.bounds, np.vstack([np.array([NOTHING], np.uint8), shades])),
            ColourScale("error, predicted minus true", unit, steps, sides),
        )

    @property
    def scales(self) -> tuple[ColourScale, ...]:
        return self.values, self.differences

    def paint(self, frames_THWC: np.ndarray) -> np.ndarray:
        """Bytes -> colours, uint8 (T, H, W, 3). A class begins with the byte nearest to its bound, as events do."""
        values = np.array(self.field.values)
        first = [1 + int(np.abs(values[1:] - bound).argmin()) for bound in self.values.bounds]
        return self.values.colours[np.digitize(np.arange(256), first)][frames_THWC[..., 0]]

    def paint_difference(self, predicted_THWC: np.ndarray, true_THWC: np.ndarray) -> np.ndarray:
        """Bytes of both -> colours, uint8 (T, H, W, 3)."""
        values = np.array(self.field.values)
        missed = values[predicted_THWC[..., 0]] - values[true_THWC[..., 0]]
        return self.differences.colours[np.digitize(missed, self.differences.bounds)]


def _even(field: MeasuredField) -> Product:
    """Of a unit that no product is known for."""
    low, span = field.values[0], field.values[-1] - field.values[0]
    bounds = (low + span * eighth / 8 for eighth in range(1, 8))
    return Product("value", tuple(bounds), tuple(span * share for share in (1 / 32, 1 / 16, 1 / 8, 1 / 4)))


def _sampled(name: str, places: np.ndarray) -> np.ndarray:
    """uint8 (n, 3)"""
    colours = [unlabel_rgb(colour) for colour in sample_colorscale(name, places.tolist())]
    return np.array(colours).round().astype(np.uint8)

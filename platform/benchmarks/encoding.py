"""What a stored byte of a measured field means: rain, echoes, vertically integrated liquid.

Pictures need no encoding: 0 is black, 255 white. A field has values with a unit and places without any value. It is
stored in levels 0 to 254; the byte 255 says *missing*, which is not zero rain and never enters a loss or a score.
"""

from typing import Literal

import numpy as np
from pydantic import model_validator

from platform.config.model import Model

MISSING = 255  # this byte is no level
TOP = 254  # the highest level

# Z = 200 R^1.6 with R in mm/h (Marshall and Palmer 1948): rain spans decades, its decibels do not.
MARSHALL_PALMER = (200.0, 1.6)


class Encoding(Model):
    """Levels 0 to 254 span `lowest` to `highest`; values beyond are cut.

    `linear` spans them in `unit` itself. `rain` stores mm/h by the decibels of its reflectivity: `lowest` and
    `highest` are dBZ, and level 0 stands for no rain.
    """

    unit: str
    scale: Literal["linear", "rain"]
    lowest: float
    highest: float

    @model_validator(mode="after")
    def _spans_something(self) -> "Encoding":
        if not self.lowest < self.highest:
            raise ValueError(f"lowest {self.lowest:g} is not below highest {self.highest:g}")
        return self

    def levels(self, values: np.ndarray, missing: np.ndarray | None = None) -> np.ndarray:
        """Bytes for `values` in `unit`, any shape. NaN, and whatever `missing` (bool, same shape) names, become 255."""
        values = np.asarray(values, np.float64)
        gone = np.isnan(values) if missing is None else np.isnan(values) | missing
        spanned = dbz_of_rain(values) if self.scale == "rain" else values
        fraction = (np.where(gone, self.lowest, spanned) - self.lowest) / (self.highest - self.lowest)
        levels = np.rint(np.clip(fraction, 0, 1) * TOP).astype(np.uint8)
        levels[gone] = MISSING
        return levels

    def levels_of_dbz(self, dbz: np.ndarray, missing: np.ndarray | None = None) -> np.ndarray:
        """Bytes for reflectivity in dBZ. Raises ValueError where `unit` is not rain."""
        if self.scale != "rain":
            raise ValueError(f"{self.unit} has no reflectivity")
        return Encoding(unit="dBZ", scale="linear", lowest=self.lowest, highest=self.highest).levels(dbz, missing)

    def values(self, levels: np.ndarray) -> np.ndarray:
        """What bytes mean, in `unit`, float64 of the same shape; NaN where missing."""
        spanned = self.lowest + levels.astype(np.float64) / TOP * (self.highest - self.lowest)
        values = np.where(levels == 0, 0.0, rain_of_dbz(spanned)) if self.scale == "rain" else spanned
        return np.where(levels == MISSING, np.nan, values)

    def fraction(self, value: float) -> float:
        """Where `value`, in `unit`, lies between level 0 and the top, in [0, 1]: what networks see."""
        spanned = float(dbz_of_rain(np.array(value))) if self.scale == "rain" else value
        return float(np.clip((spanned - self.lowest) / (self.highest - self.lowest), 0, 1))


def dbz_of_rain(rain: np.ndarray) -> np.ndarray:
    """mm/h -> dBZ; -inf for no rain."""
    factor, exponent = MARSHALL_PALMER
    with np.errstate(divide="ignore", invalid="ignore"):
        return 10 * (np.log10(factor) + exponent * np.log10(np.maximum(rain, 0)))


def rain_of_dbz(dbz: np.ndarray) -> np.ndarray:
    """dBZ -> mm/h."""
    factor, exponent = MARSHALL_PALMER
    return (10 ** (dbz / 10) / factor) ** (1 / exponent)


# One scale for every radar, so that what one country's rain taught fits another's: 0 dBZ is 0.04 mm/h, 60 dBZ 205.
RAIN = Encoding(unit="mm/h", scale="rain", lowest=0.0, highest=60.0)

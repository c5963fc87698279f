"""Scores of radar forecasts: does it rain more than a threshold, where, and was it said?

Hits, misses and false alarms are pooled over a whole split before they are divided, so that a clip without rain
changes nothing. Source: the definitions of SEVIR's and HKO-7's evaluations.
"""

from collections.abc import Sequence

import numpy as np

from platform.benchmarks.encoding import TOP, Encoding
from platform.config.errors import UserError
from tmu_models import ShapeError


class EventScores:
    """Collects clips with `add`, then tells `csi_T`, `pod_T`, `far_T` for each threshold T.

    A pixel is an event where its value is at least T, in the unit of the values that are added; where these have
    another unit, `bounds` are the thresholds in it.
    """

    def __init__(self, thresholds: Sequence[float], bounds: Sequence[float] | None = None) -> None:
        if not thresholds:
            raise ValueError("event scores need at least one threshold")
        self.thresholds = tuple(thresholds)
        self.bounds = self.thresholds if bounds is None else tuple(bounds)
        self.hits = np.zeros(len(thresholds), np.int64)
        self.misses = np.zeros(len(thresholds), np.int64)
        self.false_alarms = np.zeros(len(thresholds), np.int64)

    def add(self, true: np.ndarray, predicted: np.ndarray, valid: np.ndarray | None = None) -> None:
        """Arrays of one shape; `valid` is False where a pixel is missing and counts for nothing.

        Raises ShapeError if shapes differ, ValueError for a mask that is not boolean, and for values that are no
        numbers where a pixel counts: they would pass for dry.
        """
        shapes = {array.shape for array in (true, predicted, valid) if array is not None}
        if len(shapes) > 1:
            raise ShapeError(f"true {true.shape}, predicted {predicted.shape} and valid pixels differ in shape")
        counted = np.ones(true.shape, bool) if valid is None else valid
        if counted.dtype != bool:
            raise ValueError(
                f"valid pixels are a mask of booleans, not {counted.dtype}; compare first, e.g. bytes != 255"
            )
        for which, values in (("true", true), ("predicted", predicted)):
            if not np.isfinite(values[counted]).all():
                raise ValueError(f"{which} values hold NaN or infinity where pixels count; leave them out by `valid`")
        for place, bound in enumerate(self.bounds):
            is_event, is_told = (true >= bound) & counted, (predicted >= bound) & counted
            hits = np.count_nonzero(is_event & is_told)
            self.hits[place] += hits
            self.misses[place] += np.count_nonzero(is_event) - hits
            self.false_alarms[place] += np.count_nonzero(is_told) - hits

    def scores(self) -> dict[str, float | None]:
        """None where a score is undefined: no event was there to hit, or none was told."""
        named: dict[str, float | None] = {}
        for place, threshold in enumerate(self.thresholds):
            h, m, f = (int(counts[place]) for counts in (self.hits, self.misses, self.false_alarms))
            for name, part, whole in (("csi", h, h + m + f), ("pod", h, h + m), ("far", f, h + f)):
                named[f"{name}_{threshold:g}"] = part / whole if whole else None
        return named


def level_bounds(encoding: Encoding | None, thresholds: Sequence[float]) -> tuple[float, ...]:
    """Thresholds in the encoding's unit -> the fractions of the top level with which frames are compared.

    A true pixel is a whole level, so each threshold goes to the nearest one: a value of exactly T is stored as that
    level and counts. Raises UserError for thresholds of pictures, and for those that no stored level tells apart.
    """
    if not thresholds:
        return ()
    if encoding is None:
        raise UserError("thresholds are set, but these are pictures, without a unit. Set benchmark.thresholds: [].")
    least, most = encoding.values(np.array([1, TOP], np.uint8)).tolist()
    levels = [round(encoding.fraction(threshold) * TOP) for threshold in thresholds]
    for threshold, level in zip(thresholds, levels, strict=True):
        if level == 0 or threshold > most * (1 + 1e-9):
            raise UserError(
                f"threshold {threshold:g} {encoding.unit} is beyond what was stored, {least:.3g} to {most:.3g} "
                f"{encoding.unit}. Take it out of benchmark.thresholds."
            )
    return tuple(level / TOP for level in levels)

"""Scores of radar forecasts: does it rain more than a threshold, where, and was it said?

Hits, misses and false alarms are pooled over a whole split before they are divided, so that a clip without rain
changes nothing. Source: the definitions of SEVIR's and HKO-7's evaluations.
"""

from collections.abc import Sequence

import numpy as np

from tmu_models import ShapeError


class EventScores:
    """Collects clips with `add`, then tells `csi_T`, `pod_T`, `far_T` for each threshold T.

    A pixel is an event where its value is at least T, in the unit of the values that are added.
    """

    def __init__(self, thresholds: Sequence[float]) -> None:
        if not thresholds:
            raise ValueError("event scores need at least one threshold")
        self.thresholds = tuple(thresholds)
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
        for place, threshold in enumerate(self.thresholds):
            is_event, is_told = (true >= threshold) & counted, (predicted >= threshold) & counted
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

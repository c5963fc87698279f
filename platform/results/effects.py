"""What a source did to the score, as far as a search can tell: finished trials with it against those without it.

A search is no experiment: Optuna repeats what looks promising, trials differ in more than the source, and weak
ones were stopped early and are not in the means. So this is a hint where to look, with an interval and with
counts; `platform.confirm` is what settles it.
"""

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from platform.results.summary import RunSummary

MIN_FOR_INTERVAL = 4  # trials on each side; a bootstrap of fewer pretends to know
MOST_RESAMPLES, FEWEST_RESAMPLES = 4000, 1000
MOST_DRAWN = 1_000_000  # scores for one source: from 250 trials on there are fewer resamples, which differ less


@dataclass(frozen=True)
class Group:
    """Scores of finished trials, their mean, its 95 % bootstrap interval (None where there are too few), and how
    many more trials ASHA stopped before they had a final score."""

    scores: tuple[float, ...]
    trials: tuple[int, ...]
    num_stopped: int
    mean: float | None
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class SourceEffect:
    """`difference`: mean with the source minus mean without, in the score's unit."""

    source: str
    inside: Group
    outside: Group
    difference: float | None
    interval: tuple[float, float] | None

    @property
    def is_clear(self) -> bool:
        """The interval leaves out zero. Nothing is corrected for looking at several sources."""
        return self.interval is not None and (self.interval[0] > 0 or self.interval[1] < 0)


def source_effects(summary: RunSummary, *, seed: int = 0) -> list[SourceEffect]:
    """One for each source that the run offers, by name. The same folder gives the same numbers."""
    effects = []
    for source in summary.sources:
        generator = np.random.default_rng(seed)
        inside, inside_means = _group(summary, source, True, generator)
        outside, outside_means = _group(summary, source, False, generator)
        difference = None if inside.mean is None or outside.mean is None else inside.mean - outside.mean
        both = inside_means is not None and outside_means is not None
        interval = _interval(inside_means - outside_means) if both else None  # type: ignore[operator]
        effects.append(SourceEffect(source, inside, outside, difference, interval))
    return effects


@dataclass(frozen=True)
class PairEffect:
    """What two sources do together beyond the sum of what each does: mean with both, minus with the first alone, minus
    with the second alone, plus with neither. `counts` are of finished trials, in that order. None where a mean is
    missing; the interval where one is of fewer than MIN_FOR_INTERVAL trials."""

    first: str
    second: str
    counts: tuple[int, int, int, int]
    interaction: float | None
    interval: tuple[float, float] | None

    @property
    def is_clear(self) -> bool:
        """The interval leaves out zero. Nothing is corrected for looking at several pairs."""
        return self.interval is not None and (self.interval[0] > 0 or self.interval[1] < 0)


def pair_effects(summary: RunSummary, *, seed: int = 0) -> list[PairEffect]:
    """One for each two sources that the run offers. The same folder gives the same numbers."""
    scored = [
        (set(record.sources), value)
        for record in summary.finished
        if (value := summary.value(record)) is not None and np.isfinite(value)
    ]
    effects = []
    for first, second in combinations(summary.sources, 2):
        generator = np.random.default_rng(seed)
        cells = [
            np.array([value for drawn, value in scored if (first in drawn, second in drawn) == there])
            for there in ((True, True), (True, False), (False, True), (False, False))
        ]
        signs = np.array([1, -1, -1, 1])
        known = all(len(cell) for cell in cells)
        interval = None
        if min(map(len, cells)) >= MIN_FOR_INTERVAL:
            means = np.array([_resampled(cell, _num_resamples(summary), generator) for cell in cells])
            interval = _interval(signs @ means)
        effects.append(
            PairEffect(
                first,
                second,
                counts=(len(cells[0]), len(cells[1]), len(cells[2]), len(cells[3])),
                interaction=float(signs @ np.array([cell.mean() for cell in cells])) if known else None,
                interval=interval,
            )
        )
    return effects


def _group(
    summary: RunSummary, source: str, inside: bool, generator: np.random.Generator
) -> tuple[Group, np.ndarray | None]:
    """The group, and the means of its resamples where it is large enough for an interval."""
    scored = [
        (r.trial, value)
        for r in summary.finished
        if (source in r.sources) == inside and (value := summary.value(r)) is not None and np.isfinite(value)
    ]
    scores = np.array([value for _, value in scored])
    stopped = sum((source in r.sources) == inside for r in summary.in_state("stopped"))
    means = None
    if len(scores) >= MIN_FOR_INTERVAL:
        means = _resampled(scores, _num_resamples(summary), generator)
    group = Group(
        scores=tuple(scores.tolist()),
        trials=tuple(trial for trial, _ in scored),
        num_stopped=stopped,
        mean=float(scores.mean()) if len(scores) else None,
        interval=None if means is None else _interval(means),
    )
    return group, means


def _resampled(scores: np.ndarray, num: int, generator: np.random.Generator) -> np.ndarray:
    """Means of `num` resamples."""
    drawn = generator.integers(len(scores), size=(num, len(scores)), dtype=np.int32)
    return np.asarray(scores[drawn].mean(axis=1))


def _num_resamples(summary: RunSummary) -> int:
    return min(max(MOST_DRAWN // max(len(summary.finished), 1), FEWEST_RESAMPLES), MOST_RESAMPLES)


def _interval(means: np.ndarray) -> tuple[float, float]:
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)

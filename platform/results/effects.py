"""What a source did to the score, as far as a search can tell: finished trials with it against those without it.

A search is no experiment: Optuna repeats what looks promising, trials differ in more than the source, and weak
ones were stopped early and are not in the means. So this is a hint where to look, with an interval and with
counts; `platform.confirm` is what settles it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from scipy import stats

from platform.results.comparison import Interval
from platform.results.paired import SIGNIFICANT, holm
from platform.results.record import TrialRecord
from platform.results.summary import RunSummary

MIN_FOR_INTERVAL = 4  # trials of each group: how much fewer differ says little


@dataclass(frozen=True)
class Group:
    """Scores of finished trials, their mean, its 95 % interval (Student's t; None where there are too few), and how
    many more trials ASHA stopped before they had a final score."""

    scores: tuple[float, ...]
    trials: tuple[int, ...]
    num_stopped: int
    mean: float | None
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class Difference:
    """A sum and difference of means, in the score's unit. `interval` (95 %) and `p` are Welch's, for groups that vary
    unlike each other; None where one is too small. `p` is corrected for all that were asked with it (Holm), the
    interval is not."""

    mean: float
    interval: tuple[float, float] | None = None
    p: float | None = None


class _Effect:
    """`found` is None where a group is empty."""

    found: Difference | None

    @property
    def interval(self) -> tuple[float, float] | None:
        return None if self.found is None else self.found.interval

    @property
    def is_clear(self) -> bool:
        return self.found is not None and self.found.p is not None and self.found.p < SIGNIFICANT


@dataclass(frozen=True)
class SourceEffect(_Effect):
    """`found`: mean with the source minus mean without."""

    source: str
    inside: Group
    outside: Group
    found: Difference | None

    @property
    def difference(self) -> float | None:
        return None if self.found is None else self.found.mean


@dataclass(frozen=True)
class PairEffect(_Effect):
    """What two sources do together beyond the sum of what each does: mean with both, minus with the first alone, minus
    with the second alone, plus with neither. `counts` are of finished trials, in that order."""

    first: str
    second: str
    counts: tuple[int, int, int, int]
    found: Difference | None

    @property
    def interaction(self) -> float | None:
        return None if self.found is None else self.found.mean


def source_effects(summary: RunSummary) -> list[SourceEffect]:
    """One for each source that the run offers, by name."""
    inside = [_group(summary, source, inside=True) for source in summary.sources]
    outside = [_group(summary, source, inside=False) for source in summary.sources]
    both = list(zip(inside, outside, strict=True))
    found = _corrected([difference_of_means([one.scores, other.scores], (1, -1)) for one, other in both])
    return [SourceEffect(*each) for each in zip(summary.sources, inside, outside, found, strict=True)]


def pair_effects(summary: RunSummary) -> list[PairEffect]:
    """One for each two sources that the run offers."""
    scored = [(set(record.sources), value) for record, value in _scored(summary)]
    pairs = list(combinations(summary.sources, 2))
    cells = [
        [
            [value for drawn, value in scored if (first in drawn, second in drawn) == there]
            for there in ((True, True), (True, False), (False, True), (False, False))
        ]
        for first, second in pairs
    ]
    found = _corrected([difference_of_means(each, (1, -1, -1, 1)) for each in cells])
    return [
        PairEffect(*pair, (len(both), len(first), len(second), len(neither)), each)
        for pair, (both, first, second, neither), each in zip(pairs, cells, found, strict=True)
    ]


def _group(summary: RunSummary, source: str, *, inside: bool) -> Group:
    scored = [(record.trial, value) for record, value in _scored(summary) if (source in record.sources) == inside]
    scores = [value for _, value in scored]
    told = Interval.of(scores) if scores else None
    interval = None
    if told is not None and told.half is not None and len(scores) >= MIN_FOR_INTERVAL:
        interval = (told.mean - told.half, told.mean + told.half)
    return Group(
        scores=tuple(scores),
        trials=tuple(trial for trial, _ in scored),
        num_stopped=sum((source in record.sources) == inside for record in summary.in_state("stopped")),
        mean=None if told is None else told.mean,
        interval=interval,
    )


def _scored(summary: RunSummary) -> list[tuple[TrialRecord, float]]:
    values = [(record, summary.value(record)) for record in summary.finished]
    return [(record, value) for record, value in values if value is not None and math.isfinite(value)]


def difference_of_means(groups: Sequence[Sequence[float]], signs: Sequence[int]) -> Difference | None:
    """The sum of the groups' means with these signs (Welch, 1947); None where a group is empty."""
    if not all(map(len, groups)):
        return None
    mean = float(sum(sign * np.mean(group) for sign, group in zip(signs, groups, strict=True)))
    if min(map(len, groups)) < MIN_FOR_INTERVAL:
        return Difference(mean)
    errors = [float(np.var(group, ddof=1)) / len(group) for group in groups]  # squared
    if (error := math.sqrt(sum(errors))) == 0:
        return Difference(mean, (mean, mean), float(mean == 0))
    freedom = sum(errors) ** 2 / sum(each**2 / (len(group) - 1) for each, group in zip(errors, groups, strict=True))
    half = float(stats.t.ppf(0.975, freedom)) * error
    return Difference(mean, (mean - half, mean + half), float(2 * stats.t.sf(abs(mean) / error, freedom)))


def _corrected(found: Sequence[Difference | None]) -> list[Difference | None]:
    """For how many have a p-value."""
    told = {place: each.p for place, each in enumerate(found) if each is not None and each.p is not None}
    corrected = dict(zip(told, holm(list(told.values())), strict=True))
    return [each and replace(each, p=corrected.get(place)) for place, each in enumerate(found)]

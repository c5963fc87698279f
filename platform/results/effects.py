"""What a source did to the score, as far as a search can tell: finished trials with it against those without it.

A search is no experiment: Optuna repeats what looks promising, trials differ in more than the source, and weak
ones were stopped early and are not in the means. So this is a hint where to look, with an interval and with
counts; `platform.confirm` is what settles it.
"""

from dataclasses import dataclass

import numpy as np

from platform.results.summary import RunSummary

MIN_FOR_INTERVAL = 4  # trials on each side; a bootstrap of fewer pretends to know
NUM_RESAMPLES = 4000


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


def _group(
    summary: RunSummary, source: str, inside: bool, generator: np.random.Generator
) -> tuple[Group, np.ndarray | None]:
    """The group, and the means of its resamples (NUM_RESAMPLES,) where it is large enough for an interval."""
    scored = [
        (r.trial, value)
        for r in summary.finished
        if (source in r.sources) == inside and (value := summary.value(r)) is not None and np.isfinite(value)
    ]
    scores = np.array([value for _, value in scored])
    stopped = sum((source in r.sources) == inside for r in summary.in_state("stopped"))
    means = None
    if len(scores) >= MIN_FOR_INTERVAL:
        means = scores[generator.integers(len(scores), size=(NUM_RESAMPLES, len(scores)))].mean(axis=1)
    group = Group(
        scores=tuple(scores.tolist()),
        trials=tuple(trial for trial, _ in scored),
        num_stopped=stopped,
        mean=float(scores.mean()) if len(scores) else None,
        interval=None if means is None else _interval(means),
    )
    return group, means


def _interval(means: np.ndarray) -> tuple[float, float]:
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)

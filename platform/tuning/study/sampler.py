"""Optuna's TPE, whose draws can be repeated, and cost as much after a hundred thousand trials as after some hundred.

Up to `MOST_LEARNT_FROM` finished trials it draws what Optuna's own sampler would. Of more it learns from the best, all
that Optuna would count among the good (25 for one objective), and from others spread evenly over the search: where the
density of good trials is high nothing changes, that of the rest is estimated from hundreds instead of thousands.
"""

import heapq
from collections.abc import Container, Mapping
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import TPESampler
from optuna.samplers._tpe.sampler import _split_trials, default_gamma, default_gamma_multiobjective
from optuna.search_space.group_decomposed import _GroupDecomposedSearchSpace, _SearchSpaceGroup
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

MOST_LEARNT_FROM = 500
GOLDEN, WORD = 2_654_435_769, 1 << 32  # their quotient is the golden ratio's fraction: multiples of it spread evenly
ENDED_WITH_SCORES = (TrialState.COMPLETE, TrialState.PRUNED)


class SeededPerTrial(TPESampler):
    """Draws trial n from (seed, n) and the trials that ended before, whatever was drawn in this process until then."""

    def __init__(self, *, seed: int, most: int = MOST_LEARNT_FROM, **options: Any) -> None:
        super().__init__(seed=seed, **options)
        self._seed = seed
        self._learnt_from = LearntFrom(max(most, self._n_startup_trials))
        if self._group:
            self._group_decomposed_search_space = _Groups(self._learnt_from)
        self._drawn: int | None = None  # the trial whose turn it is
        self._view: Any = None  # of the study, for that trial

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        self._begin(trial.number)
        super().before_trial(study, trial)

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        self._begin(trial.number)
        self._view = _Learnt(study, self._learnt_from.of(study))
        return super().infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return super().sample_relative(self._view, trial, search_space)

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        return super().sample_independent(self._view, trial, param_name, param_distribution)

    def _begin(self, number: int) -> None:
        if number == self._drawn:
            return
        self._drawn = number
        seeds = np.random.SeedSequence((self._seed, number)).generate_state(2)
        self._rng.rng.seed(seeds[0])
        self._random_sampler._rng.rng.seed(seeds[1])


class LearntFrom:
    """The finished trials of a study that a sampler learns from: all, or of more than `most` the best and some others.

    Which these are depends on which trials have finished, and not on when each was seen: a search that goes on in
    another process has the same.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._all: dict[int, FrozenTrial] = {}  # that have finished
        self._first_open = 0  # trials before it have all been seen
        self._best: list[FrozenTrial] = []
        self._others: list[FrozenTrial] = []
        self.new: list[FrozenTrial] = []  # that the last look found

    def of(self, study: optuna.Study) -> list[FrozenTrial]:
        """By their numbers, with those that run."""
        trials = study._get_trials(deepcopy=False)
        self.new = self._unseen(trials)
        self._all |= {trial.number: trial for trial in self.new}
        if len(self._all) <= self._most:
            kept = list(self._all.values())
        else:
            self._choose(study)
            kept = [*self._best, *self._others]
        running = [trial for trial in trials[self._first_open :] if trial.state == TrialState.RUNNING]
        return sorted([*kept, *running], key=lambda trial: trial.number)

    def _unseen(self, trials: list[FrozenTrial]) -> list[FrozenTrial]:
        """Those with scores that ended since; a study has its trials by their numbers."""
        recent = trials[self._first_open :]
        found = [trial for trial in recent if trial.state in ENDED_WITH_SCORES and trial.number not in self._all]
        self._first_open += next(
            (place for place, trial in enumerate(recent) if not trial.state.is_finished()), len(recent)
        )
        return found

    def _choose(self, study: optuna.Study) -> None:
        if len(study.directions) > 1:  # who is good depends on all of them
            candidates = list(self._all.values())
            self._best = _split_trials(study, candidates, default_gamma_multiobjective(self._most))[0]
        else:
            # The best of all are among those that were the best and the new ones, and so it is with the others.
            chosen = [*self._best, *self._others]
            candidates = sorted([*chosen, *self.new] if chosen else self._all.values(), key=_number)
            self._best = heapq.nsmallest(default_gamma(self._most), candidates, key=_Place(study))
        good = {trial.number for trial in self._best}
        others = (trial for trial in candidates if trial.number not in good)
        self._others = heapq.nsmallest(self._most - len(self._best), others, key=_spread)


def _number(trial: FrozenTrial) -> int:
    return trial.number


def _spread(trial: FrozenTrial) -> int:
    """Those for which it is smallest lie evenly among all."""
    return trial.number * GOLDEN % WORD


class _Place:
    """Orders trials as Optuna's TPE does: complete before pruned ones, those by how far they came."""

    def __init__(self, study: optuna.Study) -> None:
        self._sign = -1 if study.directions[0] == StudyDirection.MAXIMIZE else 1

    def __call__(self, trial: FrozenTrial) -> tuple[int, float, float]:
        if trial.state == TrialState.COMPLETE:
            return (0, 0.0, self._sign * (trial.value or 0.0))
        if trial.intermediate_values:
            step, value = max(trial.intermediate_values.items())
            return (1, -step, self._sign * value)
        return (1, 1.0, 0.0)


class _Learnt:
    """A study as TPE sees it."""

    def __init__(self, study: optuna.Study, trials: list[FrozenTrial]) -> None:
        self._study = study
        self._trials = trials
        self.directions = study.directions  # asked for with each trial
        self.direction = self.directions[0]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._study, name)

    def _get_trials(
        self, deepcopy: bool = True, states: Container[TrialState] | None = None, use_cache: bool = False
    ) -> list[FrozenTrial]:
        return [trial for trial in self._trials if states is None or trial.state in states]


class _Groups(_GroupDecomposedSearchSpace):
    """Which settings are drawn together. A trial is looked at once: a second time it would change nothing."""

    def __init__(self, learnt_from: LearntFrom) -> None:
        super().__init__(include_pruned=True)
        self._learnt_from = learnt_from
        self._known: set[frozenset[str]] = set()

    def calculate(self, study: optuna.Study, use_cache: bool = False) -> _SearchSpaceGroup:
        for trial in self._learnt_from.new:
            if (names := frozenset(trial.distributions)) not in self._known:
                self._known.add(names)
                distributions: Mapping[str, BaseDistribution] = trial.distributions
                self._search_space.add_distributions(dict(distributions))
        return self._search_space

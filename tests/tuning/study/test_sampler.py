"""The sampler draws what Optuna's own would, until there is more to learn from than it takes; then it costs no more."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import optuna
import pytest
from optuna.samplers import TPESampler
from optuna.trial import FrozenTrial, TrialState

from platform.config.space import Parameter
from platform.config.trial import TrialSettings
from platform.tuning.study.sampler import LearntFrom, SeededPerTrial
from platform.tuning.study.space import SettingsSpace

SPACE = SettingsSpace(
    {
        "sources": Parameter(subset=("a", "b")),
        "learning_rate": Parameter(float=(1e-4, 1e-2), log=True),
        "tmu.merge": Parameter(choice=("mean", "softmax", "sum")),
        "tmu.bias": Parameter(float=(-1.0, 1.0)),
        "distil.source_weight": Parameter(float=(0.3, 3.0), log=True),
    },
    TrialSettings(),
)
OPTIONS: dict[str, Any] = {"n_startup_trials": 5, "multivariate": True, "group": True, "constant_liar": True, "seed": 3}
Direction = Literal["minimize", "maximize"]
pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")


class Plain(TPESampler):
    """Optuna's own, with a seed for each trial."""

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        seeds = np.random.SeedSequence((3, trial.number)).generate_state(2)
        self._rng.rng.seed(seeds[0])
        self._random_sampler._rng.rng.seed(seeds[1])
        super().before_trial(study, trial)


def search(sampler: TPESampler, num_trials: int, directions: Sequence[Direction] = ("minimize",)) -> optuna.Study:
    """Trials of three at a time; of each four one fails, one is pruned."""
    study = optuna.create_study(sampler=sampler, directions=directions)
    goes_on(study, num_trials)
    return study


def goes_on(study: optuna.Study, num_trials: int) -> None:
    running: list[optuna.Trial] = []
    while len(study.get_trials(deepcopy=False)) < num_trials or running:
        if len(study.get_trials(deepcopy=False)) < num_trials:
            running.append(study.ask())
            SPACE.draw(running[-1])
            if len(running) < 3:
                continue
        ended = running.pop(0)
        value = sum(abs(hash(number)) % 7 for number in ended.params.values() if isinstance(number, bool))
        value += abs(np.log10(ended.params["learning_rate"]) + 3)
        several = len(study.directions) > 1
        if ended.number % 4 == 2:
            study.tell(ended, state=TrialState.FAIL)
        elif ended.number % 4 == 3 and not several:
            ended.report(value, 1)
            study.tell(ended, state=TrialState.PRUNED)
        else:
            study.tell(ended, [value, -value] if several else value)


def drawn(study: optuna.Study) -> list[dict]:
    return [trial.params for trial in study.get_trials(deepcopy=False)]


@pytest.mark.parametrize("directions", [("minimize",), ("maximize",), ("minimize", "maximize")])
def test_it_draws_what_optuna_would(directions: Sequence[Direction]) -> None:
    ours, theirs = (search(make(**OPTIONS), 60, directions) for make in (SeededPerTrial, Plain))
    assert drawn(ours) == drawn(theirs)


@pytest.mark.parametrize("directions", [("minimize",), ("minimize", "maximize")])
def test_a_search_that_goes_on_elsewhere_draws_the_same(directions: Sequence[Direction]) -> None:
    whole = search(SeededPerTrial(most=20, **OPTIONS), 60, directions)
    begun = search(SeededPerTrial(most=20, **OPTIONS), 40, directions)
    begun.sampler = SeededPerTrial(most=20, **OPTIONS)
    assert drawn(begun) == drawn(whole)[:40]
    trial = begun.ask()
    SPACE.draw(trial)
    again = optuna.create_study(sampler=SeededPerTrial(most=20, **OPTIONS), directions=directions)
    again.add_trials(begun.get_trials()[:40])
    repeated = again.ask()
    SPACE.draw(repeated)
    assert repeated.params == trial.params


def test_a_trial_is_drawn_alike_though_others_were_begun_after_it() -> None:
    one, two = (search(SeededPerTrial(**OPTIONS), 12) for _ in range(2))
    alone = one.ask()
    first, _ = two.ask(), two.ask()
    assert SPACE.draw(first) == SPACE.draw(alone)


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_of_many_trials_the_best_are_learnt_from_and_others_from_all_over_the_search(direction: Direction) -> None:
    study, sign = optuna.create_study(direction=direction), 1 if direction == "minimize" else -1
    values = np.random.default_rng(0).permutation(1000)
    learnt, chosen = LearntFrom(300), []
    for value in values:
        study.add_trial(optuna.trial.create_trial(value=float(value)))
        chosen = learnt.of(study)
    running = study.ask()
    numbers = [trial.number for trial in learnt.of(study)]
    assert numbers == sorted({*(trial.number for trial in chosen), running.number})
    assert len(chosen) == 300
    assert set(np.argsort(sign * values)[:25]) <= set(numbers)
    assert [trial.number for trial in LearntFrom(300).of(study)] == numbers, "whenever each was seen"
    quarters = np.histogram(numbers, bins=4, range=(0, 1000))[0]
    assert quarters.min() > 60


def test_few_trials_are_all_learnt_from() -> None:
    study = optuna.create_study()
    study.add_trials([optuna.trial.create_trial(value=float(n)) for n in range(50)])
    assert len(LearntFrom(50).of(study)) == 50


def test_no_trial_is_left_to_chance_because_many_were_asked_for_first() -> None:
    """Startup trials may be more than it would learn from."""
    sampler = SeededPerTrial(most=10, **{**OPTIONS, "n_startup_trials": 30})
    study = search(sampler, 50)
    assert len(sampler._learnt_from.of(study)) == 30

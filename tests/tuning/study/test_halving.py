"""Successive halving that goes on: new trials are judged beside those that earlier drivers saw."""

from types import SimpleNamespace

import pytest
from ray.tune.schedulers import TrialScheduler

from platform.config.search import SearchConfig
from platform.results.record import TrialRecord
from platform.tuning.study.halving import halving
from platform.tuning.trials.resuming import Past


@pytest.mark.parametrize(("objective", "good", "bad"), [("mse", 10.0, 90.0), ("csi_16", 0.9, 0.1)])
@pytest.mark.parametrize("is_known", [True, False])
def test_a_trial_that_is_worse_than_all_before_is_stopped_at_its_first_rung(
    objective: str, good: float, bad: float, is_known: bool
) -> None:
    search = SearchConfig.model_validate({"objectives": [objective], "asha": {"grace_epochs": 1, "reduction": 2}})
    curve = ({"epoch": 1.0, objective: good}, {"epoch": 2.0, objective: good})
    ended = {
        n: TrialRecord(trial=n, id=f"{n:05d}", state="finished", seed=n, settings={}, curve=curve) for n in range(4)
    }
    scheduler = halving(search, 4, Past(ended=ended if is_known else {}))
    assert scheduler is not None
    trial = SimpleNamespace(trial_id="new", config={"trial": 4})
    scheduler.on_trial_add(None, trial)
    decision = scheduler.on_trial_result(None, trial, {"epoch": 1, objective: bad})
    assert decision == (TrialScheduler.STOP if is_known else TrialScheduler.CONTINUE)


def test_a_trial_that_goes_on_stands_in_the_rungs_that_it_had_passed() -> None:
    search = SearchConfig.model_validate({"objectives": ["mse"], "asha": {"grace_epochs": 1, "reduction": 2}})
    unfinished = SimpleNamespace(curve=({"epoch": 1.0, "mse": 10.0},))
    scheduler = halving(search, 4, Past(unfinished={0: unfinished}))  # type: ignore[dict-item]
    assert scheduler is not None
    before, new = (SimpleNamespace(trial_id=str(n), config={"trial": n}) for n in (0, 1))
    for trial in (before, new):
        scheduler.on_trial_add(None, trial)
    assert scheduler.on_trial_result(None, new, {"epoch": 1, "mse": 90.0}) == TrialScheduler.STOP

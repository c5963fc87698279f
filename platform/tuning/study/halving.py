"""Asynchronous successive halving that knows what earlier drivers of a run have seen.

Tune does not save its rungs: a search that goes on would judge its next trials against nothing.
"""

from types import SimpleNamespace
from typing import Any

from ray.tune.schedulers import ASHAScheduler

from platform.config.search import SearchConfig, direction
from platform.tuning.trials.resuming import Past, rungs_of
from platform.tuning.trials.trial import FAILURE


class Halving(ASHAScheduler):
    """ASHA by the first objective. Trials of `past` stand in its rungs with what they scored there."""

    def __init__(self, search: SearchConfig, epochs: int, past: Past) -> None:
        assert search.asha is not None
        objective = search.objectives[0]
        super().__init__(
            time_attr="epoch",
            metric=objective,
            mode=direction(objective),
            max_t=epochs,
            grace_period=search.asha.grace_epochs,
            reduction_factor=search.asha.reduction,
            stop_last_trials=False,
        )
        self._unfinished = past.unfinished
        self._decided: dict[tuple[str, int], str] = {}
        for number, record in past.ended.items():
            trial = SimpleNamespace(trial_id=f"ended {number}")
            super().on_trial_add(None, trial)
            for point in record.curve:
                super().on_trial_result(None, trial, point)
            super().on_trial_remove(None, trial)
        self._num_stopped = 0

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        super().on_trial_add(tune_controller, trial)
        before = self._unfinished.get(trial.config["trial"])
        for point in before.curve if before is not None else ():
            super().on_trial_result(tune_controller, trial, point)

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """An epoch that is told again, because the trial's process died after it, is judged as it was."""
        told = (trial.trial_id, result["epoch"])
        if told not in self._decided:
            self._decided[told] = super().on_trial_result(tune_controller, trial, result)
        return self._decided[told]

    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:
        """A trial that failed has no score of its own in that row; no number would spoil a rung for all."""
        if FAILURE in result:
            self.on_trial_remove(tune_controller, trial)
        else:
            super().on_trial_complete(tune_controller, trial, result)


def halving(search: SearchConfig, epochs: int, past: Past) -> Halving | None:
    """None where every trial is trained to its end."""
    return Halving(search, epochs, past) if rungs_of(search, epochs) else None

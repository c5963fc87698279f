"""Optuna under Ray Tune, telling the study the truth about every trial.

`OptunaSearch` as it comes tells a trial that ASHA stopped as complete, and leaves one whose score is no number
running for ever. Here a stopped trial is pruned, a failed or undefined one failed.
"""

import math
import warnings
from collections.abc import Sequence
from typing import Any

import optuna
from ray.tune.search.optuna import OptunaSearch

from platform.config.search import SearchConfig, direction
from platform.tuning.space import SettingsSpace

STUDY = "search"  # the study's name in its storage
HIGHEST_PSNR = 100.0  # dB; 8-bit frames that differ in one pixel of a million have 108


class TrialSearcher(OptunaSearch):
    """Suggests `{"trial": number, "settings": TrialSettings as plain values}`."""

    def __init__(
        self,
        space: SettingsSpace,
        search: SearchConfig,
        storage: optuna.storages.BaseStorage,
        ranking: Sequence[str] = (),
    ) -> None:
        self._draw = space
        names = list(search.objectives)
        several = len(names) > 1
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # multivariate, group
            sampler = optuna.samplers.TPESampler(
                n_startup_trials=search.startup_trials,
                multivariate=True,
                group=True,
                constant_liar=True,
                seed=search.seed,
            )
        super().__init__(
            space=space.draw,
            metric=names if several else names[0],
            mode=[direction(name) for name in names] if several else direction(names[0]),
            sampler=sampler,
            storage=storage,
            study_name=STUDY,
        )
        for parameters in space.first_trials(ranking)[: search.trials]:
            self._ot_study.enqueue_trial(parameters)

    def suggest(self, trial_id: str) -> dict[str, Any]:
        trial = self._ot_trials.setdefault(trial_id, None) or self._ot_study.ask()
        self._ot_trials[trial_id] = trial
        settings = self._draw.draw(trial)
        return {"trial": trial.number, "settings": settings.model_dump(mode="json")}

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        if not isinstance(self.metric, list):
            value = _told(self.metric, result.get(self.metric))
            if _are_numbers([value]):
                self._ot_trials[trial_id].report(value, result["epoch"])

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        trial, result = self._ot_trials[trial_id], result or {}
        if trial_id in self._completed_trials:
            return
        self._completed_trials.add(trial_id)
        metrics: Sequence[str] = self.metric if isinstance(self.metric, list) else [self.metric]
        values = [_told(name, result.get(name)) for name in metrics]
        if error or not _are_numbers(values):
            self._ot_study.tell(trial, state=optuna.trial.TrialState.FAIL)
        elif not result.get("last_epoch"):
            self._ot_study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        else:
            self._ot_study.tell(trial, values)


def end_running_trials(storage: optuna.storages.BaseStorage) -> None:
    """Tell the trials of an interrupted search, which nobody will end any more, as failed."""
    study = optuna.load_study(study_name=STUDY, storage=storage)
    for trial in study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,)):
        study.tell(trial.number, state=optuna.trial.TrialState.FAIL)


def _told(name: str, value: Any) -> Any:
    """Identical frames have an infinite psnr, which is good and no fault; a sampler needs a number."""
    return min(value, HIGHEST_PSNR) if name == "psnr" and isinstance(value, (int, float)) else value


def _are_numbers(values: Sequence[Any]) -> bool:
    return all(isinstance(value, (int, float)) and math.isfinite(value) for value in values)

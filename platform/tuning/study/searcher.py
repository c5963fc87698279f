"""Optuna under Ray Tune, telling the study the truth about every trial.

`OptunaSearch` as it comes tells a trial that ASHA stopped as complete, and leaves one whose score is no number
running for ever. Here a stopped trial is pruned, a failed or undefined one failed.
"""

import contextlib
import signal
import warnings
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import optuna
from ray.tune.search import Searcher
from ray.tune.search.optuna import OptunaSearch

from platform.config.search import SearchConfig, direction
from platform.tuning.study.one_driver import drawing
from platform.tuning.study.patience import NoAnswer, WaitEnded
from platform.tuning.study.sampler import SeededPerTrial
from platform.tuning.study.space import SettingsSpace
from platform.tuning.study.storage import STUDY
from platform.tuning.study.warm_start import WARM, WarmStart, are_numbers, told_value
from platform.tuning.trials.resuming import Past
from platform.tuning.trials.trial import FAILURE
from platform.tuning.trials.usage import WindDown

FILLED = "filled"  # the attribute of a study which has been given all that it begins with


class TrialSearcher(OptunaSearch):
    """Suggests `{"trial": number, "settings": TrialSettings as plain values}`."""

    def __init__(
        self,
        space: SettingsSpace,
        search: SearchConfig,
        storage: optuna.storages.BaseStorage,
        ranking: Sequence[str] = (),
        past: Past | None = None,
        warm_start: WarmStart | None = None,
        wind_down: WindDown | None = None,
        study_name: str = STUDY,
    ) -> None:
        """`past`: what an earlier driver of this study left; its unfinished trials are suggested first.
        `warm_start`: what another run found out, told to a new study. After `wind_down` nothing is suggested.
        """
        self.no_answer: NoAnswer | None = None  # of the study's database, which ended the search
        self._draw = space
        past = past or Past()
        names = list(search.objectives)
        several = len(names) > 1
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # multivariate, group
            sampler = SeededPerTrial(
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
            study_name=study_name,
        )
        if FILLED not in self._ot_study.user_attrs:
            tried = () if warm_start is None else warm_start.tried_first
            told = () if warm_start is None else warm_start.told
            self._fill(told, [*tried, *space.first_trials(ranking)][: search.trials])
        self._wind_down = wind_down
        self._past = past
        self._again = deque(self._settle())

    def _fill(self, told: Sequence[optuna.trial.FrozenTrial], first: Sequence[dict[str, Any]]) -> None:
        """What a study begins with; a driver that was killed at it goes on where it was."""
        there = self._ot_study.get_trials(deepcopy=False)
        num_told = sum(WARM in trial.user_attrs for trial in there)
        self._ot_study.add_trials(told[num_told:])
        for parameters in first[len(there) - num_told :]:
            self._ot_study.enqueue_trial(parameters)
        self._ot_study.set_user_attr(FILLED, True)

    def suggest(self, trial_id: str) -> Any:
        if self._wind_down is not None and self._wind_down.has_begun:
            return Searcher.FINISHED
        suggested = None
        with self._ending_without_its_study():
            suggested = self._suggest(trial_id)
        return suggested

    def _suggest(self, trial_id: str) -> Any:
        trial = self._ot_trials.get(trial_id)
        if trial is None:
            trial = self._again.popleft() if self._again else self._ot_study.ask()
            self._ot_trials[trial_id] = trial
        unfinished = self._past.unfinished.get(trial.number)
        if unfinished is None:
            with drawing(self._ot_study._storage, trial):
                settings = self._draw.draw(trial)
            return {"trial": trial.number, "settings": settings.model_dump(mode="json")}
        checkpoint = self._past.checkpoints.get(trial.number)
        return {
            "trial": trial.number,
            "settings": unfinished.settings,
            "seed": unfinished.seed,
            "checkpoint": None if checkpoint is None else checkpoint.path,
        }

    @contextlib.contextmanager
    def _ending_without_its_study(self) -> Iterator[None]:
        """What is not told to a study that is gone is told when the search goes on."""
        try:
            yield
        except WaitEnded:
            pass
        except NoAnswer as error:
            if self.no_answer is None:
                self.no_answer = error
                signal.raise_signal(signal.SIGINT)  # Tune ends in good order only as on Ctrl-C

    def _settle(self) -> Iterator[optuna.trial.BaseTrial]:
        """Make the study agree with the run folder; yields the trials to be run again, or on, in their order.

        A kill comes between any two writes: the study may not know yet how a trial ended, may know it of one whose
        record was not written, or may have drawn one that never started.
        """
        for frozen in self._ot_study.get_trials(deepcopy=False):
            record = self._past.ended.get(frozen.number)
            is_settled = frozen.state.is_finished() and (record is not None or WARM in frozen.user_attrs)
            if is_settled or frozen.state == optuna.trial.TrialState.WAITING:
                continue
            if record is not None:
                self._tell(
                    frozen.number, record.metrics, failed=record.state == "failed", whole=record.state == "finished"
                )
            elif frozen.state.is_finished():
                yield Told(frozen.params, frozen.number)
            else:
                yield optuna.trial.Trial(self._ot_study, frozen._trial_id)

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        if not isinstance(self.metric, list):
            value = told_value(self.metric, result.get(self.metric))
            if FAILURE not in result and are_numbers([value]):
                with self._ending_without_its_study(), warnings.catch_warnings():
                    warnings.simplefilter("ignore", UserWarning)  # an epoch may be told again by a new process
                    self._ot_trials[trial_id].report(value, result["epoch"])

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        result = result or {}
        if trial_id in self._completed_trials:
            return
        self._completed_trials.add(trial_id)
        failed, whole = error or FAILURE in result, bool(result.get("last_epoch"))
        with self._ending_without_its_study():
            self._tell(self._ot_trials[trial_id].number, result, failed=failed, whole=whole)

    def _tell(self, number: int, scores: Mapping[str, Any], *, failed: bool, whole: bool) -> None:
        metrics: Sequence[str] = self.metric if isinstance(self.metric, list) else [self.metric]
        values = [told_value(name, scores.get(name)) for name in metrics]
        if failed or not are_numbers(values):
            self._ot_study.tell(number, state=optuna.trial.TrialState.FAIL, skip_if_finished=True)
        elif not whole:
            self._ot_study.tell(number, state=optuna.trial.TrialState.PRUNED, skip_if_finished=True)
        else:
            self._ot_study.tell(number, values, skip_if_finished=True)


class Told(optuna.trial.FixedTrial):
    """A trial whose end the study knows, run once more because its record was lost."""

    def report(self, value: float, step: int) -> None:
        """The study has it."""

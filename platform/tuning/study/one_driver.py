"""A study's storage whose one driver knows it by heart: every change is written to the database, nothing is read twice.

Optuna's own cache asks the database at each look for what others might have changed, several times a trial. Nobody else
writes to a study of ours.
"""

import contextlib
import copy
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, cast

from optuna.distributions import BaseDistribution
from optuna.storages import BaseStorage, RDBStorage
from optuna.storages._cached_storage import _CachedStorage
from optuna.trial import BaseTrial, FrozenTrial, Trial, TrialState


@dataclass
class Drawn:
    """Of one trial, not written yet. A parameter has its value as the database has it, its distribution, and that of
    trials before, None where there is none."""

    params: dict[str, tuple[float, BaseDistribution, BaseDistribution | None]] = field(default_factory=dict)
    system_attrs: dict[str, Any] = field(default_factory=dict)


class WritesTogether(Protocol):
    """What a backend can do besides what an RDBStorage can."""

    def set_drawn(self, trial_id: int, drawn: Drawn) -> None:
        """All of it, or nothing."""


class OneDriverStorage(_CachedStorage):
    """Trials are replaced and never changed, so that lists of them can be handed out without copying."""

    def __init__(self, backend: WritesTogether) -> None:
        super().__init__(cast(RDBStorage, backend))
        self._write = backend
        self._drawn: dict[int, Drawn] = {}  # by trial
        self._unfinished: dict[int, dict[int, None]] = {}  # by study that was read: numbers

    @contextlib.contextmanager
    def at_once(self, trial_id: int) -> Iterator[None]:
        """What is drawn of a trial meanwhile is written in the end, in one go."""
        self._drawn[trial_id] = Drawn()
        try:
            yield
        finally:
            drawn = self._drawn.pop(trial_id)
        if drawn.params or drawn.system_attrs:
            self._write.set_drawn(trial_id, drawn)

    # reading

    def get_trial(self, trial_id: int) -> FrozenTrial:
        if trial_id not in self._trial_id_to_study_id_and_number:
            return super().get_trial(trial_id)
        trial = self._trial(trial_id)
        return trial if trial.state.is_finished() else _to_write_into(trial)

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        """By their numbers."""
        self._read_trials_from_remote_storage(study_id)
        trials = self._studies[study_id].trials
        if states is None:
            found = list(trials.values())
        elif not any(state.is_finished() and state in states for state in TrialState):
            found = [trials[number] for number in self._unfinished[study_id] if trials[number].state in states]
        else:
            found = [trial for trial in trials.values() if trial.state in states]
        return copy.deepcopy(found) if deepcopy else found

    def _read_trials_from_remote_storage(self, study_id: int) -> None:
        """Once."""
        if study_id in self._unfinished:
            return
        super()._read_trials_from_remote_storage(study_id)
        study = self._studies[study_id]
        study.trials = dict(sorted(study.trials.items()))
        self._unfinished[study_id] = {n: None for n, trial in study.trials.items() if not trial.state.is_finished()}

    def _trial(self, trial_id: int) -> FrozenTrial:
        study_id, number = self._trial_id_to_study_id_and_number[trial_id]
        return self._studies[study_id].trials[number]

    # writing: first there, then here

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        self._read_trials_from_remote_storage(study_id)
        trial_id = super().create_new_trial(study_id, template_trial)
        self._note(self._trial(trial_id))
        return trial_id

    def set_trial_param(
        self, trial_id: int, param_name: str, param_value_internal: float, distribution: BaseDistribution
    ) -> None:
        if (drawn := self._drawn.get(trial_id)) is not None:
            known = self._studies[self._trial_id_to_study_id_and_number[trial_id][0]].param_distribution
            drawn.params[param_name] = (param_value_internal, distribution, known.get(param_name))
            known.setdefault(param_name, distribution)
        else:
            super().set_trial_param(trial_id, param_name, param_value_internal, distribution)
        value = distribution.to_external_repr(param_value_internal)
        before = self._trial(trial_id)
        self._replace(
            trial_id,
            params={**before.params, param_name: value},
            distributions={**before.distributions, param_name: distribution},
        )

    def set_trial_state_values(self, trial_id: int, state: TrialState, values: Sequence[float] | None = None) -> bool:
        if not super().set_trial_state_values(trial_id, state, values):
            return False
        when = {"datetime_complete" if state.is_finished() else "datetime_start": datetime.now()}
        self._replace(trial_id, state=state, **when, **({} if values is None else {"values": list(values)}))
        return True

    def set_trial_intermediate_value(self, trial_id: int, step: int, intermediate_value: float) -> None:
        super().set_trial_intermediate_value(trial_id, step, intermediate_value)
        values = {**self._trial(trial_id).intermediate_values, step: intermediate_value}
        self._replace(trial_id, intermediate_values=values)

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        super().set_trial_user_attr(trial_id, key, value)
        self._replace(trial_id, user_attrs={**self._trial(trial_id).user_attrs, key: value})

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        if (drawn := self._drawn.get(trial_id)) is not None:
            drawn.system_attrs[key] = value
        else:
            super().set_trial_system_attr(trial_id, key, value)
        self._replace(trial_id, system_attrs={**self._trial(trial_id).system_attrs, key: value})

    def _replace(self, trial_id: int, **changes: Any) -> None:
        trial = copy.copy(self._trial(trial_id))
        for name, value in changes.items():
            setattr(trial, name, value)
        self._note(trial)

    def _note(self, trial: FrozenTrial) -> None:
        study_id, number = self._trial_id_to_study_id_and_number[trial._trial_id]
        self._studies[study_id].trials[number] = trial
        if trial.state.is_finished():
            self._unfinished[study_id].pop(number, None)
        else:
            self._unfinished[study_id][number] = None


def _to_write_into(trial: FrozenTrial) -> FrozenTrial:
    """A copy: whoever draws a trial notes it there too."""
    copied = copy.copy(trial)
    for name in ("params", "distributions", "intermediate_values", "user_attrs", "system_attrs"):
        setattr(copied, name, dict(getattr(trial, name)))
    return copied


def drawing(storage: BaseStorage, trial: BaseTrial) -> contextlib.AbstractContextManager[None]:
    """`at_once`, where the storage can and the trial is one of a study."""
    if isinstance(storage, OneDriverStorage) and isinstance(trial, Trial):
        return storage.at_once(trial._trial_id)
    return contextlib.nullcontext()

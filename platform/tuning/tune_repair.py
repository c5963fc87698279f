"""A repair of Tune: a trial whose worker dies while it is made ready for it (`reset`) goes on like any other.

Where a process is reused, Tune (Ray 2.55 to 2.60) hears of such a death twice: the process has failed, and so has the
call that it was in. With the first word the trial is put back in the queue. The second finds it waiting there, which is
not running, and ends it in error, whatever `max_failures` allows.
"""

import contextlib
import importlib
from collections.abc import Iterator
from typing import Any
from unittest import mock

from ray.tune.execution.tune_controller import TuneController
from ray.tune.experiment import Trial


class _Repaired(TuneController):
    def _trial_task_failure(self, trial: Trial, exception: Exception) -> Any:
        if trial in self._resetting_trials:
            self._resetting_trials.remove(trial)  # or it would be waited for, for ever
            if trial.status == Trial.PENDING:  # as `_actor_failed` does, where it is that which tells
                self._set_trial_status(trial, Trial.RUNNING)
                self._unstage_trial_with_resources(trial)
        elif trial.status == Trial.PENDING:
            return None
        return super()._trial_task_failure(trial, exception)


@contextlib.contextmanager
def repaired_tune() -> Iterator[None]:
    """A Tuner that is fitted meanwhile has the repair."""
    with mock.patch.object(importlib.import_module("ray.tune.tune"), "TuneController", _Repaired):
        yield

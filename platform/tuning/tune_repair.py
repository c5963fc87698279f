"""A repair of Tune: a trial whose worker dies while it is made ready for it (`reset`) goes on like any other.

Where a process is reused, Tune (Ray 2.55 to 2.60) hears of such a death twice: the process has failed, and so has the
call that it was in. With the first word the trial is put back in the queue. The second finds it waiting there, which is
not running, and ends it in error, whatever `max_failures` allows.

A second one: Tune listens for Ctrl-C and goes on listening when it has ended, so that the next would not be heard.

And what Tune has no hook for: what a trial asks of Ray is decided when it begins to wait, and when it waits anew.
"""

import contextlib
import importlib
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

from ray.tune.execution.tune_controller import TuneController
from ray.tune.experiment import Trial


class _Repaired(TuneController):
    place: Callable[[Trial], None] | None = None

    def add_trial(self, trial: Trial) -> None:
        super().add_trial(trial)
        self._place(trial)

    def _set_trial_status(self, trial: Trial, status: str) -> None:
        super()._set_trial_status(trial, status)
        self._place(trial)

    def _place(self, trial: Trial) -> None:
        """One that is staged has asked already."""
        if self.place is not None and trial.status == Trial.PENDING and trial not in self._staged_trials:
            self.place(trial)

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
def repaired_tune(place: Callable[[Trial], None] | None = None) -> Iterator[None]:
    """A Tuner that is fitted meanwhile has the repair. `place` is called with each trial that begins to wait."""
    controller = type("Repaired", (_Repaired,), {"place": staticmethod(place) if place is not None else None})
    with _hearing_ctrl_c(), mock.patch.object(importlib.import_module("ray.tune.tune"), "TuneController", controller):
        yield


@contextlib.contextmanager
def _hearing_ctrl_c() -> Iterator[None]:
    """Afterwards as before. Another thread than the main one hears of no signal, nor may it say who does."""
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        if before is not None and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, before)

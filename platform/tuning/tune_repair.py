"""Repairs of Tune: a trial whose worker dies while it is made ready for it (`reset`) goes on like any other.

Where a process is reused, Tune (Ray 2.55 to 2.60) hears of such a death twice: the process has failed, and so has the
call that it was in. With the first word the trial is put back in the queue. The second finds it waiting there, which is
not running, and ends it in error, whatever `max_failures` allows.

A second one: Tune listens for Ctrl-C and goes on listening when it has ended, so that the next would not be heard.
A third: it looks through all trials, also those that have ended, for the next one to run.
A fourth: it writes down all trials again and again, for a restoring of its own; runs are gone on with from our records.
A fifth: it looks whether storage is there, once at the beginning, and does not wait for storage that is away.
A sixth: in the end it reads what all trials left there, for a table of results that nobody asks for.

And what Tune has no hook for: what a trial asks of Ray is decided when it begins to wait, and again while it waits;
whether a trial that failed is worth another try; and as many trials may begin at once as its searcher allows by now.
"""

import contextlib
import functools
import importlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Protocol
from unittest import mock

from ray.train._internal.storage import StorageContext
from ray.tune import ExperimentAnalysis, PlacementGroupFactory
from ray.tune.execution.tune_controller import TuneController
from ray.tune.experiment import Trial

from platform.tuning.trials.checkpoints import SavedTrials
from platform.tuning.trials.living import Living

RECONSIDER_S = 1.0  # what those ask for that wait


class Placing(Protocol):
    """Decides what trials ask of Ray, and which are tried again."""

    def place(self, trial: Trial, *, waits: bool) -> PlacementGroupFactory:
        """What it asks for. One that `waits` has asked, and no node had room for it."""

    def told(self, trial: Trial, error: Exception) -> Exception:
        """What Tune is told of a failure, before it decides."""


class _Repaired(TuneController):
    placing: Placing | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._living = Living()
        self._is_written_down = False
        self._reconsidered = 0.0
        self._without_room: set[Trial] = set()  # when they were last reconsidered
        super().__init__(*args, **kwargs)

    def _wrapped(self) -> Any:
        """What a scheduler sees."""
        wrapped = super()._wrapped()
        wrapped.get_trials = lambda: self._living.of(self._trials)
        return wrapped

    def checkpoint(self, force: bool = False, wait: bool = False) -> None:
        if force or not self._is_written_down:
            self._is_written_down = True
            super().checkpoint(force=force, wait=wait)

    def _get_trial_checkpoints(self) -> dict[str, str]:
        self._trials_to_cache.clear()
        return {}

    def add_trial(self, trial: Trial) -> None:
        super().add_trial(trial)
        self._place(trial)

    def _set_trial_status(self, trial: Trial, status: str) -> None:
        waited = trial.status == Trial.PENDING
        super()._set_trial_status(trial, status)
        if not waited:
            self._place(trial)

    def _place(self, trial: Trial) -> None:
        """One that is staged has asked already."""
        if self.placing is not None and trial.status == Trial.PENDING and trial not in self._staged_trials:
            self._ask(trial, self.placing.place(trial, waits=False))

    def _ask(self, trial: Trial, what: PlacementGroupFactory) -> None:
        """Tune looks for waiting trials by what they ask for."""
        self._resources_to_pending_trials[trial.placement_group_factory].discard(trial)
        trial.update_resources(what)
        self._resources_to_pending_trials[what].add(trial)

    def _maybe_add_actors(self) -> None:
        if self.placing is not None and time.monotonic() - self._reconsidered > RECONSIDER_S:
            self._reconsidered = time.monotonic()
            self.update_max_pending_trials()
            self._reconsider(self.placing)
        super()._maybe_add_actors()

    def _reconsider(self, placing: Placing) -> None:
        """Trials that are staged and should ask for something else by now take back what they asked for."""
        before = self._without_room
        self._without_room = {each for each in self._staged_trials if self._has_no_room(each)}
        for trial in before & self._without_room:
            if (what := placing.place(trial, waits=True)) != trial.placement_group_factory:
                self._unstage(trial)
                self._ask(trial, what)
                self._pending_trials_list.insert(0, trial)

    def _has_no_room(self, trial: Trial) -> bool:
        """Not so where its process begins, or is made ready for it."""
        if trial in self._resetting_trials:
            return False
        actor = self._trial_to_actor.get(trial)
        return actor is None or actor in self._actor_manager.pending_actors

    def _unstage(self, trial: Trial) -> None:
        if (actor := self._trial_to_actor.pop(trial, None)) is not None:
            self._actor_to_trial.pop(actor)
            self._remove_actor(tracked_actor=actor)
        self._unstage_trial_with_resources(trial)

    def _trial_task_failure(self, trial: Trial, exception: Exception) -> Any:
        if trial in self._resetting_trials:
            self._resetting_trials.remove(trial)  # or it would be waited for, for ever
            if trial.status == Trial.PENDING:  # as `_actor_failed` does, where it is that which tells
                self._set_trial_status(trial, Trial.RUNNING)
                self._unstage_trial_with_resources(trial)
        elif trial.status == Trial.PENDING:
            return None
        if self.placing is not None:
            exception = self.placing.told(trial, exception)
        return super()._trial_task_failure(trial, exception)


class _NothingRead(ExperimentAnalysis):
    """What `Tuner.fit` returns has no results."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.trials: list[Trial] = []


@contextlib.contextmanager
def repaired_tune(placing: Placing | None = None, saved: SavedTrials | None = None) -> Iterator[None]:
    """A Tuner that is fitted meanwhile has the repairs, asks `placing` about its trials, and waits for the storage on
    which those are `saved`.

    Raises UserError where that is away for long when they begin.
    """
    module = importlib.import_module("ray.tune.tune")
    with contextlib.ExitStack() as repairs:
        repairs.enter_context(_hearing_ctrl_c())
        controller = type("Repaired", (_Repaired,), {"placing": placing})
        repairs.enter_context(mock.patch.object(module, "TuneController", controller))
        repairs.enter_context(mock.patch.object(module, "ExperimentAnalysis", _NothingRead))
        if saved is not None:
            repairs.enter_context(mock.patch.object(StorageContext, "__init__", _waiting_for(saved)))
        yield


def _waiting_for(saved: SavedTrials) -> Callable[..., None]:
    """Makes a StorageContext, which looks whether its storage is there."""
    make = StorageContext.__init__

    def made(*args: Any, **kwargs: Any) -> None:
        with saved.told():
            saved.waited(functools.partial(make, *args, **kwargs))

    return made


@contextlib.contextmanager
def _hearing_ctrl_c() -> Iterator[None]:
    """Afterwards as before. Another thread than the main one hears of no signal, nor may it say who does."""
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        if before is not None and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, before)

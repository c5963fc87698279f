"""What nobody tells the driver: a trial that hangs."""

import os
import signal
import time
from typing import Any, Literal

import ray
from ray import tune
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from platform.results.incidents import Journal
from platform.tuning.keeping.recorder import Recorder
from platform.tuning.trials.living import Living

LEAST_LIMIT_S = 600.0
TIMES_LONGEST = 10
UNKNOWN_LIMIT_S = 6 * 3600.0  # while no epoch has been seen
KILL_S = 20.0
HELD_UP_S = 5.0  # Tune calls ten times a second


class Watch(tune.Callback):
    """Kills the process of a trial whose epoch takes too long."""

    def __init__(self, epoch_minutes: float | Literal["auto"] | None, recorder: Recorder, journal: Journal) -> None:
        self._epoch_minutes = epoch_minutes
        self._recorder = recorder
        self._journal = journal
        self._heard: dict[int, float] = {}  # of each running trial: when
        self._living = Living()
        self._longest_s: float | None = None
        self._called = time.monotonic()
        self._held_up_s = 0.0

    @property
    def limit_s(self) -> float | None:
        """None where the configuration sets none."""
        if self._epoch_minutes == "auto":
            if self._longest_s is None:
                return UNKNOWN_LIMIT_S
            return max(LEAST_LIMIT_S, TIMES_LONGEST * self._longest_s)
        return None if self._epoch_minutes is None else 60 * self._epoch_minutes

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._heard[trial.config["trial"]] = self._now()

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        now, number = self._now(), trial.config["trial"]
        self._longest_s = max(self._longest_s or 0.0, now - self._heard.get(number, now))
        self._heard[number] = now

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        now, limit_s = self._now(), self.limit_s
        for trial in self._living.of(trials):
            number = trial.config["trial"]
            if trial.status != "RUNNING" or limit_s is None or now - self._heard.get(number, now) <= limit_s:
                continue
            self._heard[number] = now
            self._recorder.hung(number)
            what = f"trial {number} has not ended an epoch in {limit_s / 60:.3g} min; its process is killed"
            self._journal.note("hung", what, number)
            if (actor := trial.temporary_state.ray_actor) is not None:
                kill_process(actor)

    def _now(self) -> float:
        """Stands still while the driver itself waits, as for the study's database: no trial can be heard then."""
        called = time.monotonic()
        if called - self._called > HELD_UP_S:
            self._held_up_s += called - self._called
        self._called = called
        return called - self._held_up_s


def kill_process(actor: Any) -> None:
    """SIGKILL, on its node: a process that is stopped does not answer Ray, which asks it to end itself."""
    state = ray._private.state.actors(actor._actor_id.hex())
    node, pid = state.get("Address", {}).get("NodeID"), int(state.get("Pid", 0))
    if not node or pid <= 1:  # it has none yet, or no more
        ray.kill(actor)
        return
    task = ray.remote(_kill).options(
        num_cpus=0, max_retries=0, scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)
    )
    try:
        ray.get(task.remote(pid), timeout=KILL_S)
    except RayError:  # the node is gone, and the process with it
        ray.kill(actor)


def _kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)

"""A target as a Ray Tune trial: one step is one epoch. Workers are reused from trial to trial."""

import contextlib
import math
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import ray
import torch
from ray import tune
from ray.tune import Checkpoint
from ray.tune.result import SHOULD_CHECKPOINT

from platform.config.trial import TrialSettings
from platform.memory.client import ServedMemory
from platform.memory.server import Serving
from platform.results.run_folder import RunFolder
from platform.training.footprint import CONTEXT_BYTES
from platform.training.run import TrainingDiverged
from platform.tuning.trials.checkpoints import SavedTrials, newest_of, opened
from platform.tuning.trials.memory_limit import GpuIsFull, MemoryLimit, TrialOutOfMemory
from platform.tuning.trials.preemption import NodeIsTakenAway, is_taken_away
from platform.tuning.trials.target import Target, TargetPlan
from platform.tuning.trials.worker import Worker


@dataclass(frozen=True)
class TrialPlan:
    """What every trial of a run is given besides its own settings."""

    target: TargetPlan
    serving: Serving
    threads: int
    folder: RunFolder


def trial_id(number: int) -> str:
    """The name of a trial's folder, by its number in the study."""
    return f"{number:05d}"


def trial_folder(trial: Any) -> str:
    """The same for a Ray trial; importable, because Tune pickles it."""
    return trial_id(trial.config["trial"])


FAILURE = "failure"  # in a trial's last row: why it failed
# Likewise, of a trial that is given a GPU by what it needs.
TAKEN, FORETOLD = "gpu.taken_bytes", "gpu.foretold_bytes"
OWN_FAILURES = (TrainingDiverged, TrialOutOfMemory)
LOOK_AT_NODE_S = 3.0  # likewise, whether the node is about to be taken away


class TargetTrial(tune.Trainable):
    """Config: `trial` (its number) and `settings`, as the searcher suggests them; `seed` where that is prescribed;
    `checkpoint`, the path of that to go on from, where another driver began the trial.

    A trial that fails by its own doing would fail again: it tells so in its last row, under `FAILURE`. What is raised
    is the doing of others (a process that died, a node without servers or data, a broken GPU), and Tune tries the trial
    again in a new process.
    """

    _target: Target

    def setup(self, config: dict[str, Any], plan: TrialPlan, limit: MemoryLimit) -> None:
        self._plan = plan
        self._limit = limit.of_this_worker()
        self._worker = Worker(plan.threads)
        self._begin(config)

    @property
    def _saved(self) -> SavedTrials:
        return SavedTrials(self._plan.folder)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._begin(new_config)
        return True

    def _begin(self, config: dict[str, Any]) -> None:
        """Everything of a trial is built anew here; nothing of the worker's last trial is kept."""
        began = time.perf_counter()
        with contextlib.suppress(AttributeError):  # a worker's first trial
            del self._target
        self._number = config["trial"]
        self._row: dict[str, Any] = {}  # of the last epoch
        self._failure: BaseException | None = None
        self._foretold_bytes: int | None = None
        self._looked = self._looked_at_node = time.monotonic()
        self._has_paused = False
        seed = config.get("seed", trial_seed(self._plan.target.config.search.seed, config["trial"]))
        self._worker.reset(seed)
        self._limit.hold()
        self._settings = TrialSettings.model_validate(config["settings"])
        try:
            with self._limit.told(self._plan.target.config, self._settings):
                self._target = Target(
                    self._plan.target,
                    self._settings,
                    seed=seed,
                    memory=ServedMemory(self._plan.serving),
                    device="cuda" if ray.get_gpu_ids() and torch.cuda.is_available() else "cpu",
                )
                earlier = config.get("checkpoint")
                self._go_on_from(self._saved.at(earlier) if earlier else None)
        except (*OWN_FAILURES, GpuIsFull) as error:
            self._failure = error  # raised by the first step, whose row tells it
        self._setup_s = time.perf_counter() - began

    def step(self) -> dict[str, Any]:
        try:
            with self._limit.told(self._plan.target.config, self._settings):
                if self._failure is not None:
                    raise self._failure
                row = self._target.epoch(self._look_around)
        except OWN_FAILURES as error:
            return self._failed(error)
        self._row = {**row, "setup_s": self._setup_s, **self._gpu_memory()}
        return {**self._row, "done": row["last_epoch"], SHOULD_CHECKPOINT: True}

    def _gpu_memory(self) -> dict[str, int]:
        """What the trial took of its GPU at the most, and what is foretold of such a trial, in bytes; nothing where
        shares do not follow from it."""
        if not self._limit.may_grow or self._target.device != "cuda":
            return {}
        if self._foretold_bytes is None:
            self._foretold_bytes = self._target.foretold_bytes()
        return {TAKEN: CONTEXT_BYTES + torch.cuda.max_memory_reserved(), FORETOLD: self._foretold_bytes}

    def _failed(self, error: BaseException) -> dict[str, Any]:
        """The row before it once more, with the reason; Tune wants every objective in a row."""
        nothing = dict.fromkeys(self._plan.target.config.search.objectives, math.nan)
        self._failure = None
        return {**nothing, **self._row, FAILURE: str(error), "done": True}

    def _look_around(self, steps_done: int) -> None:
        """Save between two steps, once, when the search is about to end, which may be before this epoch does.

        Raises NodeIsTakenAway where the node is about to be, with the trial saved to go on elsewhere.
        """
        now = time.monotonic()
        if not self._has_paused and now - self._looked > self._saved.look_s:
            self._looked = now
            if self._saved.winds_down():
                self._has_paused = True
                self._saved.pause(self._target.run, trial_id(self._number))
        if now - self._looked_at_node > LOOK_AT_NODE_S:
            self._looked_at_node = now
            if is_taken_away(ray.get_runtime_context().get_node_id()):
                self._saved.pause(self._target.run, trial_id(self._number))
                raise NodeIsTakenAway

    def save(self, checkpoint_dir: str | None = None) -> Any:
        """As Tune does. Storage that is away is waited for."""
        return self._saved.waited(partial(super().save, checkpoint_dir))

    def restore(self, checkpoint_path: Any) -> Any:
        """See `save`."""
        return self._saved.waited(partial(super().restore, checkpoint_path))

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        self._target.save(Path(checkpoint_dir))

    def load_checkpoint(self, checkpoint_dir: str) -> None:
        self._go_on_from(Checkpoint.from_directory(checkpoint_dir))

    def _go_on_from(self, checkpoint: Checkpoint | None) -> None:
        """From there, or where the trial saved itself later, on a node that was taken away."""
        paused = self._saved.waited(partial(self._saved.paused, trial_id(self._number)))
        newest = newest_of([*paused, *([checkpoint] if checkpoint else [])])
        chosen = checkpoint if newest is None else newest[0]
        if chosen is not None:
            with opened(chosen) as folder:
                self._target.load(folder)  # says what is wrong with it, where it is not whole


def trial_seed(search_seed: int, trial: int) -> int:
    """The seed of a trial's weights and sampling masks."""
    return (search_seed + 1) * 100_000 + trial  # never a small number, which sources are pretrained with

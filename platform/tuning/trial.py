"""A target as a Ray Tune trial: one step is one epoch. Workers are reused from trial to trial."""

import contextlib
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
import torch
from ray import tune

from platform.config.trial import TrialSettings
from platform.memory.client import ServedMemory
from platform.memory.server import Serving
from platform.tuning.memory_limit import MemoryLimit
from platform.tuning.target import Target, TargetPlan
from platform.tuning.worker import Worker


@dataclass(frozen=True)
class TrialPlan:
    """What every trial of a run is given besides its own settings."""

    target: TargetPlan
    serving: Serving
    threads: int


def trial_id(number: int) -> str:
    """The name of a trial's folder, by its number in the study."""
    return f"{number:05d}"


def trial_folder(trial: Any) -> str:
    """The same for a Ray trial; importable, because Tune pickles it."""
    return trial_id(trial.config["trial"])


class TargetTrial(tune.Trainable):
    """Config: `trial` (its number) and `settings`, as the searcher suggests them; `seed` where that is prescribed."""

    _target: Target

    def setup(self, config: dict[str, Any], plan: TrialPlan, limit: MemoryLimit) -> None:
        self._plan = plan
        self._limit = limit
        self._worker = Worker(plan.threads)
        self._begin(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._begin(new_config)
        return True

    def _begin(self, config: dict[str, Any]) -> None:
        """Everything of a trial is built anew here; nothing of the worker's last trial is kept."""
        began = time.perf_counter()
        with contextlib.suppress(AttributeError):  # a worker's first trial
            del self._target
        seed = config.get("seed", trial_seed(self._plan.target.config.search.seed, config["trial"]))
        self._worker.reset(seed)
        self._limit.hold()
        self._settings = TrialSettings.model_validate(config["settings"])
        with self._limit.told(self._plan.target.config, self._settings):
            self._target = Target(
                self._plan.target,
                self._settings,
                seed=seed,
                memory=ServedMemory(self._plan.serving),
                device="cuda" if ray.get_gpu_ids() and torch.cuda.is_available() else "cpu",
            )
        self._setup_s = time.perf_counter() - began

    def step(self) -> dict[str, Any]:
        with self._limit.told(self._plan.target.config, self._settings):
            row = self._target.epoch()
        return {**row, "setup_s": self._setup_s, "done": row["last_epoch"]}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        with self._limit.told(self._plan.target.config, self._settings):
            self._target.save(Path(checkpoint_dir))

    def load_checkpoint(self, checkpoint_dir: str) -> None:
        self._target.load(Path(checkpoint_dir))


def trial_seed(search_seed: int, trial: int) -> int:
    """The seed of a trial's weights and sampling masks."""
    return (search_seed + 1) * 100_000 + trial  # never a small number, which sources are pretrained with

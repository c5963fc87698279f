"""What the driver of a search can do at most: a real search of trials that do nothing, and what each of them costs.

All that a search has is there but the training: Ray and its workers, Tune, the study with its sampler, successive
halving, the results table, TensorBoard logs and checkpoints. A cost that grew with the number of trials would end
long searches.
"""

import contextlib
import importlib
import math
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest import mock

from ray import tune
from ray.tune.result import SHOULD_CHECKPOINT
from rich.console import Console

from platform.config.home import Home
from platform.config.search import AshaConfig
from platform.measure.processes import in_fresh_process
from platform.memory.server import Serving
from platform.results.run_folder import RunFolder
from platform.sizing.two_nodes import own_nodes
from platform.tuning.begun import Begun
from platform.tuning.cluster.connecting import log_libraries_to
from platform.tuning.cluster.resources import TrialResources
from platform.tuning.orchestration import small_search
from platform.tuning.search_run import run_trials
from platform.tuning.study.halving import halving
from platform.tuning.study.searcher import TrialSearcher
from platform.tuning.study.space import SettingsSpace
from platform.tuning.study.storage import open_study_storage
from platform.tuning.trials.memory_limit import MemoryLimit
from platform.tuning.trials.resuming import Past
from platform.tuning.trials.target import TargetPlan
from platform.tuning.trials.trial import TargetTrial, TrialPlan

SCORES = ("mse", "ssim", "psnr")
HERE, MOST_WAITED_S = ".here-", 120.0


@dataclass(frozen=True)
class Spent:
    """By the end of one trial, since the first one began to be drawn."""

    wall_s: float
    driver_s: float  # of the processor, by the driver
    study_s: float  # by the clock: drawing settings and telling the study how trials ended
    told_s: float  # by the clock: telling it of epochs
    reports: int


NOTHING = Spent(0.0, 0.0, 0.0, 0.0, 0)


@dataclass(frozen=True)
class Window:
    """Of a trial, mean of many."""

    wall_s: float
    driver_s: float
    study_s: float
    told_s: float
    reports: float

    @classmethod
    def between(cls, before: Spent, after: Spent, num_trials: int) -> "Window":
        both = zip(astuple(before), astuple(after), strict=True)
        return cls(*((then - earlier) / num_trials for earlier, then in both))

    @property
    def rest_s(self) -> float:
        """By the clock, without the study."""
        return self.wall_s - self.study_s - self.told_s


@dataclass(frozen=True)
class DriverCurve:
    """A search of trials that did nothing, `at_once` of them side by side; `spent` after each that ended."""

    at_once: int
    spent: tuple[Spent, ...]

    def windows(self, width: int) -> list["Window"]:
        """The cost of a trial, mean of `width` trials after each other. What is left over in the end is not in it."""
        ends = self.spent[width - 1 :: width]
        return [Window.between(before, after, width) for before, after in zip((NOTHING, *ends), ends, strict=False)]

    def after(self, warm_up: int) -> Window:
        """The cost of a trial, mean of all after the first ones."""
        return Window.between(self.spent[warm_up - 1], self.spent[-1], len(self.spent) - warm_up)

    def growth(self, window: int, warm_up: int) -> float:
        """See there; of the driver's processor, which other programs of the machine do not change."""
        ends = (0.0, *(each.driver_s for each in self.spent))
        return growth([after - before for before, after in pairwise(ends)], window, warm_up)


def growth(costs: Sequence[float], window: int, warm_up: int = 0) -> float:
    """The mean of the last `window` costs, as a multiple of that of the first ones after the warm-up."""
    after = costs[warm_up:]
    if len(after) < 2 * window:
        raise ValueError(f"{len(costs)} trials are too few to compare {window} with {window} after {warm_up}")
    return float(sum(after[-window:]) / sum(after[:window]))


def driver_curve(
    num_trials: int, *, at_once: int, epochs: int = 3, halved: bool = True, epoch_s: float = 0.0
) -> DriverCurve:
    """Run such a search on a Ray of its own, of as many pretended cores as there are trials at once.

    Trials report `epochs` times, fewer where successive halving stops them, and sleep `epoch_s` before.
    """
    with tempfile.TemporaryDirectory(prefix="tmu-bench-", ignore_cleanup_errors=True) as folder:
        return in_fresh_process(_on_own_ray, num_trials, at_once, epochs, halved, epoch_s, Path(folder))


def _on_own_ray(num_trials: int, at_once: int, epochs: int, halved: bool, epoch_s: float, folder: Path) -> DriverCurve:
    with own_nodes(1, cores=at_once):
        return search_of_nothing(num_trials, folder, at_once=at_once, epochs=epochs, halved=halved, epoch_s=epoch_s)


def search_of_nothing(
    num_trials: int, folder: Path, *, at_once: int, epochs: int, halved: bool, epoch_s: float
) -> DriverCurve:
    """On the Ray that is initialised, a core of it a trial, below `folder`."""
    home, run = Home(folder / "home"), RunFolder(folder / "run")
    config = small_search(num_trials, epochs=epochs, asha=AshaConfig() if halved else None)
    run.path.mkdir(parents=True)
    log_libraries_to(run.log)
    serving = Serving({}, config.benchmark, home, cpus=0.0)
    plan = TrialPlan(TargetPlan(config, home, {}), serving, threads=1, folder=run)
    space, console = SettingsSpace(config.search.space, config.trial), Console(quiet=True)
    with open_study_storage(run) as storage, doing_nothing(at_once, epoch_s):
        searcher = _TimedSearcher(space, config.search, storage)
        ends = _Ends(searcher)
        run_trials(
            Begun.plainly(plan, TrialResources(1.0, 0.0, at_once), console),
            run,
            console,
            searcher=searcher,
            num_trials=num_trials,
            scheduler=halving(config.search, epochs, Past()),
            callbacks=[ends],
        )
    log_libraries_to(Path("/dev/null"))
    return DriverCurve(at_once, tuple(ends.spent))


class DoNothing(TargetTrial):
    """Tells rows as long as a target's. Scores follow from settings, so that a sampler has what to learn.

    The first trials wait for each other's processes: Tune would take that which is there first for all trials, and
    start and stop others in vain.
    """

    epoch_s = 0.0  # slept
    at_once = 1

    def setup(self, config: dict[str, Any], plan: TrialPlan, limit: MemoryLimit) -> None:
        self._plan, self._epochs = plan, plan.target.config.training.epochs
        (plan.folder.path / f"{HERE}{os.getpid()}").touch()
        ends = time.monotonic() + MOST_WAITED_S
        while len(list(plan.folder.path.glob(f"{HERE}*"))) < self.at_once and time.monotonic() < ends:
            time.sleep(0.05)
        self._begin(config)

    def _begin(self, config: dict[str, Any]) -> None:
        self._epoch, settings = 0, config["settings"]
        self._mse = 1 + abs(math.log10(settings["learning_rate"]) + 3) + 0.1 * len(settings["sources"])

    def step(self) -> dict[str, Any]:
        self._epoch += 1
        time.sleep(self.epoch_s)
        scores = dict.fromkeys(SCORES, self._mse / self._epoch)
        row: dict[str, Any] = {
            "epoch": self._epoch,
            "last_epoch": self._epoch == self._epochs,
            "steps": self._epoch,
            **dict.fromkeys(("train_loss", "distillation_loss"), self._mse),
            **scores,
            **{f"last_frame.{name}": value for name, value in scores.items()},
            "parameters": 1_000_000,
            **dict.fromkeys(("seconds_per_clip", "train_s", "validate_s", "setup_s"), 0.0),
            **{f"memory.{name}": 0.0 for name in ("ready", "computed", "waited_s", "bytes", "evicted")},
        }
        return {**row, "done": row["last_epoch"], SHOULD_CHECKPOINT: True}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        (Path(checkpoint_dir) / "nothing").touch()

    def load_checkpoint(self, checkpoint_dir: str) -> None:
        """There is nothing to load."""


@contextlib.contextmanager
def doing_nothing(at_once: int, epoch_s: float) -> Iterator[None]:
    """The trials of a search that is run meanwhile do nothing, for so long an epoch."""
    trial = type("DoNothing", (DoNothing,), {"at_once": at_once, "epoch_s": epoch_s})
    with mock.patch.object(importlib.import_module("platform.tuning.search_run"), "TargetTrial", trial):
        yield


class _TimedSearcher(TrialSearcher):
    """Adds up the seconds that the study takes."""

    study_s = told_s = 0.0

    def suggest(self, trial_id: str) -> Any:
        began = time.perf_counter()
        suggested = super().suggest(trial_id)
        self.study_s += time.perf_counter() - began
        return suggested

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        began = time.perf_counter()
        super().on_trial_result(trial_id, result)
        self.told_s += time.perf_counter() - began

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        began = time.perf_counter()
        super().on_trial_complete(trial_id, result, error)
        self.study_s += time.perf_counter() - began


class _Ends(tune.Callback):
    """What was spent by the end of each trial."""

    def __init__(self, searcher: _TimedSearcher) -> None:
        self.spent: list[Spent] = []
        self._searcher = searcher
        self._began = _clocks()
        self._reports = 0

    def on_trial_result(self, **info: Any) -> None:
        self._reports += 1

    def on_trial_complete(self, **info: Any) -> None:
        wall, driver = (now - began for now, began in zip(_clocks(), self._began, strict=True))
        self.spent.append(Spent(wall, driver, self._searcher.study_s, self._searcher.told_s, self._reports))


def _clocks() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()

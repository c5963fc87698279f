"""What a search costs besides its trials: proposing, starting, recording and saving, measured on the real thing."""

import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ray import tune
from rich.console import Console

from platform.bank.bank import Bank
from platform.bank.card import Card, TrainingData
from platform.bank.networks import build_network
from platform.benchmarks.catalog import open_benchmark
from platform.config.benchmark import BenchmarkConfig, MaxClips
from platform.config.home import Home
from platform.config.network import NetworkConfig
from platform.config.run import RunConfig, SourceConfig
from platform.config.search import AshaConfig, SearchConfig
from platform.config.space import Parameter
from platform.config.training import TrainingConfig
from platform.config.trial import DistilConfig, TrialSettings
from platform.memory.server import Serving
from platform.results.run_folder import RunFolder
from platform.tuning.begun import Begun
from platform.tuning.cluster.connecting import log_libraries_to
from platform.tuning.cluster.resources import TrialResources
from platform.tuning.search_run import run_trials
from platform.tuning.study.searcher import TrialSearcher
from platform.tuning.study.space import SettingsSpace
from platform.tuning.study.storage import open_study_storage
from platform.tuning.trials.target import TargetPlan
from platform.tuning.trials.trial import TrialPlan

INSIDE = ("setup_s", "train_s", "validate_s")  # of a trial's row: what it does itself


@dataclass(frozen=True)
class Orchestration:
    """A search of `num_trials` trials that train one tiny epoch, `at_once` of them side by side; all in seconds."""

    num_trials: int
    at_once: int
    wall_s: float  # of the search, the start of its workers included
    inside_s: float  # all trials together: building the target, training, validating
    first_result_s: float  # until the first trial told its first epoch: imports, mostly

    @property
    def per_trial_s(self) -> float:
        """For how long, a trial, a worker's place is taken without work of a trial being done there."""
        return (self.at_once * self.wall_s - self.inside_s) / self.num_trials


@dataclass
class _Stopwatch(tune.Callback):
    began: float = field(default_factory=time.perf_counter)
    inside_s: float = 0.0
    first_result_s: float | None = None

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        self.inside_s += sum(result[name] for name in INSIDE)
        if self.first_result_s is None:
            self.first_result_s = time.perf_counter() - self.began


def orchestration_seconds(num_trials: int = 100, at_once: int = 1, *, cpus: float = 1.0) -> Orchestration:
    """Run such a search on the Ray that is initialised, `cpus` of it a trial; leaves no file behind."""
    with tempfile.TemporaryDirectory(prefix="tmu-") as name:
        home, folder = Home(Path(name) / "home"), RunFolder(Path(name) / "run")
        config = small_search(num_trials)
        open_benchmark(config.benchmark, home)
        _fill_bank(config, home)
        folder.path.mkdir()
        log_libraries_to(folder.log)
        plan = TrialPlan(
            TargetPlan(config, home, {name: name for name in config.sources}),
            Serving({}, config.benchmark, home, cpus=0.0),
            threads=1,
            folder=folder,
        )
        space = SettingsSpace(config.search.space, config.trial)
        stopwatch = _Stopwatch()
        console = Console(quiet=True)
        with open_study_storage(folder) as storage:
            run_trials(
                Begun.plainly(plan, TrialResources(cpus, 0.0, at_once), console),
                folder,
                console,
                searcher=TrialSearcher(space, config.search, storage),
                num_trials=num_trials,
                callbacks=[stopwatch],
            )
        wall_s = time.perf_counter() - stopwatch.began
        log_libraries_to(Path("/dev/null"))  # the folder goes
    assert stopwatch.first_result_s is not None, "no trial came to a result"
    return Orchestration(num_trials, at_once, wall_s, stopwatch.inside_s, stopwatch.first_result_s)


def _fill_bank(config: RunConfig, home: Home) -> None:
    """Sources with random weights. Nobody asks for their memories, but gates are built for them."""
    for name in config.sources:
        card = Card(
            name=name,
            network=config.network,
            channels=1,
            frame_size=config.benchmark.frame_size,
            weights_sha256="",
            data=TrainingData(label="nothing", synthetic=True),
            parameters=0,
            created="2026-01-01",
        )
        network = build_network(config.network, channels=1, frame_size=config.benchmark.frame_size)
        Bank(home.bank).add(name, network, card)


def small_search(num_trials: int, *, epochs: int = 1, asha: AshaConfig | None = None) -> RunConfig:
    """A few frames of 16x16, and a space as wide as an ordinary search's."""
    return RunConfig(
        name="orchestration",
        benchmark=BenchmarkConfig(
            name="flying_digits",
            digits=1,
            frame_size=16,
            input_length=3,
            total_length=6,
            max_clips=MaxClips(train=4, validation=2, test=2),
            on_missing="synthetic",
        ),
        network=NetworkConfig(hidden=(8, 8), kernel_size=3, patch_size=4),
        sources={name: SourceConfig(bank=name) for name in ("a", "b", "c")},
        training=TrainingConfig(epochs=epochs, batch_size=4),
        trial=TrialSettings(distil=DistilConfig(weight=0)),
        search=SearchConfig(
            trials=num_trials,
            asha=asha,
            space={
                "sources": Parameter(subset=("a", "b", "c")),
                "learning_rate": Parameter(float=(1e-4, 1e-2), log=True),
                "tmu.layers": Parameter(choice=((0,), (1,), (0, 1))),
                "tmu.gate": Parameter(choice=("place", "channel")),
                "tmu.merge": Parameter(choice=("mean", "softmax", "sum")),
                "tmu.bias": Parameter(float=(-1.0, 1.0)),
                "distil.schedule": Parameter(choice=("constant", "linear", "cosine")),
                "distil.source_weight": Parameter(float=(0.3, 3.0), log=True),
            },
        ),
    )

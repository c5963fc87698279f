"""A search made to be timed: every trial given, sources with random weights, the stand-in benchmark, nothing stopped.

Its settings are those of the public code: the released merge, whose imitation is computed and never added.
"""

import datetime
import json
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ray import tune
from rich.console import Console

from platform.bank.bank import Bank, count_parameters
from platform.bank.card import Card, TrainingData
from platform.config.errors import UserError
from platform.config.home import Home
from platform.config.run import RunConfig, SourceConfig
from platform.config.search import SearchConfig
from platform.config.training import TrainingConfig
from platform.config.trial import DistilConfig, GateConfig, TrialSettings
from platform.measure.setting import Setting, make_source, training_clips
from platform.memory.blocks import BlockStore
from platform.memory.compute import SourceRunner
from platform.memory.in_process import InProcessMemory
from platform.results.run_folder import RunFolder
from platform.tuning.cluster.resources import TrialResources
from platform.tuning.comparison import GivenTrials, Job
from platform.tuning.search_run import how_it_ended, run_trials
from platform.tuning.serving import served_sources
from platform.tuning.stage import stage
from platform.tuning.trials.target import TargetPlan
from platform.tuning.trials.trial import FAILURE

CHANNELS = 1  # of the stand-in for flying digits


def make_ready(setting: Setting, home: Home, num_sources: int) -> None:
    """Sources `bench_0`, ... that were never trained; and the stand-in, where `home` has none."""
    training_clips(setting, home)
    for seed in range(num_sources):
        network = make_source(setting, CHANNELS, seed=seed)
        card = Card(
            name=f"bench_{seed}",
            network=setting.network,
            channels=CHANNELS,
            frame_size=setting.frame_size,
            weights_sha256="",
            data=TrainingData(label="nothing", synthetic=True),
            parameters=count_parameters(network),
            created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        )
        Bank(home.bank).add(card.name, network, card)


def timed_config(setting: Setting, num_sources: int, *, trials: int, epochs: int) -> RunConfig:
    """A search over the stand-in, from the sources of `make_ready`. Its trials are `jobs`."""
    return RunConfig(
        name="bench",
        benchmark=setting.benchmark,
        network=setting.network,
        sources={f"source_{seed}": SourceConfig(bank=f"bench_{seed}") for seed in range(num_sources)},
        training=TrainingConfig(epochs=epochs, batch_size=setting.batch_size),
        search=SearchConfig(trials=trials, asha=None),
    )


def target_plan(config: RunConfig, home: Home) -> TargetPlan:
    return TargetPlan(config, home, {name: str(source.bank) for name, source in config.sources.items()})


def jobs(config: RunConfig) -> list[Job]:
    """As many trials as the search has, with all sources each, at learning rates from 1e-4 to 1e-3."""
    rates = np.geomspace(1e-4, 1e-3, config.search.trials).tolist()
    settings = [
        TrialSettings(
            sources=tuple(config.sources),
            tmu=GateConfig(merge="released"),
            distil=DistilConfig(added=False, normalise=False),
            learning_rate=rate,
        )
        for rate in rates
    ]
    return [Job(f"rate_{n}", n, each.model_dump(mode="json")) for n, each in enumerate(settings)]


def in_process(config: RunConfig, home: Home) -> InProcessMemory:
    """The memory that the servers of this search serve, from the same store, without them."""
    plan = target_plan(config, home)
    benchmark = plan.benchmark()
    served = served_sources(config, home, plan.entries, benchmark)
    bank, clips = Bank(home.bank), benchmark.blocks("train")
    store = BlockStore(home.memory, config.resources.memory_budget)
    return InProcessMemory(
        {name: SourceRunner(bank.load(each.entry), clips, each.identity, store) for name, each in served.items()}
    )


@dataclass(frozen=True)
class Searched:
    """A whole search that ended: how long it took, and where."""

    wall_s: float  # with the start of its servers, without that of Ray
    trials_s: float  # of it, from the first trial's start to the last one's end
    num_trials: int
    resources: TrialResources
    in_epochs_s: float  # of all trials together: training and validation
    source_passes: int  # blocks that servers put through a source
    mse: list[float]  # of each trial, in their order

    @property
    def at_once(self) -> int:
        return min(self.resources.at_once, self.num_trials)

    @property
    def orchestration_s(self) -> float:
        """Of a trial: all the time of its place that it does not train or validate, its setting up included."""
        return (self.at_once * self.trials_s - self.in_epochs_s) / self.num_trials


class Epochs(tune.Callback):
    """Adds up what trials report of their epochs."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        if FAILURE not in result:
            self.seconds[trial.trial_id] += result["train_s"] + result["validate_s"]


def searched(config: RunConfig, home: Home, folder: Path) -> Searched:
    """Run it on the Ray that is initialised.

    Raises UserError where a trial fails, KeyboardInterrupt where the user ends it.
    """
    epochs, run_folder, console = Epochs(), RunFolder(folder), Console(quiet=True)
    folder.mkdir(parents=True)
    began = time.perf_counter()
    with stage(config, run_folder, home, console) as begun:
        trials_began = time.perf_counter()
        recorder = run_trials(
            begun,
            run_folder,
            console,
            searcher=GivenTrials(jobs(config)),
            num_trials=config.search.trials,
            callbacks=[epochs],
        )
        trials_s = time.perf_counter() - trials_began
    wall_s = time.perf_counter() - began
    if how_it_ended(recorder, begun, config.search.trials) != "whole":
        raise KeyboardInterrupt
    records = [recorder.records[number] for number in range(config.search.trials)]
    for record in records:
        if record.state != "finished":
            raise UserError(f"a timed trial {record.state}: {record.reason}")
    return Searched(
        wall_s=wall_s,
        trials_s=trials_s,
        num_trials=len(records),
        resources=begun.resources,
        in_epochs_s=sum(epochs.seconds.values()),
        source_passes=json.loads(run_folder.memory.read_text())["passes"],
        mse=[record.metrics["mse"] for record in records],
    )

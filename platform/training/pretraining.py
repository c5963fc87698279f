"""Making a source: train a network on a benchmark, score it, write it into the bank with its card."""

import datetime
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch

from platform.bank.bank import Bank, count_parameters
from platform.bank.card import Card, TrainingData, recipe_hash
from platform.bank.networks import build_network
from platform.benchmarks.benchmark import Benchmark
from platform.config.network import NetworkConfig
from platform.config.training import PretrainingConfig
from platform.training.checkpoint import load_run, newest_saved, save_newest
from platform.training.evaluation import evaluate
from platform.training.run import EpochReport, TrainingRun, num_steps
from platform.training.versions import package_versions


@dataclass(frozen=True)
class SourceRecipe:
    """A source to be: the same recipe always yields the same bank entry."""

    name: str
    benchmark: Benchmark
    network: NetworkConfig
    pretraining: PretrainingConfig

    @property
    def data(self) -> TrainingData:
        config = self.benchmark.config
        return TrainingData(
            label=self.benchmark.label,
            synthetic=self.benchmark.synthetic,
            fingerprint=self.benchmark.blocks("train").fingerprint,
            input_length=config.input_length,
            total_length=config.total_length,
        )

    @property
    def run_length(self) -> int:
        """Optimiser steps of its pretraining."""
        return num_steps(self.pretraining, self.benchmark.blocks("train"))

    @property
    def hash(self) -> str:
        return recipe_hash(self.network, self.pretraining, self.data, self.benchmark.config.frame_size)

    @property
    def entry(self) -> str:
        """Its folder in the bank."""
        return f"{self.name}-{self.hash[:8]}"


def pretrain(
    recipe: SourceRecipe,
    bank: Bank,
    *,
    device: str | torch.device = "cpu",
    on_step: Callable[[int], None] | None = None,
) -> Iterator[EpochReport]:
    """Train the recipe's network, an epoch for each item, and add it to `bank` as `recipe.entry` after the last.

    A recipe that was broken off goes on after its last whole epoch. Raises TrainingDiverged when the loss is no longer
    a number.
    """
    began = time.perf_counter()
    config, plan = recipe.benchmark.config, recipe.pretraining
    torch.manual_seed(plan.seed)
    network = build_network(recipe.network, channels=recipe.benchmark.channels, frame_size=config.frame_size)
    run = TrainingRun(
        network,
        recipe.benchmark.blocks("train"),
        plan,
        input_length=config.input_length,
        learning_rate=plan.learning_rate,
        seed=plan.seed,
        order_seed=plan.seed,
        device=device,
    )
    unfinished = bank.root / f".{recipe.entry}.training"
    if (found := newest_saved(unfinished.glob("*"))) is not None:
        load_run(run, found[0])
    while run.epochs_done < plan.epochs:
        yield run.epoch(on_step)
        save_newest(run, unfinished)
    validation = recipe.benchmark.blocks("validation")
    evaluation = evaluate(network, validation, config.input_length, device, thresholds=config.thresholds)
    card = Card(
        name=recipe.name,
        network=recipe.network,
        channels=recipe.benchmark.channels,
        frame_size=config.frame_size,
        weights_sha256="",
        recipe=recipe.hash,
        data=recipe.data,
        pretraining=plan.model_copy(update={"precision": run.computing.precision}),
        score=evaluation.scores,
        last_frame=evaluation.last_frame,
        parameters=count_parameters(network),
        duration_s=time.perf_counter() - began,
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        versions=package_versions(),
    )
    bank.add(recipe.entry, network, card)
    shutil.rmtree(unfinished, ignore_errors=True)

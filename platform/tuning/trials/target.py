"""One trial's target: built from settings, trained epoch by epoch, scored on the validation clips.

No Ray here: a trial, a replay and a test build the same target from the same `TargetPlan`.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from platform.bank.bank import Bank, count_parameters
from platform.bank.card import Card
from platform.bank.networks import add_sources, build_from_card, build_network
from platform.benchmarks.benchmark import Benchmark
from platform.benchmarks.catalog import open_benchmark
from platform.config.errors import UserError
from platform.config.home import Home
from platform.config.reach import memory_of
from platform.config.run import RunConfig
from platform.config.trial import SCRATCH, TrialSettings
from platform.memory.compute import no_such_memory
from platform.memory.request import FRAMES, MemoryProvider
from platform.training.checkpoint import load_run, save_run
from platform.training.evaluation import Evaluation, evaluate
from platform.training.footprint import trial_bytes
from platform.training.imitation import Imitation
from platform.training.lpips import load_lpips
from platform.training.run import TrainingRun
from tmu_models import StartingPoint, VideoPredictor


@dataclass(frozen=True)
class TargetPlan:
    """What all trials of a run share. `entries` names the bank entry of each source."""

    config: RunConfig
    home: Home
    entries: Mapping[str, str]

    def benchmark(self) -> Benchmark:
        return open_benchmark(self.config.benchmark, self.home, make=False)

    def memory_name(self, settings: TrialSettings, source: str) -> str:
        """Which memory of a source a trial imitates."""
        if settings.distil.what == "frames":
            return FRAMES
        return memory_of(self.config, settings, source)

    def build(self, settings: TrialSettings, seed: int, channels: int) -> tuple[VideoPredictor, StartingPoint | None]:
        """The untrained target, and where its weights came from if that was a source.

        Raises UserError where the source it starts from has another geometry, or a memory is not there.
        """
        torch.manual_seed(seed)
        network = build_network(self.config.network, channels=channels, frame_size=self.config.benchmark.frame_size)
        starting_point = None
        if settings.start != SCRATCH:
            network.load_state_dict(self._start_weights(settings.start, channels))
            starting_point = StartingPoint(network.parameters())
        if settings.sources and settings.distil.what == "memory":
            add_sources(network, settings, self.memory_channels(settings))
        return network, starting_point

    def _start_weights(self, source: str, channels: int) -> dict[str, torch.Tensor]:
        bank, entry = Bank.of(self.home), self.entries[source]
        card, config = self._card(source), self.config
        frame_size = config.benchmark.frame_size
        theirs = {**card.network.model_dump(), "channels": card.channels, "frame_size": card.frame_size or frame_size}
        ours = {**config.network.model_dump(), "channels": channels, "frame_size": frame_size}
        if theirs != ours:
            raise UserError(
                f"a target cannot start from source {source!r}, whose network is {theirs}; the target's is {ours}. "
                "Take it out of `start`, or make them equal."
            )
        if card.transfer is not None:
            raise UserError(
                f"a target cannot start from source {source!r}: it was itself a target, and its layers "
                f"{list(card.transfer.gates.layers)} are TMUs of {', '.join(card.transfer.sources)}. "
                "Take it out of `start`; its memories can be imitated."
            )
        return bank.load(entry).state_dict()

    def _card(self, source: str) -> Card:
        """Of a source that is on this machine, by now at the latest."""
        bank, entry = Bank.of(self.home), self.entries[source]
        bank.fetch(entry)
        return bank.card(entry)

    def memory_channels(self, settings: TrialSettings) -> dict[str, int]:
        """Channels of the memory that each drawn source serves. Raises UserError for one it does not have."""
        channels = {}
        for source in settings.sources:
            network = build_from_card(self._card(source))
            memory = self.memory_name(settings, source)
            if memory not in network.memory_channels:
                raise no_such_memory(source, memory, network)
            channels[source] = network.memory_channels[memory]
        return channels


class Target:
    """A target in training. One `epoch()` trains and validates; `save` and `load` carry it over a break."""

    def __init__(
        self,
        plan: TargetPlan,
        settings: TrialSettings,
        *,
        seed: int,
        memory: MemoryProvider,
        device: str = "cpu",
    ) -> None:
        self.plan = plan
        self.settings = settings
        self.device = device
        self.memory = memory
        benchmark = plan.benchmark()
        self.network, starting_point = plan.build(settings, seed, benchmark.channels)
        self.num_parameters = count_parameters(self.network)
        self._validation = benchmark.blocks("validation")
        distil, imitation = settings.distil, None
        if settings.sources and distil.weight > 0:
            imitation = Imitation(
                provider=memory,
                memories={name: plan.memory_name(settings, name) for name in settings.sources},
                weight=distil.weight,
                way="knowledge_flow" if settings.transfer == "knowledge_flow" else distil.what,
                source_weights=distil.source_weights,
                added=distil.added,
                normalise=distil.normalise,
                schedule=distil.schedule,
                until=distil.until,
                feed=settings.feed,
            )
        self.run = TrainingRun(
            self.network,
            benchmark.blocks("train"),
            plan.config.training,
            input_length=plan.config.benchmark.input_length,
            learning_rate=settings.learning_rate,
            seed=seed,
            order_seed=plan.config.search.seed if plan.config.search.clip_order == "search" else seed,
            imitation=imitation,
            starting_point=starting_point,
            l2_sp=settings.l2_sp,
            device=device,
        )

    def epoch(self, on_step: Callable[[int], None] | None = None) -> dict[str, Any]:
        """Train and validate one epoch; returns one flat row of numbers. Raises TrainingDiverged.

        `on_step` is told the steps done, after each of them; the target can be saved there.
        """
        report = self.run.epoch(on_step)
        began = time.perf_counter()
        evaluation = self.evaluate(with_lpips=report.epoch >= self.plan.config.training.epochs)
        row: dict[str, Any] = {
            "epoch": report.epoch,
            "last_epoch": report.epoch >= self.plan.config.training.epochs,
            "steps": self.run.steps_done,
            "train_loss": report.train_loss,
            **evaluation.scores,
            "parameters": self.num_parameters,
            "seconds_per_clip": evaluation.seconds_per_clip,
            "train_s": report.seconds,
            "validate_s": time.perf_counter() - began,
            **{f"last_frame.{name}": value for name, value in evaluation.last_frame.items()},
            "memory.ready": self.memory.counters.ready,
            "memory.computed": self.memory.counters.computed,
            "memory.waited_s": self.memory.counters.waited_s,
            "memory.bytes": self.memory.counters.read_bytes,
            "memory.evicted": self.memory.counters.evicted_blocks,
        }
        if report.distillation_loss is not None:
            row["distillation_loss"] = report.distillation_loss
        if self.run.notes:
            row["notes"] = list(self.run.notes)
        return row

    def evaluate(self, *, with_lpips: bool = False) -> Evaluation:
        """Scores on the validation clips. LPIPS, many times dearer than the others, is for the end of training."""
        benchmark = self.plan.config.benchmark
        lpips = load_lpips(self.plan.home.lpips, benchmark.frame_size) if with_lpips else None
        with self.run.computing():
            return evaluate(
                self.network,
                self._validation,
                benchmark.input_length,
                self.device,
                lpips=lpips,
                thresholds=benchmark.thresholds,
            )

    def foretold_bytes(self) -> int:
        """Of a GPU, what such a trial is foretold to take with its process."""
        settings, memories = self.settings, {}
        if settings.distil.what == "memory":
            memories = self.plan.memory_channels(settings)
        return trial_bytes(self.plan.config, settings, memories, self.network.channels)

    def save(self, folder: Path) -> None:
        """Everything to go on from, also in the midst of an epoch."""
        save_run(self.run, folder)

    def load(self, folder: Path) -> None:
        load_run(self.run, folder)

"""What a search would do, worked out without doing it: the search itself starts from it, and `plan_page` prints it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from platform.bank.bank import Bank
from platform.bank.networks import build_from_card
from platform.benchmarks.blocks import ClipBlocks
from platform.benchmarks.catalog import estimate_clips, find_benchmark, published_name
from platform.config.agreement import disagreements
from platform.config.benchmark import BenchmarkConfig
from platform.config.datasets import CHANNELS_UNTIL_KNOWN
from platform.config.errors import UserError
from platform.config.home import Home
from platform.config.network import NetworkConfig
from platform.config.places import dotted
from platform.config.reach import imitated_memories, network_memories, possible
from platform.config.run import RunConfig
from platform.config.space_agreement import space_disagreements
from platform.config.splits import SPLIT_NAMES, SplitName
from platform.config.study import study_url
from platform.config.training import TrainingConfig
from platform.config.trial import TrialSettings
from platform.memory.fit import check_fit
from platform.memory.room import capacity
from platform.training.run import num_steps
from platform.tuning.pretraining import bank_entries
from platform.tuning.trials.target import TargetPlan


@dataclass(frozen=True)
class ClipCounts:
    """Clips of each split of one benchmark, and where they come from."""

    label: str
    counts: Mapping[SplitName, int]
    block_clips: int
    train: ClipBlocks | None  # None: a stand-in that is not made yet

    @property
    def prepared(self) -> bool:
        return self.train is not None

    def num_steps(self, plan: TrainingConfig) -> int:
        """Optimiser steps of one whole training run; of a stand-in, as `training.run` will count them."""
        if self.train is not None:
            return num_steps(plan, self.train)
        whole_blocks, rest = divmod(self.counts["train"], self.block_clips)
        batches = whole_blocks * math.ceil(self.block_clips / plan.batch_size) + math.ceil(rest / plan.batch_size)
        return plan.epochs * min(batches, plan.steps_per_epoch or batches) * (2 if plan.reverse else 1)


@dataclass(frozen=True)
class SearchPlan:
    """The numbers behind a search."""

    config: RunConfig
    target: ClipCounts
    sources: dict[str, ClipCounts]
    entries: dict[str, str | None]  # bank entry, None where it must be pretrained
    steps_per_trial: int
    pretraining_steps: int
    pretraining_clips: int  # shown in these steps: a source may have a batch size of its own
    networks: dict[str, NetworkConfig]  # of each source
    memory_bytes: int  # if every memory of every source were drawn, both directions

    @classmethod
    def make(cls, config: RunConfig, home: Home) -> "SearchPlan":
        """Touches nothing. Raises UserError where a benchmark is missing and has no stand-in, or a memory is, or the
        URL of the study's database."""
        if config.study.storage is not None:
            study_url(config.study.storage)
        target = clip_counts(config.benchmark, home)
        sources = {n: clip_counts(s.benchmark, home) for n, s in config.sources.items() if s.benchmark is not None}
        entries = bank_entries(config, home)
        networks = source_networks(config, home)
        check_memories(config, networks)
        channels = target.train.channels if target.train else CHANNELS_UNTIL_KNOWN
        check_starts(config, home, channels)
        check_fits(config, home, channels)
        steps = clips = 0
        for name, source in config.sources.items():
            if entries[name] is None and source.pretraining is not None:
                needed = sources[name].num_steps(source.pretraining)
                steps, clips = steps + needed, clips + needed * source.pretraining.batch_size
        return cls(
            config=config,
            target=target,
            sources=sources,
            entries=entries,
            steps_per_trial=target.num_steps(config.training),
            pretraining_steps=steps,
            pretraining_clips=clips,
            networks=networks,
            memory_bytes=memory_bytes(config, networks, target.counts["train"]),
        )


def clip_counts(config: BenchmarkConfig, home: Home) -> ClipCounts:
    benchmark = find_benchmark(config, home)
    if benchmark is not None:
        counts = {split: benchmark.blocks(split).num_clips for split in SPLIT_NAMES}
        return ClipCounts(benchmark.label, counts, config.block_clips, benchmark.blocks("train"))
    if (name := published_name(config, home)) is not None:
        raise UserError(
            f"{name} is published at TMU_REMOTE and not on this machine yet; a search would fetch it. To plan with it "
            f"run `python -m platform.prepare {config.name} --fetch` first."
        )
    return ClipCounts(f"{config.dataset} (synthetic)", estimate_clips(config, home), config.block_clips, None)


def source_networks(config: RunConfig, home: Home) -> dict[str, NetworkConfig]:
    """The network of each source: what the card of a bank entry says, else its recipe. Raises UserError as `Bank`."""
    bank = Bank.of(home)
    return {
        name: bank.card(source.bank).network if source.bank is not None else source.network or config.network
        for name, source in config.sources.items()
    }


def check_memories(config: RunConfig, networks: Mapping[str, NetworkConfig]) -> None:
    """Raises UserError where the networks of bank entries disagree with the run: a memory they lack, a width.

    Recipes were checked with the YAML; these are the same checks, knowing what the cards say.
    """
    sources = {
        name: source.model_copy(update={"bank": None, "network": networks[name]})
        for name, source in config.sources.items()
    }
    known = config.model_copy(update={"sources": sources})
    faults = [f"{dotted(place)}: {message}" for place, message in (*disagreements(known), *space_disagreements(known))]
    if faults:
        raise UserError("\n".join(faults))


def check_starts(config: RunConfig, home: Home, channels: int) -> None:
    """Raises UserError where a trial may start from a bank entry that is not of the target's geometry.

    Recipes were compared with the YAML; this asks the cards of bank entries too.
    """
    imported = {name: source.bank for name, source in config.sources.items() if source.bank is not None}
    plan = TargetPlan(config, home, imported)
    compared = (settings.start for settings in config.compare.settings.values())
    for start in dict.fromkeys((*possible(config, "start", config.trial.start), *compared)):
        if start in imported:
            plan.build(TrialSettings(start=start), 0, channels)


def check_fits(config: RunConfig, home: Home, channels: int) -> None:
    """Raises UserError where a source of the bank cannot be shown the target's clips.

    Recipes were checked with the YAML; what is pretrained now has the target's geometry.
    """
    bank = Bank.of(home)
    for name, source in config.sources.items():
        if source.bank is not None:
            network = build_from_card(bank.card(source.bank))
            check_fit(name, network, channels=channels, frame_size=config.benchmark.frame_size)


def memory_bytes(config: RunConfig, networks: Mapping[str, NetworkConfig], num_clips: int) -> int:
    """Size of all memories a search can ask for, as stored, on one node."""
    trial, compared = config.trial, config.compare.settings.values()
    cells = (config.benchmark.frame_size // config.network.patch_size) ** 2
    whats = {*possible(config, "distil.what", trial.distil.what), *(settings.distil.what for settings in compared)}
    feeds = {*possible(config, "feed", trial.feed), *(settings.feed for settings in compared)} - {"scheduled"}
    values = 0
    for name, memories in imitated_memories(config).items():
        if "memory" in whats:
            channels = network_memories(networks[name])
            values += sum(channels[memory] for memory in memories) * cells
        if "frames" in whats:
            values += CHANNELS_UNTIL_KNOWN * config.benchmark.frame_size**2
    directions = 2 if config.training.reverse else 1
    value_bytes = np.dtype(config.resources.memory_dtype).itemsize
    return value_bytes * values * (config.benchmark.total_length - 1) * num_clips * directions * len(feeds)


def what_the_store_holds(config: RunConfig, home: Home, wanted_bytes: int) -> str:
    """The half sentence that ends a statement of the bytes wanted; empty where the store holds all of them."""
    held_bytes = capacity(home.memory, config.resources.memory_budget)
    if held_bytes >= wanted_bytes:
        return ""
    return f"; the store holds {100 * held_bytes // wanted_bytes} % of it: the rest is computed each time"

"""What a search would do, worked out without doing it: `--dry-run` prints it, the search itself starts from it."""

import math
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from platform.bank.bank import Bank, count_parameters
from platform.bank.networks import build_from_card, build_network
from platform.benchmarks.blocks import ClipBlocks
from platform.benchmarks.catalog import estimate_clips, find_benchmark, published_name
from platform.config.agreement import disagreements
from platform.config.benchmark import BenchmarkConfig
from platform.config.errors import UserError
from platform.config.home import Home
from platform.config.network import NetworkConfig
from platform.config.places import dotted
from platform.config.reach import imitated_memories, network_memories, possible
from platform.config.run import RunConfig
from platform.config.space import Parameter
from platform.config.space_agreement import space_disagreements
from platform.config.splits import SPLIT_NAMES, SplitName
from platform.config.study import study_url
from platform.config.training import TrainingConfig
from platform.config.trial import TrialSettings
from platform.memory.fit import check_fit
from platform.memory.room import capacity
from platform.results.scores import readable_bytes, readable_time
from platform.training.precision import Computing, settled_precision
from platform.training.run import num_steps
from platform.tuning.gpu_need import foretold
from platform.tuning.pretraining import bank_entries
from platform.tuning.resources import trial_resources
from platform.tuning.target import TargetPlan
from tmu_models import distillation_loss, prediction_loss

CHANNELS_UNTIL_KNOWN = 1  # both benchmarks of this version are grey
MOST_TIMED_CLIPS = 8  # a step takes time in proportion to its clips: more would only keep the user waiting
LONG_S = 10.0  # a step that took longer is not timed a second time


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


@dataclass(frozen=True)
class StepCost:
    """Seconds of one training step, and on how many clips of its batch they were measured."""

    seconds: float
    timed_clips: int


def time_step(config: RunConfig) -> StepCost:
    """Times one training step of a target with every source, on random frames: the faster of two, or one long one.

    On the processor, with a trial's threads and precision; a long run is compiled, and takes less.
    """
    benchmark, batch_size = config.benchmark, config.training.batch_size
    network = build_network(config.network, channels=CHANNELS_UNTIL_KNOWN, frame_size=benchmark.frame_size)
    if config.sources:
        network.add_transfer([0], {name: config.network.hidden[0] for name in config.sources})
    timed_clips = min(batch_size, MOST_TIMED_CLIPS)
    shape = (timed_clips, benchmark.total_length, CHANNELS_UNTIL_KNOWN, benchmark.frame_size, benchmark.frame_size)
    frames = torch.rand(shape)
    computing = Computing.of(config.training, torch.device("cpu"), operations=0)
    fastest, threads = math.inf, torch.get_num_threads()
    torch.set_num_threads(config.resources.threads_per_trial)
    try:
        for _ in range(2):
            began = time.perf_counter()
            with computing():
                prediction = network(frames, input_length=benchmark.input_length)
                loss = prediction_loss(prediction, frames)
                if config.sources:
                    memories = {name: torch.zeros_like(memory) for (_, name), memory in prediction.distilled.items()}
                    loss = loss + distillation_loss(prediction, memories)
                loss.backward()
            fastest = min(fastest, time.perf_counter() - began)
            if fastest > LONG_S:
                break
    finally:
        torch.set_num_threads(threads)
    return StepCost(fastest * batch_size / timed_clips, timed_clips)


def print_plan(plan: SearchPlan, step: StepCost, home: Home, console: Console) -> None:
    """The plan as a page in the terminal. `step`: what a training step was just seen to take."""
    config = plan.config
    console.print(f"[bold]{config.name}[/] · profile {config.profile} · {escape(config.question)}")
    clips = Table("clips", *SPLIT_NAMES, "", box=None, header_style="bold", title_justify="left")
    for counts in (plan.target, *plan.sources.values()):
        note = "prepared" if counts.prepared else "would be made now"
        clips.add_row(counts.label, *(f"{counts.counts[split]:,}" for split in SPLIT_NAMES), note)
    console.print(clips, "")
    sources = Table("source", "from", "network", "", box=None, header_style="bold")
    for name, source in config.sources.items():
        origin = plan.sources[name].label if name in plan.sources else escape(f"bank entry {source.bank}")
        network, entry = plan.networks[name], plan.entries[name]
        sources.add_row(name, origin, f"{network.family} {list(network.hidden)}", escape(entry or "must be pretrained"))
    console.print(sources, "")
    space = Table("searched", "values", box=None, header_style="bold")
    for name, parameter in config.search.space.items():
        space.add_row(name, escape(describe(parameter)))
    console.print(space, "")
    for line in _cost_lines(plan, step, home):
        console.print(line, markup=False)


def _cost_lines(plan: SearchPlan, step: StepCost, home: Home) -> Iterator[str]:
    config = plan.config
    network = build_network(config.network, channels=CHANNELS_UNTIL_KNOWN, frame_size=config.benchmark.frame_size)
    pretraining_s = step.seconds / config.training.batch_size * plan.pretraining_clips
    search_s = step.seconds * plan.steps_per_trial * config.search.trials
    asha = "no trial is stopped early"
    if config.search.asha is not None:
        asha = f"ASHA stops weak ones from epoch {config.search.asha.grace_epochs}"
    benchmark, layers = config.benchmark, list(config.network.hidden)
    yield (
        f"target     {config.network.family} {layers}, {count_parameters(network):,} weights before gates; "
        f"frames of {benchmark.frame_size}, {benchmark.input_length} shown of {benchmark.total_length}"
    )
    yield (
        f"trials     {config.search.trials} of {config.training.epochs} epochs, {plan.steps_per_trial:,} steps each; "
        f"{asha}; judged by {', '.join(config.search.objectives)}"
    )
    resources = config.resources
    yield (
        f"resources  {resources.cpus_per_trial:g} CPU and {resources.gpus_per_trial} GPU a trial; memory servers take "
        f"{resources.server_cpus:g} CPU of a node and, where it has one, {resources.server_gpus:g} GPU"
    )
    if resources.gpus_per_trial == "auto":
        yield f"gpu        {_gpu_text(plan)}"
    yield (
        f"memory     at most {readable_bytes(plan.memory_bytes)} on disk below {home.memory}"
        f"{what_the_store_holds(config, home, plan.memory_bytes)}"
    )
    threads = config.resources.threads_per_trial
    measured = f"just measured, {threads} thread{'s' if threads > 1 else ''}"
    if step.timed_clips < config.training.batch_size:
        measured += f", a batch of {step.timed_clips}, scaled to {config.training.batch_size}"
    yield (
        f"cost       one step takes {step.seconds:.3g} s on this machine ({measured}): "
        f"about {readable_time(pretraining_s)} to pretrain and at most {readable_time(search_s)} to search, "
        "one trial at a time"
    )


def _gpu_text(plan: SearchPlan) -> str:
    """What a trial takes of a GPU, and which share of this machine's that is."""
    config, has_gpu = plan.config, torch.cuda.is_available()
    if has_gpu:
        settled = settled_precision(config.training.precision, torch.device("cuda"))
        config = config.model_copy(update={"training": config.training.model_copy(update={"precision": settled})})
    channels = plan.target.train.channels if plan.target.train else CHANNELS_UNTIL_KNOWN
    need_bytes, told = foretold(config, plan.networks, channels)
    if need_bytes is None:
        return told
    if not has_gpu:
        precision = "float32" if config.training.precision == "auto" else config.training.precision
        return f"{told} in {precision}; this machine has none"
    num = torch.cuda.device_count()
    gpu_bytes = min(torch.cuda.get_device_properties(n).total_memory for n in range(num))
    return f"{told}; {share_text(config, need_bytes, gpu_bytes, num_gpus=num, num_cpus=os.cpu_count() or 1)}"


def share_text(config: RunConfig, need_bytes: int, gpu_bytes: int, *, num_gpus: int, num_cpus: int) -> str:
    """`of each of 2 GPUs with 16 GB it gets 1/7, 14 trials at once`, or why none fits."""
    node = {
        "NodeID": "",
        "NodeManagerHostname": "this machine",
        "NodeManagerAddress": "here",
        "Alive": True,
        "Resources": {"CPU": float(num_cpus), "GPU": float(num_gpus)},
    }
    try:
        got = trial_resources(config.resources, [node], len(config.sources), need_bytes, {"": gpu_bytes})
    except UserError as error:
        return str(error)
    share = f"1/{round(1 / got.gpus)}" if got.gpus <= 0.5 else f"{got.gpus:g}"
    gpus = f"{'a GPU' if num_gpus == 1 else f'each of {num_gpus} GPUs'} with {readable_bytes(gpu_bytes)}"
    return f"of {gpus} it gets {share}, {got.at_once} trial{'s' if got.at_once > 1 else ''} at once"


def describe(parameter: Parameter) -> str:
    """`0.003 to 0.3, log` or `mean | softmax | sum`."""
    if parameter.subset is not None:
        text = "any of " + ", ".join(parameter.subset) + ", or none"
    elif parameter.choice is not None:
        text = " | ".join(str(list(value) if isinstance(value, tuple) else value) for value in parameter.choice)
    else:
        low, high = parameter.float_bounds or parameter.int_bounds or (0, 0)
        text = f"{low:g} to {high:g}" + (", log" if parameter.log else "")
    conditions = [f"{name} is {' or '.join(map(str, values))}" for name, values in parameter.when.items()]
    return text + (f" (when {' and '.join(conditions)})" if conditions else "")

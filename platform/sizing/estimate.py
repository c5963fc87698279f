"""What a search would cost on some nodes like this machine: measured step, block and validation, multiplied out.

Clips are made up, at the YAML's sizes: no time depends on what they show. What is left out: waiting for a slow disk or
network, that trials which share a GPU slow each other, and ASHA, so that the truth of a search that stops weak trials
is less.
"""

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from platform.bank.networks import add_gates, build_network
from platform.benchmarks.blocks import ClipBlocks
from platform.benchmarks.catalog import find_benchmark
from platform.benchmarks.recording import Found, Recording
from platform.benchmarks.store_writer import write_store
from platform.benchmarks.tensors import clips_to_float
from platform.config.datasets import CHANNELS_UNTIL_KNOWN
from platform.config.home import Home
from platform.config.network import NetworkConfig
from platform.config.reach import imitated_memories, memory_of, possible
from platform.config.run import RunConfig
from platform.config.search import ResourcesConfig
from platform.measure.step import wait
from platform.measure.timing import WARM_UP_ON_GPU, median_seconds
from platform.memory.blocks import BlockStore
from platform.memory.compute import SourceRunner
from platform.memory.in_process import InProcessMemory
from platform.memory.request import MemoryIdentity, Request
from platform.memory.room import capacity
from platform.training.evaluation import evaluate
from platform.training.imitation import Imitation
from platform.training.precision import settled_precision
from platform.training.run import TrainingRun
from platform.training.step_cost import MOST_TIMED_CLIPS
from platform.training.stream import directions
from platform.tuning.cluster.gpu_need import foretold
from platform.tuning.cluster.resources import trial_resources
from platform.tuning.plan import SearchPlan, source_networks


@dataclass(frozen=True)
class Costs:
    """Seconds on this machine, at a YAML's sizes, with a trial's number of threads."""

    step_s: float  # of a target with every source
    block_s: Mapping[str, float]  # of each source
    evaluation_s: float  # of one clip
    orchestration_s: float  # of a trial
    device: str = "cpu"  # on which the first three were measured


@dataclass(frozen=True)
class Node:
    """What one machine of the cluster has, and `need_bytes` that a trial takes of one of its GPUs: None where its share
    does not follow from that."""

    cores: int
    gpus: int
    store_bytes: int  # that stored memories may take
    gpu_bytes: int | None = None  # of its smallest GPU
    need_bytes: int | None = None

    @classmethod
    def here(cls, config: RunConfig, home: Home) -> "Node":
        """This machine, with what the store in `home` may hold of this search's memories."""
        room, cores = capacity(home.memory, config.resources.memory_budget), os.cpu_count() or 1
        if (gpus := torch.cuda.device_count()) == 0 or config.resources.gpus_per_trial != "auto":
            return cls(cores, gpus, room)
        gpu_bytes = min(torch.cuda.get_device_properties(n).total_memory for n in range(gpus))
        return cls(cores, gpus, room, gpu_bytes, _need_bytes(config, home))


@dataclass(frozen=True)
class Foretold:
    """What a search takes on `num_nodes`. `parts_s` add up to `wall_s`."""

    num_nodes: int
    at_once: int  # trials
    wall_s: float
    parts_s: Mapping[str, float]
    memory_bytes: int  # on the disk of each node
    stored_share: float  # of what its trials ask for; the rest is computed each time

    @property
    def limit(self) -> str:
        """What takes most of the time."""
        return max(self.parts_s, key=lambda name: self.parts_s[name])


def _need_bytes(config: RunConfig, home: Home) -> int | None:
    precision = settled_precision(config.training.precision, torch.device("cuda"))
    config = config.model_copy(update={"training": config.training.model_copy(update={"precision": precision})})
    benchmark = find_benchmark(config.benchmark, home)
    channels = CHANNELS_UNTIL_KNOWN if benchmark is None else benchmark.channels
    return foretold(config, source_networks(config, home), channels)[0]


def trials_at_once(node: Node, resources: ResourcesConfig, num_sources: int, num_nodes: int = 1) -> int:
    """On so many of these nodes. Raises UserError where no GPU has room for a trial."""
    has = {
        "NodeID": "",
        "NodeManagerHostname": "this machine",
        "NodeManagerAddress": "here",
        "Alive": True,
        "Resources": {"CPU": float(node.cores), "GPU": float(node.gpus)},
    }
    known = {"": node.gpu_bytes}
    return trial_resources(resources, [has] * num_nodes, num_sources, node.need_bytes, known).at_once


def measure_costs(
    config: RunConfig,
    networks: Mapping[str, NetworkConfig],
    folder: Path,
    *,
    orchestration_s: float,
    repeats: int,
    device: str = "cpu",
) -> Costs:
    """`networks` are the sources'. Writes a few made-up clips below `folder`."""
    threads = torch.get_num_threads()
    torch.set_num_threads(config.resources.threads_per_trial)
    try:
        return _measured(config, networks, folder, orchestration_s, repeats, device)
    finally:
        torch.set_num_threads(threads)


def _measured(
    config: RunConfig,
    networks: Mapping[str, NetworkConfig],
    folder: Path,
    orchestration_s: float,
    repeats: int,
    device: str,
) -> Costs:
    benchmark, training = config.benchmark, config.training
    num_clips = min(training.batch_size, MOST_TIMED_CLIPS)
    clips = _noise(config, folder / "clips", num_clips)
    provider = _sources(config, networks, clips, folder, device)
    settings = config.trial.model_copy(update={"sources": tuple(networks)})
    memories = {name: memory_of(config, settings, name) for name in networks}
    target = build_network(config.network, channels=CHANNELS_UNTIL_KNOWN, frame_size=benchmark.frame_size)
    imitation = None
    if networks:
        channels = {name: provider.runners[name].network.memory_channels[memories[name]] for name in networks}
        add_gates(target, settings.tmu.model_copy(update={"merge": "mean"}), channels)
        imitation = Imitation(provider, memories, weight=0.1)
    run = TrainingRun(
        target,
        clips,
        training,
        input_length=benchmark.input_length,
        learning_rate=settings.learning_rate,
        seed=0,
        imitation=imitation,
        device=device,
    )
    frames = clips_to_float(clips.frames(0), field=False).to(device)
    requests = {name: Request(name, 0, memory=memory) for name, memory in memories.items()}
    served = {name: torch.from_numpy(provider.states(request).copy()) for name, request in requests.items()}

    def step() -> None:
        run.step(frames, {name: memory.to(device) for name, memory in served.items()})
        wait(frames.device)

    warm_up = WARM_UP_ON_GPU if frames.device.type == "cuda" else 1
    steps = median_seconds({"step": step}, repeats=repeats, warm_up=warm_up)
    computing = {name: partial(provider.runners[name].compute, request) for name, request in requests.items()}
    blocks = median_seconds(computing, repeats=repeats)

    def validate() -> None:
        with run.computing():
            evaluate(target, clips, benchmark.input_length, device)

    evaluation = median_seconds({"evaluation": validate}, repeats=repeats)
    return Costs(
        step_s=steps["step"] * training.batch_size / num_clips,
        block_s={name: seconds * benchmark.block_clips / num_clips for name, seconds in blocks.items()},
        evaluation_s=evaluation["evaluation"] / num_clips,
        orchestration_s=orchestration_s,
        device=device,
    )


def _noise(config: RunConfig, folder: Path, num_clips: int) -> ClipBlocks:
    """One block of clips as long and as large as the YAML's."""
    benchmark = config.benchmark
    shape = (benchmark.total_length, benchmark.frame_size, benchmark.frame_size, CHANNELS_UNTIL_KNOWN)
    recordings = [
        Recording(f"clip{n}", "train", "clips", f"{n}", partial(_frames, n, shape), num_frames=benchmark.total_length)
        for n in range(num_clips)
    ]
    size = (benchmark.frame_size, benchmark.frame_size)
    found = Found(recordings, frame_size=size, provenance={"source": "made up to measure"})
    return ClipBlocks(
        write_store(folder, found, dataset="flying_digits_2", synthetic=True, reader_version="bench"),
        ("train",),
        categories=None,
        stride={},
        input_length=benchmark.input_length,
        total_length=benchmark.total_length,
        frame_size=benchmark.frame_size,
        block_clips=num_clips,
    )


def _frames(seed: int, shape: Sequence[int]) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def _sources(
    config: RunConfig, networks: Mapping[str, NetworkConfig], clips: ClipBlocks, folder: Path, device: str
) -> InProcessMemory:
    store, cells = BlockStore(folder / "memory"), config.benchmark.frame_size // config.network.patch_size
    runners = {}
    for name, network_config in networks.items():
        network = build_network(network_config, channels=CHANNELS_UNTIL_KNOWN, frame_size=config.benchmark.frame_size)
        identity = MemoryIdentity(name, clips.fingerprint, config.benchmark.input_length, (cells, cells))
        runners[name] = SourceRunner(network.eval().requires_grad_(False), clips, identity, store, device)
    return InProcessMemory(runners)


def foretell(plan: SearchPlan, costs: Costs, node: Node, num_nodes: int) -> Foretold:
    """Trials run in waves, as many at once as fit; each node's servers compute all that its trials ask for, once."""
    config = plan.config
    places = trials_at_once(node, config.resources, len(config.sources), num_nodes)
    trials, epochs = config.search.trials, config.training.epochs
    waves = math.ceil(trials / places)
    sources_s = source_seconds(plan, costs, node)
    stored = min(1.0, node.store_bytes / plan.memory_bytes) if plan.memory_bytes else 1.0
    asked_again = epochs * math.ceil(trials / num_nodes) - 1
    missing = sum(entry is None for entry in plan.entries.values())
    side_by_side = max(1, min(missing, places))
    parts = {
        "pretraining": costs.step_s / config.training.batch_size * plan.pretraining_clips / side_by_side,
        "training": waves * plan.steps_per_trial * costs.step_s,
        "evaluation": waves * epochs * plan.target.counts["validation"] * costs.evaluation_s,
        "orchestration": waves * costs.orchestration_s,
        "sources": sources_s * (1 + (1 - stored) * asked_again),
    }
    return Foretold(num_nodes, min(places, trials), sum(parts.values()), parts, int(stored * plan.memory_bytes), stored)


def source_seconds(plan: SearchPlan, costs: Costs, node: Node) -> float:
    """In which a node puts every block through every source that may be asked, each memory and direction by itself.

    Trials hold every core: what a server computes it takes from them. A GPU is not divided among them so.
    """
    config = plan.config
    blocks = math.ceil(plan.target.counts["train"] / config.benchmark.block_clips)
    times = blocks * len(directions(config.training)) * config.benchmark.variants
    times *= len(set(possible(config, "feed", config.trial.feed)))
    passes_s = sum(times * len(memories) * costs.block_s[name] for name, memories in imitated_memories(config).items())
    return passes_s / (1 if costs.device == "cuda" else node.cores)

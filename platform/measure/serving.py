"""A training step whose sources are served ready-made, against the same step running its sources itself.

Without Ray: a trial on the node of its servers reads the same stored files, so what is timed here is what it does.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from platform.bank.bank import count_parameters
from platform.bank.networks import build_network
from platform.benchmarks.blocks import ClipBlocks
from platform.benchmarks.catalog import open_benchmark
from platform.benchmarks.tensors import clips_to_float
from platform.config.benchmark import BenchmarkConfig
from platform.config.home import Home
from platform.config.network import NetworkConfig
from platform.config.training import TrainingConfig
from platform.measure.processes import in_fresh_process, peak_resident_bytes
from platform.measure.timing import median_seconds
from platform.memory.blocks import BlockStore
from platform.memory.compute import SourceRunner
from platform.memory.in_process import InProcessMemory
from platform.memory.request import MemoryIdentity, Request
from platform.training.imitation import Imitation
from platform.training.run import TrainingRun
from tmu_models import VideoPredictor

MEMORY = "cell/0"


@dataclass(frozen=True)
class Setting:
    """The sizes that are measured; the defaults are the released ones, on 20 frames of 64x64."""

    network: NetworkConfig = field(default_factory=NetworkConfig)
    batch_size: int = 8
    block_clips: int = 32
    frame_size: int = 64
    input_length: int = 10
    total_length: int = 20

    @property
    def benchmark(self) -> BenchmarkConfig:
        return BenchmarkConfig(
            name="flying_digits",
            digits=2,
            frame_size=self.frame_size,
            input_length=self.input_length,
            total_length=self.total_length,
            block_clips=self.block_clips,
            on_missing="synthetic",
        )


@dataclass(frozen=True)
class StepTimes:
    """Seconds of one training step with `num_sources`, and of fetching what it needs from stored blocks."""

    num_sources: int
    served_s: float
    in_place_s: float
    fetch_s: float
    parameters: int


@contextmanager
def temporary_home(setting: Setting) -> Iterator[tuple[Home, ClipBlocks]]:
    """A home with the stand-in for flying digits, gone afterwards; and its training clips."""
    with tempfile.TemporaryDirectory(prefix="tmu-bench-") as folder:
        home = Home(Path(folder))
        yield home, open_benchmark(setting.benchmark, home).blocks("train")


def step_times(setting: Setting, num_sources: int, home: Home, clips: ClipBlocks, *, repeats: int) -> StepTimes:
    """Both steps on the same batch, taking turns. Sources have random weights: the time does not depend on them."""
    pair = StepPair.make(setting, num_sources, home, clips)
    steps = median_seconds({"served": pair.served, "in place": pair.in_place}, repeats=repeats)
    fetching = median_seconds({"fetch": pair.fetch}, repeats=5 * repeats)["fetch"]
    return StepTimes(num_sources, steps["served"], steps["in place"], fetching, count_parameters(pair.run.network))


@dataclass(frozen=True)
class StepPair:
    """A training step in two ways: same run, batch and sources. Each gives its prediction and imitation loss."""

    run: TrainingRun
    frames: torch.Tensor  # the first clips of block 0
    runners: Mapping[str, SourceRunner]
    provider: InProcessMemory
    input_length: int

    @classmethod
    def make(cls, setting: Setting, num_sources: int, home: Home, clips: ClipBlocks) -> "StepPair":
        runners = {f"source_{k}": make_runner(setting, clips, home, seed=k) for k in range(num_sources)}
        provider = InProcessMemory(runners)
        for name in runners:
            provider.states(Request(name, 0))  # computes and stores the block: from here on it is ready
        run = make_run(setting, clips, provider, tuple(runners))
        frames = clips_to_float(clips.frames(0)[: setting.batch_size], field=clips.holds_field)
        return cls(run, frames, runners, provider, setting.input_length)

    def served(self) -> tuple[torch.Tensor, torch.Tensor]:
        return self.run.step(self.frames, self.fetch())

    def in_place(self) -> tuple[torch.Tensor, torch.Tensor]:
        # A tensor made under inference mode may not meet autograd; the copy is under a thousandth of the step.
        return self.run.step(self.frames, {name: memory.clone() for name, memory in self.compute().items()})

    def fetch(self) -> dict[str, torch.Tensor]:
        """What each source remembers of the batch, (B, T-1, S, h, w) float16, from stored blocks."""
        rows = np.arange(len(self.frames))  # rows by number, as training takes them: a copy
        return {name: torch.from_numpy(self.provider.states(Request(name, 0))[rows]) for name in self.runners}

    @torch.inference_mode()
    def compute(self) -> dict[str, torch.Tensor]:
        """The same in float32, by running the sources."""
        return {
            name: runner.network(self.frames, input_length=self.input_length, keep_memories=[MEMORY]).memories[MEMORY]
            for name, runner in self.runners.items()
        }


def make_runner(setting: Setting, clips: ClipBlocks, home: Home, *, seed: int) -> SourceRunner:
    torch.manual_seed(seed)
    network = build_network(setting.network, channels=clips.channels, frame_size=setting.frame_size)
    identity = MemoryIdentity(f"bench-{seed}", clips.fingerprint, setting.input_length, network.grid)
    return SourceRunner(network.eval().requires_grad_(False), clips, identity, BlockStore(home.memory))


def make_run(setting: Setting, clips: ClipBlocks, provider: InProcessMemory, sources: tuple[str, ...]) -> TrainingRun:
    torch.manual_seed(100)
    network: VideoPredictor = build_network(setting.network, channels=clips.channels, frame_size=setting.frame_size)
    imitation = None
    if sources:
        network.add_transfer((0,), dict.fromkeys(sources, setting.network.hidden[0]))
        imitation = Imitation(provider, dict.fromkeys(sources, MEMORY), weight=0.1)
    return TrainingRun(
        network,
        clips,
        TrainingConfig(batch_size=setting.batch_size),
        input_length=setting.input_length,
        learning_rate=3e-4,
        seed=0,
        imitation=imitation,
    )


def block_compute_seconds(setting: Setting, home: Home, clips: ClipBlocks, *, repeats: int) -> float:
    """Seconds in which a server puts one block through its source, storing not included."""
    runner = make_runner(setting, clips, home, seed=0)
    return median_seconds({"block": lambda: runner.compute(Request("source_0", 0))}, repeats=repeats)["block"]


def peak_bytes(setting: Setting, home: Home) -> dict[str, int]:
    """Largest resident memory of a fresh process that imports only, trains as a trial, serves as a server. Linux."""
    works = {"imports alone": imports_alone, "trial, 2 sources": as_trial, "server": as_server}
    return {name: peak_of(work, setting, home) for name, work in works.items()}


def peak_of(work: Callable[[Setting, Home], None], setting: Setting, home: Home) -> int:
    """Largest resident memory of a fresh process that does this work, a function of a module, in bytes. Linux."""
    return in_fresh_process(_measured, work, setting, home)


def _measured(work: Callable[[Setting, Home], None], setting: Setting, home: Home) -> int:
    work(setting, home)
    return peak_resident_bytes()


def imports_alone(setting: Setting, home: Home) -> None:
    return


def as_trial(setting: Setting, home: Home) -> None:
    clips = open_benchmark(setting.benchmark, home, make=False).blocks("train")
    runners = {f"source_{k}": make_runner(setting, clips, home, seed=k) for k in range(2)}
    provider = InProcessMemory(runners)
    run = make_run(setting, clips, provider, tuple(runners))
    rows = np.arange(setting.batch_size)
    frames = clips_to_float(clips.frames(0)[rows], field=clips.holds_field)
    for _ in range(2):
        run.step(frames, {name: torch.from_numpy(provider.states(Request(name, 0))[rows]) for name in runners})


def as_server(setting: Setting, home: Home) -> None:
    clips = open_benchmark(setting.benchmark, home, make=False).blocks("train")
    runner = make_runner(setting, clips, home, seed=0)
    runner.compute(Request("source_0", 0))

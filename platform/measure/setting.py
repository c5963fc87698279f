"""The sizes that the bench measures at, and what it measures on: clips of a stand-in, sources and targets untrained.

Their weights are random: no time and no count depends on them.
"""

import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import torch

from platform.bank.networks import build_network
from platform.benchmarks.blocks import ClipBlocks
from platform.benchmarks.catalog import open_benchmark
from platform.config.benchmark import BenchmarkConfig, MaxClips
from platform.config.home import Home
from platform.config.network import NetworkConfig
from platform.config.training import TrainingConfig
from platform.memory.blocks import BlockStore
from platform.memory.compute import SourceRunner
from platform.memory.in_process import InProcessMemory
from platform.memory.request import MemoryIdentity
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
    train_clips: int | None = None  # of the stand-in's 4,000; None takes all
    validation_clips: int | None = None

    @property
    def benchmark(self) -> BenchmarkConfig:
        return BenchmarkConfig(
            name="flying_digits",
            digits=2,
            frame_size=self.frame_size,
            input_length=self.input_length,
            total_length=self.total_length,
            block_clips=self.block_clips,
            max_clips=MaxClips(train=self.train_clips, validation=self.validation_clips),
            on_missing="synthetic",
        )

    @property
    def is_released(self) -> bool:
        """What the platform promises it promises of these sizes."""
        return self.network == NetworkConfig()


@contextmanager
def temporary_home() -> Iterator[Home]:
    """An empty home, gone afterwards with all that was put there."""
    with tempfile.TemporaryDirectory(prefix="tmu-bench-", ignore_cleanup_errors=True) as folder:
        yield Home(Path(folder))


def training_clips(setting: Setting, home: Home) -> ClipBlocks:
    """Of the stand-in for flying digits, which is made where `home` has none."""
    return open_benchmark(setting.benchmark, home).blocks("train")


def make_source(setting: Setting, channels: int, *, seed: int) -> VideoPredictor:
    torch.manual_seed(seed)
    network = build_network(setting.network, channels=channels, frame_size=setting.frame_size)
    return network.eval().requires_grad_(False)


def make_provider(
    setting: Setting,
    num_sources: int,
    clips: ClipBlocks,
    home: Home,
    *,
    budget_bytes: int | None = None,
    device: str = "cpu",
) -> InProcessMemory:
    """Sources `source_0`, ... over `clips`; memories are stored below `home`, as many as `budget_bytes` allows."""
    store, runners = BlockStore(home.memory, budget_bytes), {}
    for seed in range(num_sources):
        network = make_source(setting, clips.channels, seed=seed)
        identity = MemoryIdentity(f"bench-{seed}", clips.fingerprint, setting.input_length, network.grid)
        runners[f"source_{seed}"] = SourceRunner(network, clips, identity, store, device)
    return InProcessMemory(runners)


def make_run(
    setting: Setting,
    clips: ClipBlocks,
    provider: InProcessMemory,
    *,
    merge: Literal["mean", "softmax", "sum", "released"] = "mean",
    plan: TrainingConfig | None = None,
    device: str = "cpu",
) -> TrainingRun:
    """A target as a trial trains it, layer 0 drawing on all of the provider's sources."""
    torch.manual_seed(100)
    network = build_network(setting.network, channels=clips.channels, frame_size=setting.frame_size)
    imitation = None
    if sources := tuple(provider.runners):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that `released` grows is known
            network.add_transfer((0,), dict.fromkeys(sources, setting.network.hidden[0]), merge=merge)
        # The public code computes its imitation and never adds it.
        imitation = Imitation(provider, dict.fromkeys(sources, MEMORY), weight=0.1, added=merge != "released")
    return TrainingRun(
        network,
        clips,
        plan or TrainingConfig(batch_size=setting.batch_size),
        input_length=setting.input_length,
        learning_rate=3e-4,
        seed=0,
        imitation=imitation,
        device=device,
    )

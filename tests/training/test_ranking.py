"""Ranking sources: one that saw the benchmark's own kind of motion comes before one that saw nothing."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from platform.benchmarks.blocks import ClipBlocks
from platform.benchmarks.catalog import open_benchmark
from platform.benchmarks.encoding import MISSING, RAIN
from platform.benchmarks.recording import Found, Recording
from platform.benchmarks.store_writer import write_store
from platform.config.errors import UserError
from platform.config.home import Home
from platform.config.run import RunConfig
from platform.memory.blocks import BlockStore
from platform.memory.compute import SourceRunner
from platform.memory.request import MemoryIdentity
from platform.training.ranking import rank_sources
from platform.training.run import TrainingRun
from tmu_models import VideoPredictor


def test_a_source_that_learned_comes_before_one_that_did_not(
    tiny_home: Home, tiny_config: Callable[..., RunConfig], tmp_path: Path
) -> None:
    config = tiny_config("training.epochs=30")
    clips = open_benchmark(config.benchmark, tiny_home).blocks("train")
    runners = {}
    for name in ("untrained", "trained"):
        torch.manual_seed(0)
        network = VideoPredictor(channels=1, frame_size=(16, 16), patch_size=4, hidden=(8, 8), kernel_size=3)
        if name == "trained":
            run = TrainingRun(network, clips, config.training, input_length=3, learning_rate=1e-2, seed=0)
            for _ in range(30):
                run.epoch()
        network.eval().requires_grad_(False)
        identity = MemoryIdentity(name, clips.fingerprint, 3, (4, 4))
        runners[name] = SourceRunner(network, clips, identity, BlockStore(tmp_path))
    ranking = rank_sources(runners, dict.fromkeys(runners, "cell/1"))
    assert [relevance.source for relevance in ranking] == ["trained", "untrained"]
    assert ranking[0].ridge_r2 > ranking[1].ridge_r2
    assert rank_sources(runners, dict.fromkeys(runners, "cell/1")) == ranking


def test_a_ranking_of_too_few_clips_is_refused(
    tiny_home: Home, tiny_config: Callable[..., RunConfig], tmp_path: Path
) -> None:
    clips = open_benchmark(tiny_config("benchmark.max_clips.train=2").benchmark, tiny_home).blocks("train")
    network = VideoPredictor(channels=1, frame_size=(16, 16), patch_size=4, hidden=(8,), kernel_size=3)
    runner = SourceRunner(network, clips, MemoryIdentity("w", "c", 3, (4, 4)), BlockStore(tmp_path))
    with pytest.raises(UserError, match=r"needs 3 training clips or more, not 2.*benchmark\.max_clips\.train"):
        rank_sources({"one": runner}, {"one": "cell/0"})


def steady_rain(number: int) -> np.ndarray:
    """Levels (6, 16, 16, 1) of 5 mm/h everywhere, but for a hole of its own that was not measured."""
    frames = RAIN.levels(np.full((6, 16, 16, 1), 5.0))
    frames[:, number : number + 5, :3] = MISSING
    return frames


def test_a_pixel_that_was_not_measured_is_nothing_to_explain(tmp_path: Path) -> None:
    """Read as zeros, the holes would be all that varies here, and sources would be ranked by them."""
    recordings = [Recording(f"v{n}", "1", "rain", f"k{n}", partial(steady_rain, n)) for n in range(4)]
    found = Found(recordings, frame_size=(16, 16), encoding=RAIN)
    store = write_store(tmp_path / "fmi-16", found, dataset="fmi", synthetic=False, reader_version="1")
    clips = ClipBlocks(
        store, ("1",), categories=None, stride={}, input_length=3, total_length=6, frame_size=16, block_clips=3
    )
    network = VideoPredictor(channels=1, frame_size=(16, 16), patch_size=4, hidden=(8,), kernel_size=3)
    runner = SourceRunner(network, clips, MemoryIdentity("w", "c", 3, (4, 4)), BlockStore(tmp_path / "memory"))
    with pytest.raises(UserError, match=r"next frames of the training clips never differ.*nothing to rank sources by"):
        rank_sources({"one": runner}, {"one": "cell/0"})

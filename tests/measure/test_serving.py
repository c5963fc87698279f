"""What the bench compares is the same step: served or in place, the losses are the same numbers."""

import os
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest

from platform.benchmarks.blocks import ClipBlocks
from platform.benchmarks.catalog import open_benchmark
from platform.config.home import Home
from platform.config.network import NetworkConfig
from platform.measure.serving import Setting, StepPair, imports_alone, peak_of, step_times

TINY = Setting(
    network=NetworkConfig(hidden=(8, 8), kernel_size=3, patch_size=4),
    batch_size=4,
    block_clips=8,
    frame_size=16,
    input_length=3,
    total_length=6,
)
FLOAT16_ERROR = 1e-2  # relative, of the imitation loss: what is served is stored in half precision


@pytest.fixture
def home(tiny_home: Home, tmp_path: Path) -> Home:
    """The prepared digits, but an empty memory: stored blocks of other tests would be found ready."""
    home = Home(tmp_path)
    home.benchmarks.symlink_to(tiny_home.benchmarks)
    return home


@pytest.fixture
def clips(home: Home) -> ClipBlocks:
    return open_benchmark(TINY.benchmark, home, make=False).blocks("train")


def test_served_or_in_place_a_step_computes_the_same_losses(home: Home, clips: ClipBlocks) -> None:
    pair = StepPair.make(TINY, 2, home, clips)
    for _ in range(3):  # the first steps move the weights, so the states compared are not only fresh ones
        before = deepcopy(pair.run.state())
        prediction, imitation = pair.served()
        pair.run.restore(deepcopy(before))
        prediction_in_place, imitation_in_place = pair.in_place()
        assert prediction.item() == prediction_in_place.item()
        assert imitation.item() == pytest.approx(imitation_in_place.item(), rel=FLOAT16_ERROR)
        assert imitation.item() > 0


def test_served_memories_are_those_the_sources_compute(home: Home, clips: ClipBlocks) -> None:
    pair = StepPair.make(TINY, 2, home, clips)
    served, computed = pair.fetch(), pair.compute()
    assert served.keys() == computed.keys()
    for name, memory in served.items():
        assert memory.shape == computed[name].shape == (4, 5, 8, 4, 4)
        assert np.allclose(memory.numpy(), computed[name].numpy(), atol=1e-3)
    assert not np.allclose(served["source_0"].numpy(), served["source_1"].numpy(), atol=1e-3)


def test_what_is_timed_takes_time(home: Home, clips: ClipBlocks) -> None:
    times = step_times(TINY, 2, home, clips, repeats=1)
    assert times.num_sources == 2
    assert min(times.served_s, times.in_place_s, times.fetch_s) > 0
    assert times.fetch_s < times.served_s


def test_the_peak_of_a_fresh_process_is_its_own_and_not_its_parents(home: Home) -> None:
    """getrusage would tell the parent's: its peak survives fork and exec."""
    gigabyte = np.ones(1 << 30, np.uint8)
    peak = peak_of(imports_alone, TINY, home)
    assert 50e6 < peak < len(gigabyte)
    assert _own_peak() > len(gigabyte)


def _own_peak() -> int:
    status = Path(f"/proc/{os.getpid()}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) * 1024

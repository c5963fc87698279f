"""What the bench says of memory serving was asked and answered as a trial asks and a server answers."""

import os
from pathlib import Path

import numpy as np

from platform.benchmarks.blocks import ClipBlocks
from platform.config.home import Home
from platform.measure.serving import block_seconds, half_store, imports_alone, peak_of, store_rates, waiting
from platform.measure.setting import Setting, make_provider
from platform.memory.request import Request


def test_an_epoch_with_stored_blocks_computes_nothing(tiny: Setting, home: Home, clips: ClipBlocks) -> None:
    took = waiting(tiny, 2, home, clips, num_batches=3)
    assert took.num_steps == 6
    assert 0 <= took.for_memory_s < took.epoch_s
    assert 0 <= took.for_data_s < took.epoch_s
    assert took.share == took.for_memory_s / took.epoch_s
    fresh = make_provider(tiny, 2, clips, home)
    fresh.states(Request("source_0", 0, "reverse"))
    assert fresh.counters.computed == 0


def test_rates_are_of_blocks_that_were_written_and_read(tiny: Setting, home: Home, clips: ClipBlocks) -> None:
    rates = store_rates(tiny, home, clips, repeats=1)
    assert min(rates.written, rates.read_first, rates.read) > 0
    in_float16 = 2 * 5 * 8 * 4 * 4
    assert in_float16 < rates.bytes_per_clip < 2 * in_float16  # of so small a block the label is a good part
    assert block_seconds(tiny, home, clips, repeats=1) > 0


def test_half_a_store_saves_half_of_the_passes(home: Home, clips: ClipBlocks) -> None:
    """The tests' digits have three blocks of eight clips, the last of four: half of them is a little less."""
    counted = half_store(home, num_trials=3, num_epochs=2, num_sources=2)
    assert counted.requests == 3 * 2 * 2 * 2 * clips.num_blocks
    assert 2 * 2 * clips.num_blocks <= counted.computed < counted.requests


def test_the_peak_of_a_fresh_process_is_its_own_and_not_its_parents(tiny: Setting, home: Home) -> None:
    """getrusage would tell the parent's: its peak survives fork and exec."""
    gigabyte = np.ones(1 << 30, np.uint8)
    peak = peak_of(imports_alone, tiny, home)
    assert 50e6 < peak < len(gigabyte)
    assert _own_peak() > len(gigabyte)


def _own_peak() -> int:
    status = Path(f"/proc/{os.getpid()}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) * 1024

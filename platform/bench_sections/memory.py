"""Serving memory: what a server and the store do, what a trial waits for, and how much room it all takes."""

from dataclasses import asdict

import torch

from platform.bench_sections.section import Bench, Row, Section
from platform.console import console
from platform.measure.serving import block_seconds, half_store, peak_bytes, store_rates, waiting
from platform.measure.setting import training_clips
from platform.results.scores import readable_bytes

MOST_WAITING = 0.02
MOST_COMPUTED = 0.55  # of the plain way, with half of the store
WAITING_BATCHES = 8


def run(bench: Bench) -> Section:
    setting, home = bench.setting, bench.home
    clips = training_clips(setting, home)
    with console.status("timing a server and the store"):
        block_s = block_seconds(setting, home, clips, repeats=max(1, bench.repeats // 2), device=bench.device)
        rates = store_rates(setting, home, clips, repeats=bench.repeats)
    console.print(
        f"a server puts a block of {setting.block_clips} clips through its source in {block_s:.2f} s "
        f"({torch.get_num_threads()} threads, {bench.device})"
    )
    console.print(
        f"the store: written at {rates.written / 1e6:,.0f} MB/s, read the first time, with its checksum, at "
        f"{rates.read_first / 1e6:,.0f} MB/s, later at {rates.read / 1e6:,.0f} MB/s; a clip takes "
        f"{readable_bytes(rates.bytes_per_clip)} for each source and direction"
    )
    with console.status("training an epoch whose memories are stored"):
        waited = waiting(setting, 2, home, clips, num_batches=WAITING_BATCHES, device=bench.device)
    console.print(
        f"an epoch of {waited.num_steps} steps with 2 sources took {waited.epoch_s:.1f} s and waited "
        f"{1000 * waited.for_memory_s:.0f} ms for memory, {1000 * waited.for_data_s:.0f} ms for all it was fed"
    )
    with console.status("counting what a store computes that holds half"):
        half = half_store(home)
    console.print(
        f"a store that holds half of 4 sources' memories: 16 trials of 3 epochs asked for {half.requests:,} blocks, "
        f"{half.computed:,} had to be computed"
    )
    with console.status("looking at peak memory"):
        peaks = peak_bytes(setting, home)
    peak_text = ", ".join(f"{name} {readable_bytes(size)}" for name, size in peaks.items())
    console.print(f"peak resident memory of a process: {peak_text}", "")
    figures = {
        "block_compute_s": block_s,
        "store": asdict(rates),
        "waiting": asdict(waited),
        "half_store": asdict(half),
        "peak_bytes": peaks,
    }
    met = waited.share < MOST_WAITING if setting.is_released else None
    rows = [
        Row("a trial's waiting for stored memory", f"{waited.share:.2%}", f"under {MOST_WAITING:.0%}", met),
        Row(
            "source passes with half of the store",
            f"{half.share_computed:.3f} of the plain way",
            f"at most {MOST_COMPUTED}",
            half.share_computed <= MOST_COMPUTED,
        ),
    ]
    return Section(figures, rows)

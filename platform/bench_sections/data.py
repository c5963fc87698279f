"""Clips of 20 grey frames of 64x64 from the Arrow store, and how fast they are prepared."""

import shutil
from dataclasses import asdict

from platform.bench_sections.section import Bench, Row, Section
from platform.console import console
from platform.measure.data import clips_of, make_store, opening_times, reader_bytes, stream_rates
from platform.measure.preparing import preparing

LEAST_TIMES_CONSUMED = 5  # clips in batches, of what training the smallest network takes
LEAST_SHARE_OF_COPYING = 0.5
MOST_READER_BYTES = 100e6
MOST_OPEN_S = 0.05
LEAST_PREPARED = 2_000  # frames a second and core
MOST_PREPARING_BYTES = 500e6

STORE_BYTES = 3_000_000_000  # larger than any cache of a processor
LONG_INDEX = 200_000  # clips


def run(bench: Bench) -> Section:
    folder = bench.home.root / "data"
    with console.status(f"writing a store of {STORE_BYTES / 1e9:.0f} GB"):
        store = make_store(folder / "clips", STORE_BYTES)
    with console.status("streaming"):
        rates = stream_rates(clips_of(store), repeats=bench.repeats)
        extra = reader_bytes(store.path)
    shutil.rmtree(store.path)
    with console.status("opening a store with a long index"):
        opening = opening_times(folder / "long", LONG_INDEX, repeats=bench.repeats)
    with console.status("preparing as many videos as KTH has"):
        prepared = preparing(folder)
    shutil.rmtree(folder)
    console.print(
        f"one reader: its first pass, with checksums, {rates.first_pass:,.0f} clips/s; as bytes {rates.as_bytes:,.0f}, "
        f"as floats {rates.as_floats:,.0f}; putting {opening.num_clips:,} clips in order {1000 * opening.clips_s:.0f} "
        "ms",
        "",
    )
    rows = [
        Row(
            "one reader, batches in both directions",
            f"{rates.as_batches:,.0f} clips/s, {rates.times_consumed:,.0f} times what training consumes",
            f"{LEAST_TIMES_CONSUMED} times",
            rates.times_consumed >= LEAST_TIMES_CONSUMED,
        ),
        Row(
            "one reader, as bytes",
            f"{rates.as_bytes:,.0f} clips/s, {rates.share_of_copying:.0%} of copying as many bytes",
            f"{LEAST_SHARE_OF_COPYING:.0%}",
            rates.share_of_copying >= LEAST_SHARE_OF_COPYING,
        ),
        Row(
            "a reader's memory above its imports",
            f"{extra / 1e6:.0f} MB",
            f"under {MOST_READER_BYTES / 1e6:.0f} MB",
            extra < MOST_READER_BYTES,
        ),
        Row(
            f"opening {opening.num_clips:,} clips",
            f"{1000 * opening.open_s:.0f} ms",
            f"under {1000 * MOST_OPEN_S:.0f} ms",
            opening.open_s < MOST_OPEN_S,
        ),
        Row(
            f"preparing {prepared.num_videos} videos of KTH's size",
            f"{prepared.wall_s:.0f} s, {prepared.frames_per_core_s:,.0f} frames/s a core, {prepared.workers} "
            f"processes, peak {prepared.peak_bytes / 1e6:.0f} MB together",
            f"{LEAST_PREPARED:,} frames/s a core, under {MOST_PREPARING_BYTES / 1e6:.0f} MB",
            prepared.frames_per_core_s >= LEAST_PREPARED and prepared.peak_bytes < MOST_PREPARING_BYTES,
        ),
    ]
    figures = {
        "stream": asdict(rates),
        "reader_bytes": extra,
        "opening": asdict(opening),
        "preparing": asdict(prepared),
    }
    return Section(figures, rows)

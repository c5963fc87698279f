"""`python -m platform.bench`: what serving memory saves on this machine, and what everything costs."""

import json
import shutil
import tempfile
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import ValidationError
from rich.table import Table

from platform.config.errors import UserError
from platform.config.home import Home
from platform.config.network import NetworkConfig
from platform.console import console, run

if TYPE_CHECKING:
    from platform.benchmarks.blocks import ClipBlocks
    from platform.measure.serving import Setting

# What the platform promises of its released sizes; the bench prints whether this machine keeps it.
LEAST_SPEEDUP_OF_FOUR_SOURCES = 1.8
MOST_FETCH_SHARE = 0.03
LEAST_TIMES_CONSUMED = 5  # clips in batches, of what training the smallest network takes
LEAST_SHARE_OF_COPYING = 0.5
MOST_READER_BYTES = 100e6
MOST_OPEN_S = 0.05
LEAST_PREPARED = 2_000  # frames a second and core
MOST_PREPARING_BYTES = 500e6

STORE_BYTES = 3_000_000_000  # larger than any cache of a processor
LONG_INDEX = 200_000  # clips


class Section(StrEnum):
    """What can be measured by itself."""

    ALL = "all"
    STEP = "step"  # training steps, memory serving, networks, scores
    DATA = "data"  # streaming, opening, preparing


def bench(
    section: Annotated[Section, typer.Argument(help="What to measure.")] = Section.ALL,
    repeats: Annotated[int, typer.Option(min=1, help="Timed runs of each alternative; medians are printed.")] = 5,
    hidden: Annotated[str, typer.Option(help="Widths of the layers; default: the released ones.")] = "64,64,64,64",
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write the figures to this file.")] = None,
) -> None:
    """Measure training steps and memory serving (step), streaming and preparing (data), or all. Needs no Ray.

    Takes some minutes. A step whose sources are served ready-made takes turns with the same step running its sources
    itself; medians after a warm-up. `data` writes 3 GB into the temporary folder, and removes them.
    """
    network = _network(hidden)
    if json_file is not None and not json_file.absolute().parent.is_dir():
        raise UserError(f"--json {json_file}: there is no folder {json_file.absolute().parent}. Make it first.")
    import torch

    from platform.measure.serving import Setting, temporary_home
    from platform.training.versions import hardware, package_versions

    setting = Setting(network=network)
    figures: dict[str, Any] = {
        "hardware": hardware(),
        "threads": torch.get_num_threads(),
        "versions": package_versions(),
    }
    if section is not Section.DATA:
        console.print(
            f"frames 64x64, patch {setting.network.patch_size}, hidden {list(setting.network.hidden)}, kernel "
            f"{setting.network.kernel_size}, batch {setting.batch_size}, {setting.total_length - 1} steps, float32, "
            f"{torch.get_num_threads()} threads"
        )
        with temporary_home(setting) as (home, clips):
            figures |= _serving(setting, home, clips, repeats)
            figures |= _networks(setting, repeats)
            figures |= _gates(setting)
            figures |= _scores(setting, repeats)
            figures |= _surroundings(setting, home, clips, repeats)
    if section is not Section.STEP:
        figures |= _data(repeats)
    console.print("not run: a GPU, several nodes, a whole search")
    if json_file is not None:
        json_file.write_text(json.dumps(figures, indent=2))
        console.print(f"written to {json_file}", markup=False, soft_wrap=True)


def _serving(setting: "Setting", home: Home, clips: "ClipBlocks", repeats: int) -> dict[str, Any]:
    """A step whose memories are served, against one that computes them."""
    from platform.measure.serving import step_times

    figures: dict[str, Any] = {}
    table = Table("sources", "in place", "served", "times faster", "fetch", "of a step", box=None, header_style="bold")
    for num_sources in (2, 4):
        with console.status(f"timing a step with {num_sources} sources"):
            times = step_times(setting, num_sources, home, clips, repeats=repeats)
        speedup, share = times.in_place_s / times.served_s, times.fetch_s / times.served_s
        seconds = [f"{times.in_place_s:.2f} s", f"{times.served_s:.2f} s"]
        table.add_row(str(num_sources), *seconds, f"{speedup:.2f}", f"{1000 * times.fetch_s:.1f} ms", f"{share:.2%}")
        figures[f"step_{num_sources}_sources"] = vars(times)
    console.print(table, "")
    released = setting.network == NetworkConfig()
    if released and (speedup < LEAST_SPEEDUP_OF_FOUR_SOURCES or share > MOST_FETCH_SHARE):
        console.print(
            f"[yellow]below what is promised:[/] {LEAST_SPEEDUP_OF_FOUR_SOURCES} times faster with 4 sources, "
            f"a fetch under {MOST_FETCH_SHARE:.0%} of a step"
        )
    return figures


def _networks(setting: "Setting", repeats: int) -> dict[str, Any]:
    """Forward and backward of each family against its convolutions alone."""
    from platform.measure.networks import pass_times

    figures: dict[str, Any] = {}
    for family in ("convlstm", "predrnn"):
        with console.status(f"timing a pass of {family}"):
            times = pass_times(
                setting.network.model_copy(update={"family": family}),
                frame_size=setting.frame_size,
                total_length=setting.total_length,
                input_length=setting.input_length,
                batch_size=setting.batch_size,
                repeats=repeats,
            )
        console.print(
            f"{family}: forward and backward {times.network_s:.2f} s, its {times.num_convolutions} convolutions alone "
            f"{times.convolutions_s:.2f} s: {times.overhead:.0%} on top"
        )
        figures[f"pass_{family}"] = vars(times)
    return figures


def _gates(setting: "Setting") -> dict[str, Any]:
    """How each way of merging keeps the memory in scale."""
    import warnings

    from platform.measure.gates import MERGES, memory_rms

    num_steps = setting.total_length
    table = Table("merge", *(f"step {step}" for step in (1, 10, num_steps)), box=None, header_style="bold")
    figures: dict[str, Any] = {}
    for merge in MERGES:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that `released` grows is what is shown
            rms = memory_rms(setting.network, merge, num_sources=2, frame_size=setting.frame_size, num_steps=num_steps)
        table.add_row(merge, *(f"{rms[step - 1]:.3g}" for step in (1, 10, num_steps)))
        figures[f"memory_rms_{merge}"] = rms
    console.print("", "memory RMS of an untrained target with 2 sources, by merge", table, "", sep="\n")
    return figures


def _scores(setting: "Setting", repeats: int) -> dict[str, Any]:
    """Scoring a batch, against scikit-image's own loop."""
    from platform.measure.scores import CLIPS, FRAMES, score_times

    times = score_times(frame_size=setting.frame_size, repeats=repeats)
    console.print(
        f"mse, ssim and psnr of {CLIPS} clips of {FRAMES} frames: {1000 * times.batch_s:.0f} ms, {times.speedup:.1f} "
        f"times faster than scikit-image frame by frame ({1000 * times.frame_by_frame_s:.0f} ms)"
    )
    return {"scores": vars(times)}


def _surroundings(setting: "Setting", home: Home, clips: "ClipBlocks", repeats: int) -> dict[str, Any]:
    """The server, and peak memory."""
    from platform.measure.serving import block_compute_seconds, peak_bytes
    from platform.results.scores import readable_bytes

    with console.status("timing a server, and peak memory"):
        block_s = block_compute_seconds(setting, home, clips, repeats=max(1, repeats // 2))
        peaks = peak_bytes(setting, home)
    console.print(f"a server puts a block of {setting.block_clips} clips through its source in {block_s:.2f} s")
    peak_text = ", ".join(f"{name} {readable_bytes(size)}" for name, size in peaks.items())
    console.print(f"peak resident memory of a process: {peak_text}")
    return {"block_compute_s": block_s, "peak_bytes": peaks}


def _data(repeats: int) -> dict[str, Any]:
    """Clips of 20 grey frames of 64x64 from the Arrow store, beside what is promised of it."""
    from platform.measure.data import clips_of, make_store, opening_times, reader_bytes, stream_rates
    from platform.measure.preparing import preparing

    with tempfile.TemporaryDirectory(prefix="tmu-bench-") as name:
        folder = Path(name)
        with console.status(f"writing a store of {STORE_BYTES / 1e9:.0f} GB"):
            store = make_store(folder / "clips", STORE_BYTES)
        with console.status("streaming"):
            rates = stream_rates(clips_of(store), repeats=repeats)
            extra = reader_bytes(store.path)
        shutil.rmtree(store.path)
        with console.status("opening a store with a long index"):
            opening = opening_times(folder / "long", LONG_INDEX, repeats=repeats)
        with console.status("preparing as many videos as KTH has"):
            prepared = preparing(folder)
    table = Table("data", "measured", "promised", box=None, header_style="bold")
    per_second = f"{rates.as_batches:,.0f} clips/s, {rates.times_consumed:,.0f} times what training consumes"
    table.add_row("one reader, batches in both directions", per_second, f"{LEAST_TIMES_CONSUMED} times")
    table.add_row(
        "one reader, as bytes",
        f"{rates.as_bytes:,.0f} clips/s, {rates.share_of_copying:.0%} of copying as many bytes",
        f"{LEAST_SHARE_OF_COPYING:.0%}",
    )
    table.add_row("its first pass, checksums", f"{rates.first_pass:,.0f} clips/s", "")
    table.add_row("as floats, one direction", f"{rates.as_floats:,.0f} clips/s", "")
    table.add_row(
        "a reader's memory above its imports", f"{extra / 1e6:.0f} MB", f"under {MOST_READER_BYTES / 1e6:.0f} MB"
    )
    table.add_row(
        f"opening {opening.num_clips:,} clips",
        f"{1000 * opening.open_s:.0f} ms, {1000 * opening.clips_s:.0f} ms to order them",
        f"under {1000 * MOST_OPEN_S:.0f} ms",
    )
    table.add_row(
        f"preparing {prepared.num_videos} videos of KTH's size",
        f"{prepared.wall_s:.0f} s, {prepared.frames_per_core_s:,.0f} frames/s a core, {prepared.workers} processes, "
        f"peak {prepared.peak_bytes / 1e6:.0f} MB together",
        f"{LEAST_PREPARED:,}, under {MOST_PREPARING_BYTES / 1e6:.0f} MB",
    )
    console.print(table, "")
    return {
        "stream": vars(rates),
        "reader_bytes": extra,
        "opening": vars(opening),
        "preparing": vars(prepared),
    }


def _network(hidden: str) -> NetworkConfig:
    """Before torch is imported and anything is timed."""
    try:
        return NetworkConfig.model_validate({"hidden": [width.strip() for width in hidden.split(",")]})
    except ValidationError as error:
        fault = error.errors()[0]
        raise UserError(
            f"--hidden {hidden!r} is not understood ({fault['input']!r}: {fault['msg']}); give 1 to 16 widths, for "
            "example --hidden 64,64"
        ) from None


if __name__ == "__main__":
    run(bench)

"""A training step: the released form against ours, and how near both come to what the machine can do."""

import warnings
from dataclasses import asdict
from typing import Any

import torch
from rich.table import Table

from platform.bench_sections.section import Bench, Row, Section, giga
from platform.console import console
from platform.measure.convolutions import Overhead
from platform.measure.gates import MERGES, memory_rms
from platform.measure.networks import pass_overhead
from platform.measure.peak import Peak, peak
from platform.measure.scores import CLIPS, FRAMES, score_times
from platform.measure.setting import training_clips
from platform.measure.step import Steps, StepTimes, step_overhead, step_times

LEAST_SPEEDUP = {2: 3.0, 4: 4.0}  # by number of sources, on a processor
LEAST_SPEEDUP_ON_GPU = 8.0  # with 2 sources
MOST_OVERHEAD = 0.12  # of a whole step, that is not convolution


def run(bench: Bench) -> Section:
    setting = bench.setting
    console.print(
        f"frames {setting.frame_size}x{setting.frame_size}, patch {setting.network.patch_size}, hidden "
        f"{list(setting.network.hidden)}, kernel {setting.network.kernel_size}, batch {setting.batch_size}, "
        f"{setting.total_length - 1} steps, {torch.get_num_threads()} threads"
    )
    with console.status("timing the convolution of an inner layer"):
        peaks = {name: peak(setting, getattr(torch, name), repeats=bench.repeats) for name in ("float32", "bfloat16")}
    times, steps = _steps(bench, "cpu")
    with console.status("timing the convolutions of a step alone"):
        took, by_profiler = step_overhead(steps, repeats=bench.repeats)
    _print_steps(times, peaks, took, by_profiler)
    rows = [
        Row(
            f"training step, {each.num_sources} sources, CPU",
            f"{each.speedup:.2f} times the plain form ({each.plain_s / each.ours_mean_s:.2f} with merge mean)",
            f"{LEAST_SPEEDUP[each.num_sources]:.1f} times",
            bench.processor_bar(each.speedup >= LEAST_SPEEDUP[each.num_sources]),
        )
        for each in times
    ]
    in_bfloat16 = took.dtype == "bfloat16"
    rows.append(
        Row(
            "a CPU step that is not convolution",
            f"{took.share:.1%}, in {took.dtype}",
            f"at most {MOST_OVERHEAD:.0%}, in bfloat16",
            bench.processor_bar(took.share <= MOST_OVERHEAD) if in_bfloat16 else None,
        )
    )
    figures: dict[str, Any] = {
        "peak": {name: asdict(each) for name, each in peaks.items()},
        "step": [asdict(each) for each in times],
        "step_overhead": asdict(took) | {"share": took.share, "share_by_profiler": by_profiler},
    }
    if bench.device == "cuda":
        on_gpu, _ = _steps(bench, "cuda")
        two = on_gpu[0]
        figures["gpu_step"] = [asdict(each) for each in on_gpu]
        told, met = f"{two.speedup:.2f} times the plain form", two.speedup >= LEAST_SPEEDUP_ON_GPU
        rows.append(_gpu_row(told, met if setting.is_released else None))
    else:
        rows.append(_gpu_row("not run: a GPU", None))
    figures |= _networks(bench) | _gates(bench) | _scores(bench)
    return Section(figures, rows)


def _gpu_row(measured: str, met: bool | None) -> Row:
    return Row("training step, 2 sources, one GPU", measured, f"{LEAST_SPEEDUP_ON_GPU:.1f} times", met)


def _steps(bench: Bench, device: str) -> tuple[list[StepTimes], Steps]:
    """Times with 2 and 4 sources; and the step with 2."""
    clips, times, made = training_clips(bench.setting, bench.home), [], []
    for num_sources in LEAST_SPEEDUP:
        with console.status(f"timing a step with {num_sources} sources, {device}"):
            made.append(Steps.make(bench.setting, num_sources, bench.home, clips, device=device))
            times.append(step_times(made[-1], repeats=bench.repeats))
    return times, made[0]


def _print_steps(times: list[StepTimes], peaks: dict[str, Peak], took: Overhead, by_profiler: float | None) -> None:
    table = Table(
        "sources",
        "plain form",
        "its rate",
        "ours",
        "times faster",
        "merge mean",
        "fetch",
        box=None,
        header_style="bold",
    )
    for each in times:
        table.add_row(
            str(each.num_sources),
            f"{each.plain_s:.2f} s",
            giga(each.plain_rate),
            f"{each.ours_s:.2f} s",
            f"{each.speedup:.2f}",
            f"{each.ours_mean_s:.2f} s",
            f"{1000 * each.fetch_s:.1f} ms, {each.fetch_s / each.ours_s:.2%}",
        )
    console.print(table)
    console.print(
        "the plain form is the public code's step: float32, torch's own layout, sources run in the step; ours has the "
        "same network and merge"
    )
    for name, each_peak in peaks.items():
        console.print(
            f"this machine at most, at that convolution: {giga(each_peak.per_s)} in {name} ({each_peak.layout}, "
            f"{each_peak.num_clips} clips)"
        )
    rate = took.flops / took.whole_s
    profiled = "" if by_profiler is None else f" ({by_profiler:.1%} by torch's profiler)"
    console.print(
        f"our step with {times[0].num_sources} sources: {giga(rate)} in {took.dtype}, "
        f"{rate / peaks['bfloat16'].per_s:.0%} of the most in bfloat16; its {took.num_convolutions} convolutions alone "
        f"{took.convolutions_s:.2f} s of {took.whole_s:.2f} s, so {took.share:.1%} is something else{profiled}",
        "",
    )


def _networks(bench: Bench) -> dict[str, Any]:
    """Forward and backward of each family against its convolutions alone."""
    setting, figures = bench.setting, {}
    for family in ("convlstm", "predrnn"):
        with console.status(f"timing a pass of {family}"):
            took = pass_overhead(
                setting.network.model_copy(update={"family": family}),
                frame_size=setting.frame_size,
                total_length=setting.total_length,
                input_length=setting.input_length,
                batch_size=setting.batch_size,
                repeats=bench.repeats,
            )
        console.print(
            f"{family}: forward and backward {took.whole_s:.2f} s in {took.dtype}, its {took.num_convolutions} "
            f"convolutions alone {took.convolutions_s:.2f} s: {took.on_top:.0%} on top"
        )
        figures[f"pass_{family}"] = asdict(took)
    return figures


def _gates(bench: Bench) -> dict[str, Any]:
    """How each way of merging keeps the memory in scale."""
    setting, num_steps = bench.setting, bench.setting.total_length
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


def _scores(bench: Bench) -> dict[str, Any]:
    """Scoring a batch, against scikit-image's own loop."""
    times = score_times(frame_size=bench.setting.frame_size, repeats=bench.repeats)
    console.print(
        f"mse, ssim and psnr of {CLIPS} clips of {FRAMES} frames: {1000 * times.batch_s:.0f} ms, {times.speedup:.1f} "
        f"times faster than scikit-image frame by frame ({1000 * times.frame_by_frame_s:.0f} ms)",
        "",
    )
    return {"scores": asdict(times)}

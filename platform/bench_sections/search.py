"""A whole search, ours against plain Ray Tune whose trials each run their own sources; where a trial's time goes."""

from dataclasses import asdict, replace

from rich.table import Table

from platform.bench_sections.section import Bench, Row, Section
from platform.console import console
from platform.measure.setting import Setting
from platform.results.scores import readable_time
from platform.sizing.trials import make_ready, timed_config
from platform.sizing.whole_search import TrialTime, Whole, trial_time, whole_search
from platform.tuning.cluster.connecting import cluster
from platform.tuning.orchestration import Orchestration, orchestration_seconds

TRIALS, SOURCES, EPOCHS = 16, 4, 3
ORCHESTRATED = 60  # trials
LEAST_SPEEDUP = 2.5
MOST_ORCHESTRATION_S = 0.5


def small(setting: Setting) -> Setting:
    """Half the frame's side and half the layers: both searches together take minutes."""
    network = setting.network.model_copy(update={"hidden": setting.network.hidden[:2]})
    return replace(
        setting,
        network=network,
        frame_size=32,
        input_length=6,
        total_length=12,
        block_clips=8,
        train_clips=32,
        validation_clips=8,
    )


def run(bench: Bench) -> Section:
    setting, home = small(bench.setting), bench.home
    config = timed_config(setting, SOURCES, trials=TRIALS, epochs=EPOCHS)
    make_ready(setting, home, SOURCES)
    console.print(
        f"{TRIALS} trials of {EPOCHS} epochs with {SOURCES} sources each: {setting.train_clips} clips of "
        f"{setting.total_length} frames of {setting.frame_size}x{setting.frame_size}, hidden "
        f"{list(setting.network.hidden)}, one thread a trial"
    )
    with cluster(None):
        with console.status("running the search in both ways"):
            whole = whole_search(config, home, home.root / "runs")
        with console.status("running trials that do next to nothing"):
            orchestration = orchestration_seconds(ORCHESTRATED)
    ours = whole.ours
    with console.status("looking where a trial's time goes"):
        parts = trial_time(config, home)
    _print(whole, parts, orchestration)
    passes = f"{ours.source_passes}; {whole.source_passes_plain:,} the plain way"
    rows = [
        Row(
            f"whole search, {TRIALS} trials x {SOURCES} sources x {EPOCHS} epochs",
            f"{whole.speedup:.2f} times plain Tune",
            f"{LEAST_SPEEDUP} times",
            bench.processor_bar(whole.speedup >= LEAST_SPEEDUP),
        ),
        Row(
            "source passes, where the store fits",
            passes,
            f"{whole.source_passes_wanted} exactly",
            ours.source_passes == whole.source_passes_wanted,
        ),
        Row(
            "orchestration of a trial",
            f"{orchestration.per_trial_s:.2f} s",
            f"under {MOST_ORCHESTRATION_S} s",
            orchestration.per_trial_s < MOST_ORCHESTRATION_S,
        ),
    ]
    figures = {
        "whole": asdict(whole) | {"speedup": whole.speedup, "orchestration_s": ours.orchestration_s},
        "orchestration": asdict(orchestration) | {"per_trial_s": orchestration.per_trial_s},
        "trial_s": parts.parts,
    }
    return Section(figures, rows)


def _print(whole: Whole, parts: TrialTime, orchestration: Orchestration) -> None:
    ours = whole.ours
    console.print(
        f"under plain Tune, each trial running its sources: {readable_time(whole.plain_s)}; ours "
        f"{readable_time(ours.wall_s)}, {ours.at_once} trials at once both times. The mse of no trial differs by more "
        f"than {whole.largest_difference:.1%}",
        soft_wrap=True,
    )
    shown = {**parts.parts, "orchestration": orchestration.per_trial_s}
    table = Table("one trial", *(name.replace("_", " ") for name in shown), box=None, header_style="bold")
    table.add_row("seconds", *(f"{seconds:.2f}" for seconds in shown.values()))
    table.add_row("share", *(f"{seconds / sum(shown.values()):.1%}" for seconds in shown.values()))
    console.print(table)
    console.print(
        "the parts of a trial alone on the processor, its memories stored; orchestration as "
        f"{orchestration.num_trials} trials that do next to nothing show it. In the search above "
        f"{ours.orchestration_s:.2f} s of a trial's place were neither training nor validation, the start of workers "
        "included",
        "",
        soft_wrap=True,
    )

"""What stands on the screen while a search runs, at the widths that terminals have."""

import io
from collections.abc import Callable
from typing import Any

import pytest
from ray.tune.experiment.trial import Trial
from rich.console import Console

from platform.config.run import RunConfig
from platform.reporting.following import follow, read_progress
from platform.reporting.live_table import Progress, live_table, summary_line
from platform.results.progress import Running, RunningTrial, write_running
from platform.results.record import TrialRecord, read_results, write_results
from platform.results.run_folder import RunFolder
from platform.results.scores import score
from platform.results.summary import RunSummary
from platform.tuning.keeping.recorder import Recorder
from platform.tuning.live import LiveTable

Config = Callable[..., RunConfig]
HOSTILE = "boom [/x] [red]"
SETTINGS: dict[str, Any] = {  # kth's widest
    "sources": ["digits_1", "digits_2", "digits_3"],
    "start": "digits_2",
    "tmu": {"merge": "softmax", "layers": [0, 1, 2, 3], "bias": 0.5},
    "distil": {"weight": 0.0312},
    "learning_rate": 3.4e-4,
}


def progress(
    *records: TrialRecord, settings: dict[str, Any] = SETTINGS, row: dict[str, float] | None = None
) -> Progress:
    """Trial 7 runs; these have ended."""
    curve: Any = ({"epoch": 13.0, "mse": 51.27},)
    running = RunningTrial(trial=7, id="00007", seed=0, settings=settings, curve=curve, row=row or {}, spent_s=10.0)
    return Progress(score("mse"), 20, 4, records, [running], elapsed_s=61.0)


def screen(width: int, *records: TrialRecord, settings: dict[str, Any] = SETTINGS) -> str:
    """The text of the table."""
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(live_table(progress(*records, settings=settings), width))
    return console.export_text()


def ended(number: int, **changes: Any) -> TrialRecord:
    values: dict[str, Any] = {
        "trial": number,
        "id": f"{number:05d}",
        "state": "finished",
        "seed": 0,
        "settings": SETTINGS,
        "metrics": {"mse": 47.65},
        "epochs": 20,
    }
    return TrialRecord.model_validate(values | changes)


@pytest.mark.parametrize("width", [60, 80, 100, 140])
def test_trial_state_epoch_and_score_are_whole_at_every_width(width: int) -> None:
    lines = screen(width, ended(3), ended(12, state="stopped", epochs=4, metrics={"mse": 60.5})).splitlines()
    assert lines[0].split()[:4] == ["trial", "state", "epoch", "mse"]
    assert lines[1].split()[:4] == ["7", "running", "13/20", "51.27"]
    assert lines[2].split()[:4] == ["3", "finished", "20/20", "47.65"]
    assert lines[3].split()[:4] == ["12", "stopped", "4/20", "60.5"]
    assert all(len(line) <= width for line in lines)


def test_a_wide_terminal_shows_every_setting_whole() -> None:
    row = screen(140, ended(3)).splitlines()[2]
    for text in ("digits_1 digits_2 digits_3", "softmax [0, 1, 2, 3]", "0.0312", "0.00034"):
        assert text in row


def test_a_narrow_terminal_still_shows_the_sources() -> None:
    assert "sources" in screen(80, ended(3)).splitlines()[0]
    assert "digits_1" in screen(80, ended(3)).splitlines()[2]


def test_source_names_are_never_taken_for_markup() -> None:
    assert HOSTILE in screen(140, settings=SETTINGS | {"sources": [HOSTILE]})


def printed(config: RunConfig, folder: RunFolder, record: TrialRecord) -> str:
    recorder = Recorder(config, folder)
    console = Console(width=80, record=True, force_terminal=False)
    live = LiveTable(config, recorder, console, config.search.trials)
    recorder.records = {record.trial: record}
    live.on_step_end(0, [])
    return console.export_text()


def test_a_log_gets_the_reason_of_a_failed_trial_as_it_is(tiny_config: Config, tmp_path: Any) -> None:
    line = printed(tiny_config(), RunFolder(tmp_path), ended(3, state="failed", reason=HOSTILE, metrics={}))
    assert line.strip().endswith(HOSTILE)
    assert line.count("\n") == 1


def test_a_log_gets_the_score_of_a_finished_trial(tiny_config: Config, tmp_path: Any) -> None:
    line = printed(tiny_config(), RunFolder(tmp_path), ended(3, settings=SETTINGS | {"start": "[/x]"}))
    assert "mse 47.65" in line
    assert "[/x]" in line


def test_the_summary_tells_how_much_memory_was_ready_and_how_long_it_was_waited_for() -> None:
    counters = {"ready": 18.0, "computed": 1.0, "waited_s": 0.2, "bytes": 18.0, "evicted": 18.0}
    one = ended(3, memory=counters, duration_s=10)
    told = summary_line(progress(one, row={f"memory.{name}": value for name, value in counters.items()})).plain
    assert "1 of 4 trials (1 finished, 0 stopped early, 0 failed) · best mse 47.65 (trial 3)" in told
    assert (
        "memory 95% ready, waited for 2.0% of the time, 36 bytes read, 36 evicted · 1:01 gone · about 3:03 left" in told
    )


def test_a_search_is_followed_by_its_folder_until_it_ends(finished_run: RunFolder, tmp_path: Any) -> None:
    folder = RunFolder(tmp_path)
    folder.config.write_bytes(finished_run.config.read_bytes())
    records = read_results(finished_run.results)
    write_results(folder.results, records[:3])
    running = RunningTrial(trial=5, id="00005", seed=0, settings=SETTINGS, curve=({"epoch": 2.0, "mse": 60.0},))
    write_running(folder.running, Running(trials=(running,), wall_s=90))
    read = read_progress(RunSummary.read(tmp_path))
    assert (read.num_trials, read.epochs, len(read.records), [trial.trial for trial in read.running]) == (16, 6, 3, [5])

    looks = iter([True, False])

    def runs() -> bool:
        write_results(folder.results, records[:6])
        return next(looks)

    console = Console(width=160, record=True, file=io.StringIO())
    follow(RunSummary.read(tmp_path), console, runs)
    lines = console.export_text().splitlines()
    assert [line.split()[2] for line in lines[:3]] == ["3", "4", "5"]  # those that ended meanwhile
    assert lines[0].split()[0] == "6/16"
    assert lines[-1].startswith("6 of 16 trials (")


def test_what_could_not_be_made_fast_is_said_once(tiny_config: Config, tmp_path: Any) -> None:
    config = tiny_config()
    console = Console(width=200, file=io.StringIO(), record=True)
    live = LiveTable(config, Recorder(config, RunFolder(tmp_path)), console, config.search.trials)
    trials = [Trial("", stub=True, config={"trial": number, "settings": SETTINGS}) for number in range(2)]
    for trial in trials:
        told: dict[str, Any] = {f"memory.{name}": 1 for name in ("ready", "computed", "waited_s", "bytes", "evicted")}
        told |= {"train_s": 5.0, "notes": [HOSTILE]}
        live.on_trial_result(0, trials, trial, told)
    assert console.export_text() == f"note: {HOSTILE}\n"

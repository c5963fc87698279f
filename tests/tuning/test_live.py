"""What stands on the screen while a search runs, at the widths that terminals have."""

import io
from collections.abc import Callable
from typing import Any

import pytest
from ray.tune.experiment.trial import Trial
from rich.console import Console

from platform.config.run import RunConfig
from platform.results.record import TrialRecord
from platform.results.run_folder import RunFolder
from platform.tuning.live import LiveTable
from platform.tuning.recorder import Recorder

Config = Callable[..., RunConfig]
HOSTILE = "boom [/x] [red]"
SETTINGS: dict[str, Any] = {  # kth's widest
    "sources": ["digits_1", "digits_2", "digits_3"],
    "start": "digits_2",
    "tmu": {"merge": "softmax", "layers": [0, 1, 2, 3], "bias": 0.5},
    "distil": {"weight": 0.0312},
    "learning_rate": 3.4e-4,
}


@pytest.fixture
def screen(tiny_config: Config, tmp_path: Any) -> Callable[..., str]:
    """`screen(width, record, ...)`: the text of the table with a running trial 7 above these ended ones."""

    def render(width: int, *records: TrialRecord, settings: dict[str, Any] = SETTINGS) -> str:
        config = tiny_config("training.epochs=20")
        recorder = Recorder(config, RunFolder(tmp_path))
        console = Console(width=width, record=True, file=io.StringIO())
        live = LiveTable(config, recorder, console, config.search.trials)
        trial = Trial("", stub=True, config={"trial": 7, "settings": settings})
        for callback in (recorder, live):
            callback.on_trial_start(0, [trial], trial)
        recorder.running[7].append({"epoch": 13.0, "mse": 51.27})
        recorder.records = {record.trial: record for record in records}
        console.print(live.render())
        return console.export_text()

    return render


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
def test_trial_state_epoch_and_score_are_whole_at_every_width(screen: Callable[..., str], width: int) -> None:
    lines = screen(width, ended(3), ended(12, state="stopped", epochs=4, metrics={"mse": 60.5})).splitlines()
    assert lines[0].split()[:4] == ["trial", "state", "epoch", "mse"]
    assert lines[1].split()[:4] == ["7", "running", "13/20", "51.27"]
    assert lines[2].split()[:4] == ["3", "finished", "20/20", "47.65"]
    assert lines[3].split()[:4] == ["12", "stopped", "4/20", "60.5"]
    assert all(len(line) <= width for line in lines)


def test_a_wide_terminal_shows_every_setting_whole(screen: Callable[..., str]) -> None:
    row = screen(140, ended(3)).splitlines()[2]
    for text in ("digits_1 digits_2 digits_3", "softmax [0, 1, 2, 3]", "0.0312", "0.00034"):
        assert text in row


def test_a_narrow_terminal_still_shows_the_sources(screen: Callable[..., str]) -> None:
    assert "sources" in screen(80, ended(3)).splitlines()[0]
    assert "digits_1" in screen(80, ended(3)).splitlines()[2]


def test_source_names_are_never_taken_for_markup(screen: Callable[..., str]) -> None:
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


def test_the_summary_tells_how_much_memory_was_ready_and_how_long_it_was_waited_for(
    tiny_config: Config, tmp_path: Any
) -> None:
    config = tiny_config()
    live = LiveTable(config, Recorder(config, RunFolder(tmp_path)), Console(width=200), config.search.trials)
    trials = [Trial("", stub=True, config={"trial": number, "settings": SETTINGS}) for number in range(2)]
    for epoch in (1, 2):  # counters add up over a trial's epochs, its training time is told for each
        for trial in trials:
            told: dict[str, Any] = {f"memory.{name}": 9 * epoch for name in ("ready", "bytes", "evicted")}
            told |= {"memory.computed": 1, "memory.waited_s": 0.1 * epoch, "train_s": 5.0}
            live.on_trial_result(0, trials, trial, told)
    assert "memory 95% ready, waited for 2.0% of training, 36 bytes read, 36 evicted" in live._summary().plain


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

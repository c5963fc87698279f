"""A long table of results is not written anew for every trial, and a driver that is killed loses nothing by it."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ray.train import Checkpoint
from ray.train._internal.session import _TrainingResult
from ray.train._internal.storage import StorageContext
from ray.tune.experiment.trial import Trial

from platform.config.run import RunConfig
from platform.results.progress import read_running
from platform.results.record import read_results
from platform.results.run_folder import RunFolder
from platform.tuning.keeping import recorder as module
from platform.tuning.keeping.recorder import INTERRUPTED, Recorder

Config = Callable[..., RunConfig]
SHORT, TRIALS, KEPT = 3, 9, 4
pytestmark = pytest.mark.usefixtures("local_ray")  # a Tune trial asks it for its folder


@pytest.fixture
def recorder(tiny_config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recorder:
    """Of a table that counts as long from its fourth row on, and is then due after an hour."""
    monkeypatch.setattr(module, "WRITTEN_AT_ONCE", SHORT)
    monkeypatch.setattr(module, "PAUSE", 1e9)
    return Recorder(tiny_config(), RunFolder(tmp_path / "run"))


def begin(recorder: Recorder, number: int) -> Trial:
    storage = StorageContext(str(recorder.folder.path), "trials", trial_dir_name=f"{number:05d}")
    settings: dict[str, Any] = {"sources": [], "start": "scratch"}
    trial = Trial("", stub=True, config={"trial": number, "settings": settings}, storage=storage)
    Path(trial.local_path).mkdir(parents=True, exist_ok=True)
    recorder.on_trial_start(0, [trial], trial)
    return trial


def finish(recorder: Recorder, number: int) -> None:
    """A trial starts, reports its last epoch with a checkpoint, and ends, as Tune tells it."""
    trial = begin(recorder, number)
    row = {"epoch": 3, "last_epoch": True, "mse": 50.0 - number}
    trial.run_metadata.last_result = row
    folder = recorder.folder.trial(f"{number:05d}") / "checkpoint_000000"
    folder.mkdir(parents=True)
    made = _TrainingResult(checkpoint=Checkpoint(str(folder)), metrics=row)
    trial.run_metadata.checkpoint_manager.register_checkpoint(made)
    recorder.on_trial_result(1, [trial], trial, row)
    recorder.on_trial_complete(1, [trial], trial)


def with_checkpoints(folder: RunFolder) -> list[int]:
    return sorted(int(path.parent.name) for path in folder.trials.glob("*/checkpoint_*"))


def test_a_look_at_what_runs_changes_nothing(recorder: Recorder) -> None:
    """The terminal's thread looks at any moment, and what it puts together may be old when it is done."""
    begin(recorder, 0)
    known = recorder._begun[0].known
    assert known is not None
    [seen] = recorder.running
    assert seen.trial == 0
    assert recorder._begun[0].known is known


def test_what_is_in_no_table_yet_can_be_gone_on_with(recorder: Recorder, tmp_path: Path) -> None:
    for number in range(TRIALS):
        finish(recorder, number)
    folder = recorder.folder
    assert [record.trial for record in read_results(folder.results)] == list(range(SHORT))
    unwritten = list(range(SHORT, TRIALS))
    running = read_running(folder.running).trials
    assert [(trial.trial, len(trial.curve)) for trial in running] == [(number, 1) for number in unwritten]
    assert set(unwritten) <= set(with_checkpoints(folder))
    assert recorder.running == [], "nobody is told that they run"
    assert sorted(recorder.records) == list(range(TRIALS))


def test_the_table_is_written_when_it_is_due_and_only_then_are_checkpoints_dropped(recorder: Recorder) -> None:
    for number in range(TRIALS):
        finish(recorder, number)
    recorder.on_step_end(2, [])
    assert len(read_results(recorder.folder.results)) == SHORT
    recorder._table_due = 0.0
    recorder.on_step_end(3, [])
    assert [record.trial for record in read_results(recorder.folder.results)] == list(range(TRIALS))
    assert read_running(recorder.folder.running).trials == ()
    assert with_checkpoints(recorder.folder) == list(range(TRIALS - KEPT, TRIALS)), "the best"


def test_a_search_that_ends_writes_all(recorder: Recorder) -> None:
    for number in range(TRIALS):
        finish(recorder, number)
    recorder.interrupt(INTERRUPTED)
    records = read_results(recorder.folder.results)
    assert {record.state for record in records} == {"finished"}
    assert len(records) == TRIALS
    assert read_running(recorder.folder.running).trials == ()
    shutil.rmtree(recorder.folder.path)

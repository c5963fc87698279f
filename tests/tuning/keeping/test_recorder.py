"""What the recorder keeps of Tune's trials: a row each, and the checkpoints worth keeping."""

from collections.abc import Callable
from pathlib import Path

import pytest
from ray.exceptions import RayTaskError
from ray.train import Checkpoint
from ray.train._internal.session import _TrainingResult
from ray.train._internal.storage import StorageContext
from ray.tune.experiment.trial import Trial

from platform.config.run import RunConfig
from platform.results.progress import RunningTrial, read_running
from platform.results.record import TrialRecord, read_results
from platform.results.run_folder import RunFolder
from platform.training.run import TrainingDiverged
from platform.tuning.keeping.recorder import INTERRUPTED, Recorder
from platform.tuning.trials.resuming import Past

Config = Callable[..., RunConfig]
SETTINGS = {"sources": ["one"], "start": "scratch"}
pytestmark = pytest.mark.usefixtures("local_ray")  # a Tune trial asks it for its folder


@pytest.fixture
def recorder(tiny_config: Config, tmp_path: Path) -> Recorder:
    return Recorder(tiny_config(), RunFolder(tmp_path / "run"))


def trial(recorder: Recorder, number: int) -> Trial:
    """A Tune trial that has started, with its folder; nothing trains."""
    storage = StorageContext(str(recorder.folder.path), "trials", trial_dir_name=f"{number:05d}")
    made = Trial("", stub=True, config={"trial": number, "settings": SETTINGS}, storage=storage)
    Path(made.local_path).mkdir(parents=True, exist_ok=True)
    recorder.on_trial_start(0, [made], made)
    return made


def epoch(recorder: Recorder, trial: Trial, number: int, **result: float) -> None:
    """The trial reports an epoch and leaves a checkpoint, as Tune does."""
    row = {"epoch": number, "last_epoch": number == 3, "mse": 50.0 - number, "last_frame.mse": 48.4, **result}
    trial.run_metadata.last_result = row
    folder = recorder.folder.trial(trial.custom_dirname or f"{trial.config['trial']:05d}") / f"checkpoint_{number:06d}"
    folder.mkdir(parents=True)
    checkpoint = _TrainingResult(checkpoint=Checkpoint(str(folder)), metrics=row)
    trial.run_metadata.checkpoint_manager.register_checkpoint(checkpoint)
    recorder.on_trial_result(number, [trial], trial, row)


def finish(recorder: Recorder, number: int, **result: float) -> None:
    made = trial(recorder, number)
    epoch(recorder, made, 3, **result)
    recorder.on_trial_complete(0, [made], made)


def row(recorder: Recorder) -> TrialRecord:
    (record,) = read_results(recorder.folder.results)
    return record


def kept(recorder: Recorder) -> list[int]:
    return sorted(int(path.parent.name) for path in recorder.folder.trials.glob("*/checkpoint_*"))


def test_a_trial_that_trained_to_the_end_is_finished(recorder: Recorder) -> None:
    made = trial(recorder, 5)
    for number in (1, 2, 3):
        epoch(recorder, made, number)
    recorder.on_trial_complete(0, [made], made)
    record = row(recorder)
    assert (record.trial, record.id, record.state, record.reason, record.epochs) == (5, "00005", "finished", None, 3)
    assert record.metrics["mse"] == 47.0
    assert record.last_frame == {"mse": 48.4}
    assert [entry["mse"] for entry in record.curve] == [49.0, 48.0, 47.0]
    assert record.settings == SETTINGS
    assert recorder.running == []


def test_a_trial_that_tune_ended_early_is_stopped_and_says_when(recorder: Recorder) -> None:
    made = trial(recorder, 0)
    epoch(recorder, made, 1)
    recorder.on_trial_complete(0, [made], made)
    assert row(recorder).state == "stopped"
    assert "after epoch 1" in (row(recorder).reason or "")


def test_a_trial_that_never_reported_is_interrupted(recorder: Recorder) -> None:
    made = trial(recorder, 0)
    recorder.on_trial_complete(0, [made], made)
    recorder.interrupt(INTERRUPTED)
    assert (row(recorder).state, row(recorder).epochs) == ("interrupted", 0)


def test_a_failed_trial_keeps_its_curve_and_tells_its_reason(recorder: Recorder) -> None:
    made = trial(recorder, 0)
    epoch(recorder, made, 1)
    raised = TrainingDiverged("the loss became nan [/x] [red]: lower learning_rate")
    made.handle_error(RayTaskError("train", f"platform.training.run.TrainingDiverged: {raised}", raised))
    recorder.on_trial_error(0, [made], made)
    record = row(recorder)
    assert (record.state, record.epochs, len(record.curve)) == ("failed", 1, 1)
    assert record.reason == "the loss became nan [/x] [red]: lower learning_rate"


def test_a_trial_that_failed_without_an_error_file_is_a_row_too(recorder: Recorder) -> None:
    made = trial(recorder, 0)
    recorder.on_trial_error(0, [made], made)
    assert row(recorder).state == "failed"
    assert row(recorder).reason == "no reason was recorded"


def test_an_interrupted_search_ends_what_ran_and_leaves_what_had_ended(recorder: Recorder) -> None:
    finish(recorder, 0)
    epoch(recorder, trial(recorder, 1), 1)
    recorder.interrupt(INTERRUPTED)
    states = {record.trial: (record.state, record.epochs) for record in read_results(recorder.folder.results)}
    assert states == {0: ("finished", 3), 1: ("interrupted", 1)}


def test_a_search_that_is_interrupted_before_its_first_trial_has_an_empty_table(recorder: Recorder) -> None:
    recorder.interrupt(INTERRUPTED)
    assert read_results(recorder.folder.results) == []


def test_losers_lose_their_checkpoints_and_the_best_four_keep_theirs(recorder: Recorder) -> None:
    for number, mse in enumerate([40.0, 30.0, 45.0, 20.0, 50.0, 35.0]):
        finish(recorder, number, mse=mse)
    assert kept(recorder) == [0, 1, 3, 5]
    assert sorted(recorder.checkpoints) == [0, 1, 3, 5]


def test_the_pareto_set_keeps_its_checkpoints_however_bad_its_first_objective(
    tiny_config: Config, tmp_path: Path
) -> None:
    recorder = Recorder(tiny_config("search.objectives=[mse, parameters]"), RunFolder(tmp_path / "run"))
    for number, (mse, size) in enumerate([(40, 9.0), (30, 9.0), (45, 9.0), (20, 9.0), (50, 1.0), (35, 9.0)]):
        finish(recorder, number, mse=mse, parameters=size)
    assert kept(recorder) == [0, 1, 3, 4, 5]
    assert [record.trial for record in recorder.pareto()] == [3, 4]


def test_a_curve_has_what_is_searched_for_whatever_it_is(tiny_config: Config, tmp_path: Path) -> None:
    """Successive halving that goes on reads it there."""
    config = tiny_config()
    search = config.search.model_copy(update={"objectives": ["csi_16"]})
    recorder = Recorder(config.model_copy(update={"search": search}), RunFolder(tmp_path / "run"))
    finish(recorder, 0, csi_16=0.5)
    assert row(recorder).curve[-1]["csi_16"] == 0.5


def test_memory_counts_of_processes_that_died_stay_in_the_sum(recorder: Recorder) -> None:
    made = trial(recorder, 0)
    epoch(recorder, made, 1, **{"memory.ready": 8.0})
    recorder.on_trial_recover(0, [made], made)
    recorder.on_trial_start(0, [made], made)
    epoch(recorder, made, 2, **{"memory.ready": 5.0})  # counted from nothing by the new process
    epoch(recorder, made, 3, **{"memory.ready": 9.0})
    recorder.on_trial_complete(0, [made], made)
    assert row(recorder).memory == {"ready": 17.0}


def test_trials_to_go_on_with_are_not_forgotten_before_they_have_begun(tiny_config: Config, tmp_path: Path) -> None:
    unfinished = {
        number: RunningTrial(
            trial=number,
            id=f"{number:05d}",
            seed=100_000 + number,
            settings=SETTINGS,
            curve=({"epoch": 1.0, "mse": 40.0},),
            row={"epoch": 1.0, "mse": 40.0},
            spent_s=10.0,
        )
        for number in (3, 4)
    }
    folder = RunFolder(tmp_path / "run")
    recorder = Recorder(tiny_config(), folder, Past(unfinished=unfinished))
    trial(recorder, 3)
    assert [each.trial for each in read_running(folder.running).trials] == [3, 4]
    recorder.interrupt(INTERRUPTED)
    assert [each.model_dump(exclude={"spent_s"}) for each in read_running(folder.running).trials] == [
        each.model_dump(exclude={"spent_s"}) for each in unfinished.values()
    ]
    rows = read_results(folder.results)
    assert [(row.trial, row.state, row.epochs, row.metrics["mse"]) for row in rows] == [
        (3, "interrupted", 1, 40.0),
        (4, "interrupted", 1, 40.0),
    ]
    assert rows[1].duration_s == 10.0

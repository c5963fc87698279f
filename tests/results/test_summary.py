"""A run is read as far as it goes: what is there counts, what is missing is named, nothing crashes."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from platform.config.errors import UserError
from platform.results.record import TrialRecord, TrialState, write_results
from platform.results.run_folder import RunFolder
from platform.results.summary import RunSummary


@pytest.fixture
def copied_run(finished_run: RunFolder, tmp_path: Path) -> RunFolder:
    shutil.copytree(finished_run.path, tmp_path / "run")
    return RunFolder(tmp_path / "run")


def one(trial: int, mse: float | None, *, state: TrialState = "finished", **more: float) -> TrialRecord:
    metrics = more if mse is None else {"mse": mse, **more}
    return TrialRecord(trial=trial, id=f"t{trial}", state=state, seed=0, settings={"sources": []}, metrics=metrics)


def summary_of(folder: RunFolder, records: list[TrialRecord], config: str = "name: kth\n") -> RunSummary:
    folder.path.mkdir(parents=True, exist_ok=True)
    folder.config.write_text(config)
    write_results(folder.results, records)
    return RunSummary.read(folder.path)


def test_a_finished_run_misses_nothing(finished_run: RunFolder) -> None:
    summary = RunSummary.read(finished_run.path)

    assert summary.missing == ()
    assert summary.benchmark == "kth (synthetic)"
    assert summary.sources == ("digits_1", "digits_2", "digits_3")
    assert len(summary.records) == 16


def test_only_trials_that_finished_compete_for_the_best(tmp_path: Path) -> None:
    records = [one(0, 30.0), one(1, 10.0, state="stopped"), one(2, 28.0), one(3, None, state="failed")]

    best = summary_of(RunFolder(tmp_path), records).best
    assert best is not None
    assert best.trial == 2


def test_where_no_trial_finished_the_best_stopped_one_stands_in(tmp_path: Path) -> None:
    best = summary_of(RunFolder(tmp_path), [one(0, 30.0, state="stopped"), one(1, 20.0, state="stopped")]).best

    assert best is not None
    assert (best.trial, best.state) == (1, "stopped")


def test_an_objective_that_grows_is_best_when_largest(tmp_path: Path) -> None:
    records = [one(0, 9.0, ssim=0.7), one(1, 8.0, ssim=0.9)]

    best = summary_of(RunFolder(tmp_path), records, "search: {objectives: [ssim]}\n").best
    assert best is not None
    assert best.trial == 1


def test_the_pareto_set_holds_every_trial_that_none_beats_and_ties_too(tmp_path: Path) -> None:
    points = [(30, 100), (20, 200), (25, 300), (20, 200), (40, 90)]
    records = [one(i, float(mse), parameters=float(p)) for i, (mse, p) in enumerate(points)]
    summary = summary_of(RunFolder(tmp_path), records, "search: {objectives: [mse, parameters]}\n")

    assert [record.trial for record in summary.pareto] == [1, 3, 0, 4]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("results.parquet", "No trial has ended yet"),
        ("config.yaml", "The configuration is not there"),
        ("provenance.json", "What the run was made of was not recorded"),
    ],
)
def test_a_file_that_is_not_there_is_named_and_the_rest_is_read(copied_run: RunFolder, name: str, says: str) -> None:
    (copied_run.path / name).unlink()

    summary = RunSummary.read(copied_run.path)
    assert [says in text for text in summary.missing] == [True]


@pytest.mark.parametrize("name", ["results.parquet", "config.yaml", "provenance.json"])
def test_a_damaged_file_is_named_and_the_rest_is_read(copied_run: RunFolder, name: str) -> None:
    (copied_run.path / name).write_bytes(b"{\x00\xff half a file")

    (text,) = RunSummary.read(copied_run.path).missing
    assert name in text
    assert "cannot be read" in text


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"is no run folder: it holds neither config.yaml nor results.parquet"):
        RunSummary.read(tmp_path)
    with pytest.raises(UserError, match="does not exist; give a run folder"):
        RunSummary.read(tmp_path / "nowhere")


def test_the_folder_of_all_runs_points_to_the_last_one(tmp_path: Path, build_run: Callable[..., RunFolder]) -> None:
    run = build_run(tmp_path / "runs" / "kth-1", num_trials=0)

    with pytest.raises(UserError, match=f"Did you mean {run.path}"):
        RunSummary.read(tmp_path / "runs")

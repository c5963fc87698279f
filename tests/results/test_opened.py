"""`open_run`: the four lines of the README."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from platform.config.errors import UserError
from platform.results import open_run
from platform.results.run_folder import RunFolder


def test_trials_and_curves_are_tables(finished_run: RunFolder) -> None:
    run = open_run(finished_run.path)
    trials = run.trials.to_pandas()
    assert len(trials) == len(run.records) == 16
    assert trials.loc[trials.state == "finished", "metric.mse"].notna().all()
    assert {"settings.learning_rate", "source.digits_2", "epochs", "duration_s"} <= set(trials)
    assert not {"record", "curve"} & set(trials)
    curves = run.curves.to_pandas()
    assert len(curves) == sum(record.epochs for record in run.records)
    assert set(curves.columns) >= {"trial", "epoch", "train_loss", "mse"}
    assert run.best is not None
    assert trials.loc[run.best.trial, "metric.mse"] == curves[curves.trial == run.best.trial].mse.iloc[-1]
    assert "16 trials on kth (synthetic)" in repr(run)


def test_predictions_are_arrays_and_what_is_not_there_is_told(finished_run: RunFolder, tmp_path: Path) -> None:
    run = open_run(str(finished_run.path))
    predictions = run.predictions
    true = predictions.clips[2, 10:].astype(float) / 255
    guess = predictions.predicted[2, 9:].astype(float) / 255
    assert predictions.mse[2] == pytest.approx(np.sum((true - guess) ** 2) / 10, rel=1e-5)  # as the score of that name
    assert run.best is not None
    assert run.looks[0].facts.trial == run.best.trial
    assert run.confirmed is None
    with pytest.raises(UserError, match="has no best/ yet"):
        run.network()
    shutil.copytree(finished_run.path, tmp_path / "run")
    for look in (tmp_path / "run").rglob("look.npz"):
        look.unlink()
    with pytest.raises(UserError, match="has no predictions yet"):
        _ = open_run(tmp_path / "run").predictions


def test_an_empty_run_has_empty_tables(finished_run: RunFolder, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_bytes(finished_run.config.read_bytes())
    run = open_run(tmp_path)
    assert run.trials.num_rows == run.curves.num_rows == 0
    assert run.best is None

"""The report's tables as files."""

import shutil
from pathlib import Path

import pandas as pd
import pytest

from platform.reporting.export import write_tables
from platform.results.findings import Findings
from platform.results.run_folder import RunFolder
from tests.made_confirmations import confirm


@pytest.fixture
def tables(finished_run: RunFolder, tmp_path: Path) -> Path:
    shutil.copytree(finished_run.path, tmp_path / "run")
    return write_tables(Findings.read(tmp_path / "run"))


def test_each_table_says_the_same_as_csv_and_as_parquet(tables: Path) -> None:
    names = {path.stem for path in tables.iterdir()}
    assert names == {"trials", "curves", "sources", "pairs", "importances"}
    for name in names:
        one, other = pd.read_csv(tables / f"{name}.csv"), pd.read_parquet(tables / f"{name}.parquet")
        assert list(one) == list(other)
        assert len(one) == len(other)
        for column in other.select_dtypes("number"):
            pd.testing.assert_series_equal(one[column].astype(float), other[column].astype(float), check_names=False)


def test_numbers_are_those_of_the_findings(tables: Path) -> None:
    findings = Findings.read(tables.parent)
    sources = pd.read_csv(tables / "sources.csv").set_index("source")
    effect = next(effect for effect in findings.effects if effect.source == "digits_2")
    assert sources.loc["digits_2", "difference"] == pytest.approx(effect.difference)
    assert sources.loc["digits_2", "n_with"] == len(effect.inside.scores)
    trials = pd.read_csv(tables / "trials.csv").set_index("trial")
    assert findings.summary.best is not None
    assert trials[trials.state == "finished"]["metric.mse"].idxmin() == findings.summary.best.trial


def test_tables_of_a_confirmation_go_with_it_and_files_of_others_stay(tables: Path) -> None:
    run = RunFolder(tables.parent)
    confirm(run, {"trial_3": ("best", ["digits_2"], 30.0), "scratch": ("scratch", [], 33.0)})
    write_tables(Findings.read(run.path))
    ours = {f"{name}.{kind}" for name in ("confirmed", "contrasts") for kind in ("csv", "parquet")}
    others = {"notes.csv", "confirmed.xlsx"}
    for name in others:
        (tables / name).touch()
    assert {path.name for path in tables.iterdir()} >= ours | others
    shutil.rmtree(run.confirm)
    write_tables(Findings.read(run.path))
    left = {path.name for path in tables.iterdir()}
    assert not left & ours
    assert left >= others | {"trials.csv", "sources.parquet"}

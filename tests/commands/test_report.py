"""`python -m platform.report RUN`, run as a user runs it."""

import subprocess
import sys
from pathlib import Path

from platform.results.record import TrialRecord, write_results
from platform.results.run_folder import RunFolder


def report(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "platform.report", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=400)


def test_it_writes_the_report_and_prints_its_path_and_nothing_else(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "a run")
    run.path.mkdir()
    run.config.write_text("name: kth\n")
    trial = TrialRecord(trial=0, id="0", state="finished", seed=0, settings={"sources": []}, metrics={"mse": 30.0})
    write_results(run.results, [trial])

    done = report("a run", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "a run/report.html\n"
    assert "Trial 0 is the only trial that finished" in run.report.read_text()


def test_a_folder_that_is_no_run_gives_one_line_and_writes_nothing(tmp_path: Path) -> None:
    done = report(".", folder=tmp_path)

    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "is no run folder: it holds neither config.yaml nor results.parquet" in done.stderr
    assert list(tmp_path.iterdir()) == []

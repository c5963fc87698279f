"""`python -m platform.report` where the run may not be read, or not be written."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from platform.results.run_folder import RunFolder
from tests.reporting.test_comparison import FLAT, record, run_folder

# Root may read and write everything, unless it gives that up.
AS_OTHERS = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"] if os.geteuid() == 0 else []


@pytest.fixture
def run(finished_run: RunFolder, tmp_path: Path) -> RunFolder:
    """As a search leaves it, whatever other tests made of it."""
    shutil.copytree(finished_run.path, tmp_path / "run", ignore=shutil.ignore_patterns("tables", "report.html"))
    return RunFolder(tmp_path / "run")


def report(run: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [*AS_OTHERS, sys.executable, "-m", "platform.report", str(run), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=400)


def test_a_folder_that_may_not_be_written_is_told_with_the_way_to_read_it_all_the_same(run: RunFolder) -> None:
    run.path.chmod(0o555)
    refused = report(run.path)
    assert refused.returncode == 2
    assert "Traceback" not in refused.stderr
    assert f"{run.tables} cannot be written (Permission denied)" in refused.stderr
    assert f"python -m platform.report {run.path} --text" in refused.stderr
    told = report(run.path, "--text")
    assert told.returncode == 0
    assert "is the best of 12 finished trials" in told.stdout
    run.path.chmod(0o755)


@pytest.mark.parametrize("options", [[], ["--text"]])
def test_a_folder_that_may_not_be_read_is_told_with_whom_to_ask(run: RunFolder, options: list[str]) -> None:
    run.path.chmod(0o000)
    refused = report(run.path, *options)
    run.path.chmod(0o755)
    assert refused.returncode == 2
    assert "Traceback" not in refused.stderr
    assert "cannot be read (Permission denied)" in refused.stderr
    assert f"chmod -R a+rX {run.path}" in refused.stderr


def test_a_comparison_that_may_not_be_written_is_told_likewise(tmp_path: Path) -> None:
    path = run_folder(tmp_path / "r", [record(0, 0, FLAT), record(1, 0, FLAT)])
    path.chmod(0o555)
    refused = report(path)
    path.chmod(0o755)
    assert refused.returncode == 2
    assert "cannot be written (Permission denied)" in refused.stderr
    assert f"python -m platform.report {path} --text" in refused.stderr

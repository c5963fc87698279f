"""A skip that nobody expected fails the run in CI, and only there."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).parents[1] / "conftest.py"


def outcome_of(test: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run one test file under a copy of our conftest.py."""
    shutil.copy(CONFTEST, folder)
    (folder / "test_it.py").write_text(test)
    command = [sys.executable, "-m", "pytest", "-q", "-W", "ignore", "-p", "no:cacheprovider", str(folder)]
    clean = {name: value for name, value in os.environ.items() if name not in ("CI", "TMU_DATA", "PYTEST_ADDOPTS")}
    return subprocess.run(command, cwd=folder, env={**clean, **environment}, capture_output=True, text=True, timeout=60)


SKIPS_FOR_ANOTHER_REASON = """
import pytest
def test_that_wants_something():
    pytest.skip("no such program")
"""
SKIPS_AS_A_WHOLE = """
import pytest
pytest.importorskip("a_package_that_nobody_has")
def test_never_collected(): ...
"""
WANTS_REAL_DATA = """
import pytest
@pytest.mark.real_data
def test_on_recordings(data_root): ...
def test_that_always_runs(): ...
"""


@pytest.mark.parametrize("test", [SKIPS_FOR_ANOTHER_REASON, SKIPS_AS_A_WHOLE])
def test_an_unexpected_skip_is_named_and_fails_in_ci(test: str, tmp_path: Path) -> None:
    done = outcome_of(test, tmp_path, CI="true")

    assert done.returncode != 0
    assert "skips that EXPECTED_SKIPS in tests/conftest.py does not list" in done.stdout


def test_an_unexpected_skip_fails_nobody_elses_run(tmp_path: Path) -> None:
    assert outcome_of(SKIPS_FOR_ANOTHER_REASON, tmp_path).returncode == 0


def test_missing_recordings_are_an_expected_skip(tmp_path: Path) -> None:
    done = outcome_of(WANTS_REAL_DATA, tmp_path, CI="true")

    assert done.returncode == 0, done.stdout
    assert "1 passed, 1 skipped" in done.stdout


def test_recordings_that_are_named_but_absent_are_an_error(tmp_path: Path) -> None:
    done = outcome_of(WANTS_REAL_DATA, tmp_path, TMU_DATA=str(tmp_path / "nowhere"))

    assert done.returncode != 0
    assert "is not a folder. Point it at the recordings, or unset it." in done.stdout + done.stderr

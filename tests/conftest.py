"""What every test may ask for: a local Ray, the real recordings, a soak's length; and which skips are fine.

Nothing here touches the user's own caches or Ray clusters.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from platform.naming import check_single_copy

# The only reasons to leave a test out. With CI=true any other skip fails the run, so that a missing install
# step cannot hide behind a skip.
NO_REAL_DATA = "TMU_DATA is not set, so there are no real recordings"
EXPECTED_SKIPS = (NO_REAL_DATA, "no Python 3.11 on this machine", "no Python 3.12 on this machine")

_unexpected_skips: list[str] = []


def pytest_configure(config: pytest.Config) -> None:
    check_single_copy()
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    home = tempfile.mkdtemp(prefix="tmu-home-")
    config.add_cleanup(lambda: shutil.rmtree(home, ignore_errors=True))
    os.environ["TMU_HOME"] = home


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    data = os.environ.get("TMU_DATA")
    if data and not Path(data).is_dir():
        raise pytest.UsageError(f"TMU_DATA={data} is not a folder. Point it at the recordings, or unset it.")
    for item in items:
        if not data and item.get_closest_marker("real_data"):
            item.add_marker(pytest.mark.skip(reason=NO_REAL_DATA))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    _note_skip(report)


def pytest_collectreport(report: pytest.CollectReport) -> None:
    _note_skip(report)


def _note_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    if report.skipped and not hasattr(report, "wasxfail") and isinstance(report.longrepr, tuple):
        reason = str(report.longrepr[2]).removeprefix("Skipped: ")
        if reason not in EXPECTED_SKIPS:
            _unexpected_skips.append(f"{report.nodeid}: {reason}")


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    if _unexpected_skips and os.environ.get("CI") == "true" and exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _unexpected_skips:
        terminalreporter.section("skips that EXPECTED_SKIPS in tests/conftest.py does not list")
        for line in _unexpected_skips:
            terminalreporter.line(line)


@pytest.fixture(scope="session")
def local_ray() -> Iterator[None]:
    """A Ray of two CPUs on this machine, shared by all tests that ask for it. Starting it takes 3 s.

    A test that needs another shape (pretend GPUs, a node that dies) runs it in a process of its own.
    """
    import ray

    # Ray's sockets lie in here and their paths may not exceed 107 bytes: pytest's tmp_path is too long.
    folder = tempfile.mkdtemp(prefix="ray-", dir="/tmp")
    ray.init(
        address="local",
        num_cpus=2,
        object_store_memory=200_000_000,
        include_dashboard=False,
        log_to_driver=False,
        _temp_dir=folder,
    )
    yield
    ray.shutdown()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder of real recordings (`kth/`, `mnist/`, ...), for tests marked `real_data`."""
    data = os.environ.get("TMU_DATA")
    if not data:
        pytest.skip(NO_REAL_DATA)
    return Path(data)


@pytest.fixture(scope="session")
def soak_s() -> float:
    """How long a soak test goes on, in seconds: TMU_SOAK_S, or one minute."""
    return float(os.environ.get("TMU_SOAK_S", "60"))

"""What every test may ask for: a local Ray, the real recordings, a soak's length; and which skips are fine.

Nothing here touches the user's own caches or Ray clusters.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from platform.benchmarks.recording import Found, Recording
from platform.benchmarks.store_writer import write_store
from platform.config.home import Home
from platform.config.load import load_run
from platform.config.run import RunConfig
from platform.naming import MixedCopies, check_single_copy
from tests.given import TINY

# Run folders as a search leaves them, Chromium, an S3 server.
pytest_plugins = ("tests.made_runs", "tests.browsers", "tests.object_storage", "tests.hosts")

# The only reasons to leave a test out. With CI=true any other skip fails the run, so that a missing install
# step cannot hide behind a skip.
NO_REAL_DATA = "TMU_DATA is not set, so there are no real recordings"
EXPECTED_SKIPS = (
    NO_REAL_DATA,
    "no CUDA GPU on this machine",
    "only root can mount a disk that is too small",
    "only root can hide a folder from one raylet",
    "only root can lay a network",
    "no Python 3.11 on this machine",
    "no Python 3.12 on this machine",
)

_unexpected_skips: list[str] = []


def pytest_configure(config: pytest.Config) -> None:
    try:
        check_single_copy()
    except MixedCopies as mixed:
        raise pytest.UsageError(str(mixed)) from None
    torch.set_num_threads(1)  # two cores are shared with Ray workers
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


@pytest.fixture(scope="session")
def tiny_home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home with prepared 16x16 flying digits (one bright square each, really) and a bank with one source."""
    home = Home(tmp_path_factory.mktemp("home"))
    for digits in (1, 2):
        recordings = [
            Recording(
                name=f"{pool}{number}",
                group=pool,
                category="digits",
                key=f"{pool}{number}",
                load=partial(moving_squares, digits, [digits, *pool.encode(), number]),
                num_frames=6,
            )
            for pool, count in (("train", 20), ("validation", 6), ("test", 6))
            for number in range(count)
        ]
        write_store(
            home.benchmarks / f"flying_digits_{digits}-16",
            Found(recordings, frame_size=(16, 16), provenance={"source": "tests/conftest.py"}),
            dataset=f"flying_digits_{digits}",
            synthetic=False,
            reader_version="1",
        )
    return home


def moving_squares(count: int, seed: list[int]) -> np.ndarray:
    """uint8 (6, 16, 16, 1): 4x4 squares that move a pixel a frame.

    Their brightness tells the pools apart, or by chance two splits would share frames, which is refused.
    """
    brightness = 255 - len(seed)  # the pool's letters are in it
    rng, frames = np.random.default_rng(seed), np.zeros((6, 16, 16, 1), np.uint8)
    for _ in range(count):
        place, speed = rng.integers(0, 12, 2), rng.choice([-1, 1], 2)
        for t in range(6):
            y, x = np.clip(place + t * speed, 0, 12)
            frames[t, y : y + 4, x : x + 4] = brightness
    return frames


@pytest.fixture(scope="session")
def tiny_config() -> Callable[..., RunConfig]:
    """`tiny_config("search.trials=2", ...)`: a run on `tiny_home` with two sources; a trial takes a second."""

    def make(*overrides: str) -> RunConfig:
        return load_run(str(TINY), profile="laptop", overrides=overrides)

    return make

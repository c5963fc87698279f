"""Searches as processes of their own, to be killed, stopped and starved."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import optuna
import psutil
import pytest

from platform.config.home import Home
from platform.results.progress import read_running
from platform.results.record import TrialRecord, read_results
from platform.results.run_folder import RunFolder
from platform.results.stored_run import run_at
from tests.given import TINY

LONGEST_S = 400.0


@dataclass
class Search:
    """`python -m platform.search` that runs, and what it has come to."""

    run: RunFolder
    driver: "subprocess.Popen[str]"
    temporary: Path

    def epochs(self) -> int:
        """Of all trials together."""
        ended = sum(record.epochs for record in read_results(self.run.results)) if self.run.results.is_file() else 0
        return ended + sum(len(trial.curve) for trial in read_running(self.run.running).trials)

    def wait_for(self, epochs: int) -> None:
        self.wait_until(lambda: self.epochs() >= epochs)

    def wait_until(self, has_come: Callable[[], bool]) -> None:
        ends = time.monotonic() + LONGEST_S
        while not has_come():
            assert time.monotonic() < ends, f"it did not come so far within {LONGEST_S:.0f} s"
            if self.driver.poll() is not None:
                raise AssertionError("\n".join(self.driver.communicate()))
            time.sleep(0.02)

    def processes(self, name: str) -> list[psutil.Process]:
        """Those of its Ray whose title has `name` in it."""
        found = []
        for process in psutil.Process(self.driver.pid).children(recursive=True):
            try:
                if name in " ".join(process.cmdline()):
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def trials(self) -> list[psutil.Process]:
        """The processes in which trials train."""
        return self.processes("ray::ResourceTrainable") + self.processes("ray::TargetTrial")

    def kill(self) -> None:
        """Nothing, where it has ended."""
        self.driver.kill()
        self.driver.communicate()

    def end(self) -> tuple[int, str, str]:
        """Its exit code and what it said, when it has ended."""
        out, err = self.driver.communicate(timeout=LONGEST_S)
        assert "Traceback" not in out + err, out + err
        return self.driver.returncode, out, err

    def ends_well(self) -> list[TrialRecord]:
        code, out, err = self.end()
        assert code == 0, out + err
        return read_results(self.run.results)

    def study(self) -> list[optuna.trial.FrozenTrial]:
        storage = f"sqlite:///{self.run.study}"
        return optuna.load_study(study_name="search", storage=storage).get_trials()


Begin = Callable[..., Search]


@pytest.fixture
def ray_folder() -> Iterator[Path]:
    """For a Ray that a test starts: its sockets' paths may not be long."""
    with tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp", ignore_cleanup_errors=True) as name:
        yield Path(name)


@pytest.fixture
def begin(tiny_home: Home, tmp_path: Path) -> Iterator[Begin]:
    """`begin("search.trials=5", ..., run="r")` or `begin(resume=True)`; what still runs is killed in the end. `at`: the
    URI of a run in storage, whose working copy lies below `home`.

    In a short temporary folder, for the sockets of a killed driver's Ray, which goes with all that Ray left there.
    """
    begun: list[Search] = []
    with tempfile.TemporaryDirectory(prefix="tmu-", dir="/tmp", ignore_cleanup_errors=True) as temporary:

        def start(
            *changes: str,
            run: str | Path = "r",
            at: str | None = None,
            home: Home = tiny_home,
            resume: bool = False,
            options: tuple[str, ...] = (),
        ) -> Search:
            folder = run_at(at or tmp_path / run, home)
            what = ("--resume", at or str(run)) if resume else (str(TINY), "--profile", "laptop")
            where = () if resume else ("--run-dir", folder.address)
            sets = [part for change in changes for part in ("--set", change)]
            driver = subprocess.Popen(
                [sys.executable, "-m", "platform.search", *what, *where, *sets, *options],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                cwd=tmp_path,  # a run is named from here where it is gone on with, and by its whole path before
                env={**os.environ, "TMU_HOME": str(home.root), "TMPDIR": temporary},
                # A shell that started the tests in the background has Ctrl-C ignored, and children inherit that.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
            )
            begun.append(Search(folder, driver, Path(temporary)))
            return begun[-1]

        yield start
        for search in begun:
            if search.driver.poll() is None:
                search.kill()

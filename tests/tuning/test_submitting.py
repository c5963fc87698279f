"""Searches as jobs of a real Ray cluster with its dashboard, by the command line."""

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from platform.config.home import Home
from platform.results.progress import read_running
from platform.results.record import read_results
from platform.results.run_folder import RunFolder

TINY = Path(__file__).parents[1] / "fixtures" / "tiny.yaml"
pytestmark = pytest.mark.timeout(300)  # a Ray with its dashboard, and three drivers one after another


class Head:
    """`ray start --head` with a dashboard; `search` runs the command as its users would, from elsewhere."""

    def __init__(self, home: Home, temporary: str) -> None:
        self.dashboard = f"127.0.0.1:{free_port()}"
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"  # as a node whose environment is activated
        self.environment = os.environ | {"RAY_TMPDIR": temporary, "TMU_HOME": str(home.root), "PATH": path}
        self.environment["RAY_AUTH_MODE"] = "token"  # the head makes one, and lets nobody in without
        self._temporary = temporary
        self._started = subprocess.Popen(
            [
                *(sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block"),
                *("--port=0", "--num-cpus=2", "--object-store-memory=100000000", f"--temp-dir={temporary}/ray"),
                f"--dashboard-port={self.dashboard.rpartition(':')[2]}",
                f"--dashboard-agent-listen-port={free_port()}",  # which takes the job, and may be another Ray's
            ],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def search(self, *arguments: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", "platform.search", *arguments, "--submit", self.dashboard],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )

    def wait_for_it(self) -> None:
        ends = time.monotonic() + 100
        while True:
            assert time.monotonic() < ends
            assert self._started.poll() is None
            try:
                socket.create_connection(("127.0.0.1", int(self.dashboard.rpartition(":")[2])), timeout=1).close()
                return
            except OSError:
                time.sleep(0.2)

    def end(self) -> None:
        self._started.terminate()
        self._started.communicate(timeout=60)


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@pytest.fixture
def head(tiny_home: Home) -> Iterator[Head]:
    with tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp", ignore_cleanup_errors=True) as temporary:
        head = Head(tiny_home, temporary)
        try:
            head.wait_for_it()
            yield head
        finally:
            head.end()


def test_a_submitted_search_goes_on_when_its_terminal_closes_and_is_joined_again(head: Head, tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "r")
    changes = ["--set", "search.asha=null", "--set", "training.epochs=40"]
    terminal = head.search(str(TINY), "--profile", "laptop", "--run-dir", str(run.path), *changes)
    while not read_running(run.running).trials:
        assert terminal.poll() is None, terminal.communicate()
        time.sleep(0.1)
    terminal.send_signal(signal.SIGINT)
    _, err = terminal.communicate(timeout=30)
    assert terminal.returncode == 130
    told = re.search(r"Join it again: python -m platform\.search (--follow \S+) --submit", err)
    assert told is not None, err

    refused = head.search(str(TINY), "--profile", "laptop", "--run-dir", str(run.path))
    assert "is running there. Join it" in refused.communicate(timeout=60)[1]

    joined = head.search(*told[1].split())
    out, err = joined.communicate(timeout=200)
    assert joined.returncode == 0, out + err
    assert "report" in out
    assert [record.state for record in read_results(run.results)] == ["finished"] * 4
    assert "was submitted" in head.search("--stop", str(tmp_path / "other")).communicate(timeout=60)[1]


def test_a_submitted_search_is_ended_from_elsewhere_and_gone_on_with(head: Head, tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "r")
    terminal = head.search(
        *(str(TINY), "--profile", "laptop", "--run-dir", str(run.path)),
        *("--set", "search.asha=null", "--set", "training.epochs=100"),
    )
    while not any(trial.curve for trial in read_running(run.running).trials):
        assert terminal.poll() is None, terminal.communicate()
        time.sleep(0.1)
    stopped = head.search("--stop", str(run.path))
    assert stopped.communicate(timeout=100)[0] == "ended, with what had finished kept\n"
    out, err = terminal.communicate(timeout=60)
    assert "the job has stopped" in err, out + err
    again = head.search("--resume", str(run.path))
    out, err = again.communicate(timeout=200)
    assert again.returncode == 0, out + err
    assert [record.epochs for record in read_results(run.results)] == [100] * 4

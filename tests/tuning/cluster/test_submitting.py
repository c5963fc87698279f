"""Searches as jobs of a real Ray cluster with its dashboard, by the command line."""

import contextlib
import os
import re
import signal
import socket
import socketserver
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from platform.config.errors import UserError
from platform.config.home import Home
from platform.results.driven import read_driver
from platform.results.progress import read_running
from platform.results.record import read_results
from platform.results.run_folder import RunFolder
from platform.results.stored_run import fetched_run, run_at
from platform.search import search
from tests.given import TINY
from tests.heads import Head, port_of, running_head
from tests.object_storage import set_keys

LONGEST_S = 400.0
pytestmark = pytest.mark.timeout(1200)  # a Ray with its dashboard, and drivers one after another


@pytest.fixture(scope="module")
def head(tiny_home: Home) -> Iterator[Head]:
    with pytest.MonkeyPatch.context() as environment:
        set_keys(environment)  # of nodes that save runs in storage
        with running_head(tiny_home) as head:
            yield head


class Cable(socketserver.ThreadingTCPServer):
    """To the head's dashboard, by `address`. While it is pulled out nothing goes over it."""

    daemon_threads = True

    def __init__(self, head: Head) -> None:
        super().__init__(("127.0.0.1", 0), socketserver.BaseRequestHandler)
        self.address = f"127.0.0.1:{self.server_address[1]}"
        self._port = port_of(head.dashboard)
        self._ends: list[socket.socket] = []
        self._is_out = False
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def finish_request(self, request: Any, client_address: Any) -> None:
        if self._is_out:
            return
        with socket.create_connection(("127.0.0.1", self._port)) as there:
            self._ends += [request, there]
            threading.Thread(target=carry, args=(there, request), daemon=True).start()
            carry(request, there)

    def pull_out(self) -> None:
        self._is_out = True
        while self._ends:
            shut(self._ends.pop())

    def put_in(self) -> None:
        self._is_out = False


def carry(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while content := source.recv(1 << 16):
            target.sendall(content)
    shut(target)


def shut(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def cable(head: Head) -> Iterator[Cable]:
    with Cable(head) as cable:
        yield cable
        cable.shutdown()


def begin(head: Head, run: RunFolder, epochs: int, **how: str) -> "subprocess.Popen[str]":
    changes = ("--set", "search.asha=null", "--set", f"training.epochs={epochs}")
    return head.search(str(TINY), "--profile", "laptop", "--run-dir", run.address, *changes, **how)


def wait_for_trials(run: RunFolder, terminal: "subprocess.Popen[str]") -> None:
    while not any(trial.curve for trial in read_running(run.running).trials):
        assert terminal.poll() is None, terminal.communicate()
        time.sleep(0.1)


def told(terminal: "subprocess.Popen[str]") -> str:
    """The first that it says, of which nothing is left."""
    assert terminal.stdout is not None
    return os.read(terminal.stdout.fileno(), 1 << 16).decode()


def test_a_submitted_search_goes_on_when_its_terminal_closes_and_is_joined_again(
    head: Head, cable: Cable, tmp_path: Path
) -> None:
    run = RunFolder(tmp_path / "closed")
    terminal = begin(head, run, 40)
    wait_for_trials(run, terminal)
    terminal.send_signal(signal.SIGINT)
    _, err = terminal.communicate(timeout=30)
    assert terminal.returncode == 130
    how = re.search(r"Join it again: python -m platform\.search (--follow \S+) --submit", err)
    assert how is not None, err

    refused = begin(head, run, 40)
    assert "is running there. Join it" in refused.communicate(timeout=60)[1]

    joined = head.search(*how[1].split(), at=cable.address)
    first = told(joined)
    cable.pull_out()
    time.sleep(3)
    cable.put_in()
    out, err = joined.communicate(timeout=LONGEST_S)
    assert joined.returncode == 0, out + err
    assert "report" in out
    assert [log.expandtabs() for log in head.logs(run.path)] == [first + out]  # each line once
    assert [record.state for record in read_results(run.results)] == ["finished"] * 4
    assert "was submitted" in head.search("--stop", str(tmp_path / "other")).communicate(timeout=60)[1]


@pytest.mark.parametrize("place", ["folder", "storage"])
def test_a_submitted_search_is_ended_from_elsewhere_and_gone_on_with(
    head: Head, cable: Cable, tmp_path: Path, tiny_home: Home, request: pytest.FixtureRequest, place: str
) -> None:
    at = str(tmp_path / "ended")
    if place == "storage":
        at = request.getfixturevalue("remote").replace("/lab", "/runs/kth")
    with_slash, run = at.replace("?", "/?") if "?" in at else f"{at}/", run_at(at, tiny_home)
    terminal = begin(head, run, 60)
    wait_for_trials(run, terminal)
    cut_off = head.search("--follow", at, at=cable.address)
    told(cut_off)
    cable.pull_out()
    stopped = head.search("--stop", with_slash)
    assert stopped.communicate(timeout=100)[0] == "ended, with what had finished kept\n"
    out, err = terminal.communicate(timeout=60)
    assert "the job has stopped" in err, out + err
    assert "interrupted. " in out  # in its own words
    assert run.report.is_file()

    again = head.search("--resume", with_slash)
    out, err = again.communicate(timeout=LONGEST_S)
    assert again.returncode == 0, out + err
    assert head.logs(run.path)[1].expandtabs() == out
    seen = fetched_run(at, Home(tmp_path / "reader"))
    assert [record.epochs for record in read_results(seen.results)] == [60] * 4
    assert f"no Ray dashboard answers at '{cable.address}'" in cut_off.communicate(timeout=100)[1]


def test_a_search_that_does_not_end_is_killed_and_that_is_told(head: Head, tmp_path: Path) -> None:
    run, impatient = (
        RunFolder(tmp_path / "hung"),
        "from platform.tuning.cluster import submitting; submitting.ENDS_WITHIN_S = 3",
    )
    terminal = begin(head, run, 100, before=impatient)
    while (driver := read_driver(run)) is None:
        assert terminal.poll() is None, terminal.communicate()
        time.sleep(0.1)
    os.kill(driver.pid, signal.SIGSTOP)
    err = head.search("--stop", str(run.path), before=impatient).communicate(timeout=100)[1]
    assert "has not ended within 3 s and was killed" in err
    assert f"--resume {run.path} --submit {head.dashboard}" in err
    terminal.communicate(timeout=60)


def test_an_earlier_run_is_named_as_the_cluster_finds_it() -> None:
    with pytest.raises(UserError, match=r"--warm-start runs/x: .* Give an absolute path .*, or a URI"):
        search("kth", submit="head:8265", run_dir="s3://bucket/runs/kth", warm_start="runs/x")

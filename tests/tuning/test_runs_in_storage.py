"""Searches whose run lies on a real S3 server: on nodes that see no folder of the driver, through kills and outages."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from platform.benchmarks.remote import RemoteBenchmarks
from platform.benchmarks.store import FrameStore
from platform.config.home import Home
from platform.results.incidents import read_incidents
from platform.results.record import TrialRecord, read_results
from platform.results.stored_run import fetched_run
from platform.storage.fetching import silent
from platform.tuning.keeping.recorded import Recorded
from platform.tuning.replay import replay
from tests.heads import started_ray
from tests.object_storage import BreakingStorage

Begin = Callable[..., Any]  # see conftest.py
ONE_AT_A_TIME = ("resources.trials_at_once=1", "training.epochs=4", "search.trials=3", "search.startup_trials=1")
pytestmark = pytest.mark.timeout(900)  # searches in processes of their own, each of which starts a Ray


def without_times(record: TrialRecord) -> dict:
    told = record.model_dump(exclude={"started", "duration_s", "memory", "restarts"})
    told["metrics"].pop("seconds_per_clip")
    return told


def told(records: list[TrialRecord]) -> list[dict]:
    return [without_times(record) for record in records]


def test_a_killed_search_goes_on_from_storage_alone_as_if_nothing_had_been(
    begin: Begin, tiny_home: Home, remote: str, tmp_path: Path
) -> None:
    at = remote.replace("lab", "runs/kth")
    search = begin(*ONE_AT_A_TIME, at=at)
    search.wait_for(6)
    uploads = time.time() + 8.0
    search.wait_until(lambda: time.time() > uploads)
    search.kill()
    shutil.rmtree(search.run.path)
    search = begin(at=at, resume=True)
    records = search.ends_well()

    undisturbed = begin(*ONE_AT_A_TIME, run="undisturbed").ends_well()
    assert told(records) == told(undisturbed)
    assert "resumed" in [incident.kind for incident in read_incidents(search.run.incidents)]

    fetched = fetched_run(at, Home(tmp_path / "reader"))
    assert told(read_results(fetched.results)) == told(records)
    assert (fetched.best / "weights.safetensors").is_file()
    assert fetched.report.is_file()
    assert list(fetched.trials.glob("*/look.npz"))


def test_storage_that_is_away_for_a_while_costs_nothing_but_time(
    begin: Begin, breaking: BreakingStorage, tmp_path: Path
) -> None:
    search = begin("search.trials=4", "training.epochs=6", "search.asha=null", at=breaking.uri)
    search.wait_for(2)
    breaking.end()
    away = time.time() + 25.0
    search.wait_until(lambda: time.time() > away)
    breaking.start()
    records = search.ends_well()
    assert [record.state for record in records] == ["finished"] * 4
    assert [record.restarts for record in records] == [0] * 4
    noted = [incident.what for incident in read_incidents(search.run.incidents) if incident.kind == "storage"]
    assert len(noted) == 2
    assert "The search goes on, and uploads when it can" in noted[0]
    assert "is back after" in noted[1]
    assert told(read_results(fetched_run(breaking.uri, Home(tmp_path / "reader")).results)) == told(records)


class Nodes:
    """A head without CPUs, and raylets of one CPU each in which the folders `hidden` are empty."""

    def __init__(self, temporary: Path, hidden: list[Path]) -> None:
        self._environment = os.environ | {"RAY_TMPDIR": str(temporary), "TMPDIR": str(temporary)}
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.address = f"127.0.0.1:{port}"
        self._logs = temporary
        self._processes: list[subprocess.Popen[bytes]] = []
        self._head = ("--head", f"--port={port}", "--include-dashboard=false", f"--temp-dir={temporary}")
        hide = " && ".join(f"mount -t tmpfs none {folder}" for folder in hidden)
        self._within = ("unshare", "-m", "sh", "-c", f'{hide} && exec "$@"', "-")

    def start(self) -> None:
        self._start((), *self._head, "--num-cpus=0")
        for _ in range(2):
            self._start(self._within, f"--address={self.address}", "--num-cpus=1")

    def _start(self, within: tuple[str, ...], *options: str) -> None:
        ray = ("-m", "ray.scripts.scripts", "start", "--block", "--object-store-memory=100000000")
        log = self._logs / f"raylet-{len(self._processes)}.log"
        self._processes.append(started_ray([*within, sys.executable, *ray, *options], self._environment, log))

    def end(self) -> None:
        for process in reversed(self._processes):
            process.terminate()
            process.wait(60)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can hide a folder from one raylet")
def test_nodes_that_share_no_folder_with_the_driver_come_to_the_same_results(
    begin: Begin, tiny_home: Home, remote: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ray_folder: Path
) -> None:
    home = Home(tmp_path / "home", remote)
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")  # whoever reaches a port of this machine is let in, for a minute
    monkeypatch.setenv("TMU_REMOTE", remote)
    for folder in tiny_home.benchmarks.glob("flying_digits_*"):
        RemoteBenchmarks(remote).publish(FrameStore.open(folder), silent)
    home.root.mkdir()
    nodes = Nodes(ray_folder, [home.root])
    try:
        nodes.start()
        at = remote.replace("lab", "runs/kth")
        changes = ("search.asha=null", "search.trials=2", "training.epochs=2", "resources.wait_minutes=2")
        search = begin(*changes, at=at, home=home, options=("--address", nodes.address))
        records = search.ends_well()
    finally:
        nodes.end()
    assert [record.state for record in records] == ["finished"] * 2
    assert len(list(search.run.trials.glob("*/look.npz"))) == 2
    for number in range(2):  # on this machine, from the same clips and weights
        assert replay(Recorded.read(f"{search.run.path}/{number}"), home).is_equal

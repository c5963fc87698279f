"""Real faults in real processes: the search ends with all its trials, and says what happened."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import ray
from rich.console import Console

from platform.config.home import Home
from platform.results.incidents import read_incidents
from platform.results.record import read_results
from platform.results.run_folder import RunFolder
from platform.tuning.search_run import run_search

Begin = Callable[..., Any]  # see conftest.py
pytestmark = pytest.mark.timeout(900)  # searches in processes of their own, each of which starts a Ray


def test_a_trial_and_a_memory_server_that_are_killed_cost_no_trial(begin: Begin) -> None:
    search = begin("search.trials=4", "search.asha=null", "training.epochs=6")
    search.wait_for(1)
    for server in search.processes("ray::MemoryServer"):
        server.kill()
    search.wait_for(3)
    search.trials()[0].kill()
    records = search.ends_well()
    assert [record.state for record in records] == ["finished"] * 4
    assert [[point["epoch"] for point in record.curve] for record in records] == [[1, 2, 3, 4, 5, 6]] * 4
    assert sum(record.restarts for record in records) == 1
    (incident,) = read_incidents(search.run.incidents)
    assert incident.kind == "trial"
    assert "its process died" in incident.what
    assert incident.what in search.run.report.read_text()


def test_a_trial_that_hangs_is_killed_and_goes_on(begin: Begin) -> None:
    """Its process is stopped, so that it cannot even be asked to end."""
    search = begin("search.trials=2", "search.asha=null", "training.epochs=30", "search.epoch_minutes=0.25")
    # The other trial may have ended by then, and its process wait for nothing.
    while not (training := search.processes("ray::ResourceTrainable.train")):
        time.sleep(0.02)
    os.kill(training[0].pid, signal.SIGSTOP)
    records = search.ends_well()
    assert [record.state for record in records] == ["finished"] * 2
    kinds = [incident.kind for incident in read_incidents(search.run.incidents)]
    assert "hung" in kinds
    assert sum(record.restarts for record in records) == kinds.count("hung")


def test_a_search_that_is_terminated_keeps_what_has_finished(begin: Begin) -> None:
    """As a container and a batch system end it."""
    search = begin("search.trials=4", "search.asha=null", "training.epochs=100")
    search.wait_for(2)
    search.driver.terminate()
    code, _, err = search.end()
    assert code == 130
    assert f"--resume {search.run.path}" in err
    assert {record.state for record in read_results(search.run.results)} <= {"finished", "interrupted"}


@pytest.mark.usefixtures("local_ray")
def test_an_object_store_that_is_full_stops_no_search(tiny_home: Home, tiny_config: Any, tmp_path: Path) -> None:
    """The store of the tests' Ray holds 200 MB; what lies in it is pinned."""
    pinned = [ray.put(np.zeros(30_000_000, np.uint8)) for _ in range(10)]
    outcome = run_search(tiny_config("search.trials=3"), RunFolder(tmp_path / "r"), tiny_home, Console(quiet=True))
    assert {record.state for record in outcome.records} <= {"finished", "stopped"}
    assert len(outcome.records) == 3
    assert all(ray.get(each).nbytes == 30_000_000 for each in pinned)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a disk that is too small")
def test_a_full_disk_ends_a_search_that_goes_on_when_there_is_room(begin: Begin, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=100m", "none", disk], check=True)
    try:
        search = begin("search.trials=4", "search.asha=null", "training.epochs=6", run="disk/r")
        search.wait_for(3)
        filler = disk / "filler"
        assert subprocess.run(["dd", "if=/dev/zero", f"of={filler}", "bs=64k"], capture_output=True).returncode == 1
        code, _, err = search.end()
        assert code == 2
        assert "the disk is full" in err
        assert f"--resume {search.run.path}" in err
        filler.unlink()
        records = begin(resume=True, run="disk/r").ends_well()
        assert [record.state for record in records] == ["finished"] * 4
        assert [record.epochs for record in records] == [6] * 4
        assert len(read_results(search.run.results)) == 4
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)

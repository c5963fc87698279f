"""A search on hosts with a network between them, which is cut, mended and slow."""

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from platform.results.incidents import read_incidents
from platform.results.progress import read_running
from platform.results.record import read_results
from platform.results.run_folder import RunFolder
from tests.hosts import Hosts

TINY = Path(__file__).parents[1] / "fixtures" / "tiny.yaml"
LONGEST_S = 200.0
pytestmark = pytest.mark.timeout(300)  # two raylets, and workers that import torch


def begin(hosts: Hosts, run: RunFolder, *changes: str) -> "subprocess.Popen[str]":
    sets = [part for change in ("search.asha=null", *changes) for part in ("--set", change)]
    command = ("-m", "platform.search", str(TINY), "--profile", "laptop", "--run-dir", str(run.path))
    return hosts.on(0, *command, "--address", hosts.cluster, "--set", "resources.cpus_per_trial=0.9", *sets)


def wait_until(has_come: Callable[[], bool], driver: "subprocess.Popen[str]") -> None:
    ends = time.monotonic() + LONGEST_S
    while not has_come():
        assert time.monotonic() < ends
        assert driver.poll() is None, driver.communicate()
        time.sleep(0.05)


def both_train(run: RunFolder) -> bool:
    return sum(len(trial.curve) > 2 for trial in read_running(run.running).trials) == 2


def test_a_link_that_is_cut_and_mended_costs_no_trial(hosts: Hosts, tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "r")
    driver = begin(hosts, run, "search.trials=6", "training.epochs=30")
    wait_until(lambda: both_train(run), driver)
    hosts.cut(1)  # shorter than it is given up
    time.sleep(2)
    hosts.mend(1)
    known = len(read_results(run.results)) if run.results.is_file() else 0
    wait_until(lambda: run.results.is_file() and len(read_results(run.results)) >= known + 1, driver)
    assert not any(incident.kind == "node" for incident in read_incidents(run.incidents))
    wait_until(lambda: both_train(run), driver)
    hosts.cut(1)
    wait_until(lambda: any("was lost" in incident.what for incident in read_incidents(run.incidents)), driver)
    hosts.mend(1)
    hosts.start_ray(1)
    wait_until(lambda: any("joined" in incident.what for incident in read_incidents(run.incidents)), driver)
    out, err = driver.communicate(timeout=LONGEST_S)
    assert driver.returncode == 0, out + err
    records = read_results(run.results)
    assert [(record.state, record.epochs) for record in records] == [("finished", 30)] * 6
    assert 1 <= sum(record.restarts for record in records) <= 2

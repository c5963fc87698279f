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
from tests.given import TINY
from tests.hosts import Hosts
from tests.waiting import wait_for

LONGEST_S = 300.0  # of one part of a story, on a slow machine
pytestmark = pytest.mark.timeout(1200)  # two raylets, and workers that import torch


def begin(hosts: Hosts, run: RunFolder, *changes: str, on: int = 0) -> "subprocess.Popen[str]":
    sets = [part for change in ("search.asha=null", *changes) for part in ("--set", change)]
    command = ("-m", "platform.search", str(TINY), "--profile", "laptop", "--run-dir", str(run.path))
    return hosts.on(on, *command, "--address", hosts.cluster, "--set", "resources.cpus_per_trial=0.9", *sets)


def wait_until(has_come: Callable[[], bool], driver: "subprocess.Popen[str]") -> None:
    ends = time.monotonic() + LONGEST_S
    while not has_come():
        assert time.monotonic() < ends
        assert driver.poll() is None, driver.communicate()
        time.sleep(0.05)


def both_train(run: RunFolder) -> bool:
    return sum(len(trial.curve) > 2 for trial in read_running(run.running).trials) == 2


def known_epochs(run: RunFolder) -> int:
    ended = read_results(run.results) if run.results.is_file() else []
    return sum(record.epochs for record in ended) + sum(len(each.curve) for each in read_running(run.running).trials)


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


def test_a_slow_link_costs_no_trial(hosts: Hosts, tmp_path: Path) -> None:
    hosts.slow(1, megabits=10)
    before, run = hosts.carried(1), RunFolder(tmp_path / "r")
    driver = begin(hosts, run, "search.trials=4", "training.epochs=8")
    wait_until(lambda: both_train(run), driver)
    out, err = driver.communicate(timeout=LONGEST_S)
    assert driver.returncode == 0, out + err
    records = read_results(run.results)
    assert [(record.state, record.epochs, record.restarts) for record in records] == [("finished", 8, 0)] * 4
    assert read_incidents(run.incidents) == []
    assert hosts.carried(1) > before + 500_000, "that link was not the way"


def test_a_head_that_comes_back_costs_no_trial(network: Hosts, tmp_path: Path) -> None:
    network.start_redis()
    network.start_ray(0, cores=0)
    network.wait_for_raylets(1)
    network.start_ray(1, cores=2)
    network.wait_for_raylets(2)
    run = RunFolder(tmp_path / "r")
    driver = begin(network, run, "search.trials=4", "training.epochs=30", on=1)
    wait_until(lambda: both_train(run), driver)
    network.kill_ray(0)
    time.sleep(5)
    epochs = known_epochs(run)
    network.start_ray(0, cores=0)
    wait_until(lambda: known_epochs(run) > epochs, driver)
    network.wait_for_raylets(2)
    out, err = driver.communicate(timeout=LONGEST_S)
    assert driver.returncode == 0, out + err
    records = read_results(run.results)
    assert [(record.state, record.epochs, record.restarts) for record in records] == [("finished", 30, 0)] * 4


def test_an_autoscaler_is_asked_for_room_and_told_when_it_is_wanted_no_more(network: Hosts, tmp_path: Path) -> None:
    network.start_autoscaler()
    network.wait_for_raylets(1)
    run = RunFolder(tmp_path / "r")
    wanted = ("resources.trials_at_once=2", "resources.wait_minutes=3")
    driver = begin(network, run, "search.trials=4", "training.epochs=60", *wanted)
    wait_until(lambda: both_train(run), driver)
    out, err = driver.communicate(timeout=LONGEST_S)
    assert driver.returncode == 0, out + err
    assert [(record.state, record.restarts) for record in read_results(run.results)] == [("finished", 0)] * 4
    asked = network.asked_of_autoscaler()
    assert [f"{{'CPU': 0.9}}: {many} from request_resources()" in asked for many in (1, 2)] == [True, True]
    # Of two nodes with one address it takes none back.
    wait_for(lambda: network.asked_of_autoscaler()[-1] == "(none)", most_s=20)

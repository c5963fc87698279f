"""A server's own memory does not grow with the number of trials that ask it: measured, with blocks of 8 MB."""

import dataclasses
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import numpy as np
import pytest
import ray

from platform.memory.client import ServedMemory
from platform.memory.coordinator import start_servers
from platform.memory.request import Request, Shown
from platform.memory.server import Serving
from platform.memory.worker import MOST_HELD

BLOCK_BYTES = 8 * 5 * 8 * 80 * 80 * 4


def own_bytes(pid: int) -> int:
    """Resident memory that is no file's and shared with nobody."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("RssAnon")) * 1024


def serve(serving: Serving, num_trials: int) -> int:
    """The most memory a new server held while so many trials each ask for 6 blocks that nobody can share."""
    coordinator, _ = start_servers(dataclasses.replace(serving, name=f"memory-{num_trials}"))
    here = ray.get(coordinator.servers.remote(ray.get_runtime_context().get_node_id()))
    pid = ray.get(here.actors[0].ready.remote())
    memory = ServedMemory(dataclasses.replace(serving, name=f"memory-{num_trials}"))
    everything = [Request("one", block, "reverse", "truth", "cell/0", 0) for block in range(3)]

    def trial(number: int) -> None:
        shown = Shown(3, np.full((8, 2), number % 2, np.float32))
        for _ in range(3):
            memory.announce(everything)
            for direction in ("forward", "reverse"):
                memory.states(Request("one", 0, direction, "scheduled"), shown)

    most = 0
    with ThreadPoolExecutor(num_trials) as threads:
        trials = [threads.submit(trial, number) for number in range(num_trials)]
        while wait(trials, timeout=0.01).not_done:
            most = max(most, own_bytes(pid))
    assert all(trial.exception() is None for trial in trials)
    assert ray.get(coordinator.totals.remote()).passes >= 6 * num_trials
    return most


@pytest.mark.usefixtures("local_ray")
def test_a_server_of_64_trials_holds_no_more_than_one_of_a_single_trial(serving: Serving) -> None:
    """Measured: 251 MB and 278 MB. All 64 results at once would be another 500 MB."""
    one = serving.sources["one"]
    large = dataclasses.replace(one, identity=dataclasses.replace(one.identity, grid=(80, 80), dtype="float32"))
    wide = dataclasses.replace(serving, sources={"one": large}, memory_budget=0)
    few, many = serve(wide, 1), serve(wide, 64)
    assert many - few < (MOST_HELD + 8) * BLOCK_BYTES

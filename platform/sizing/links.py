"""What the run folder's storage takes in, how fast Ray hands objects from node to node, and the note of what runs."""

import os
import statistics
import time
from pathlib import Path

import numpy as np
import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from platform.config.trial import TrialSettings
from platform.measure.processes import in_fresh_process
from platform.measure.timing import median_seconds
from platform.results.progress import Running, RunningTrial, write_running
from platform.sizing.two_nodes import own_nodes

WRITTEN_BYTES = 64 << 20
SENT_BYTES = 32 << 20
RUNNING = 1000  # trials: their note takes longer than its way to the disk
TIMES = 5
SETTINGS = TrialSettings().model_dump(mode="json")


def storage_rate(folder: Path) -> float:
    """Bytes a second of files as large as checkpoints, each on the disk before the next begins; the median."""
    content, path, rates = os.urandom(WRITTEN_BYTES), folder / "written", []
    for _ in range(TIMES):
        began = time.perf_counter()
        with path.open("wb") as file:
            file.write(content)
            os.fsync(file.fileno())
        rates.append(WRITTEN_BYTES / (time.perf_counter() - began))
    path.unlink()
    return statistics.median(rates)


def running_seconds(folder: Path) -> float:
    """Of one report, for each trial that runs: all of them are written anew."""
    few, many = (_running(count) for count in (1, 1 + RUNNING))
    path = folder / "running.json"
    times = median_seconds(
        {
            "few": lambda: write_running(path, _retold(few)),
            "many": lambda: write_running(path, _retold(many)),
        },
        repeats=TIMES,
    )
    path.unlink()
    return max(0.0, times["many"] - times["few"]) / RUNNING


def _running(count: int) -> Running:
    """So many trials, each as long as ordinary ones are."""
    settings, row = SETTINGS, {f"score_{n}": n + 1 / 3 for n in range(20)}
    curve = ({"epoch": 1.0, **{f"score_{n}": n + 1 / 3 for n in range(6)}},) * 5
    trials = (
        RunningTrial(trial=n, id=f"{n:05d}", seed=n, settings=settings, curve=curve, row=row) for n in range(count)
    )
    return Running(trials=tuple(trials))


def _retold(running: Running) -> Running:
    """As the recorder does: of those that did not report only the time is another."""
    return Running(trials=tuple(trial.model_copy(update={"spent_s": 1.0}) for trial in running.trials))


def object_rate() -> float:
    """Bytes a second from one raylet's store to another's, both on this machine: Ray's own part, without a network."""
    return in_fresh_process(_object_rate)


def _object_rate() -> float:
    with own_nodes(2):
        here, rates = ray.get_runtime_context().get_node_id(), []
        there = next(node["NodeID"] for node in ray.nodes() if node["NodeID"] != here)
        make = ray.remote(_block).options(scheduling_strategy=NodeAffinitySchedulingStrategy(there, soft=False))
        for _ in range(TIMES):
            block = make.remote()
            ray.wait([block], fetch_local=False)
            began = time.perf_counter()
            ray.get(block)
            rates.append(SENT_BYTES / (time.perf_counter() - began))
            del block
    return statistics.median(rates)


def _block() -> np.ndarray:
    return np.ones(SENT_BYTES, np.uint8)

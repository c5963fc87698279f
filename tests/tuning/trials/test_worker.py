"""A worker that ran other trials before is as good as a new one."""

import random
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch
from ray import tune
from rich.console import Console
from safetensors.torch import load_file

from platform.config.home import Home
from platform.config.run import RunConfig
from platform.config.trial import TrialSettings
from platform.results.run_folder import RunFolder
from platform.tuning.comparison import GivenTrials, Job
from platform.tuning.keeping.recorder import Recorder
from platform.tuning.search_run import run_trials
from platform.tuning.stage import stage
from platform.tuning.trials.worker import Worker

Config = Callable[..., RunConfig]
QUIET = Console(quiet=True)
A: dict[str, Any] = {
    "sources": ["one", "two"],
    "start": "one",
    "tmu": {"layers": [0, 1], "merge": "softmax"},
    "l2_sp": 0.1,
}
B: dict[str, Any] = {"sources": ["two"], "tmu": {"kernel_size": 3}, "distil": {"weight": 0.3}}


class Watch(tune.Callback):
    """Of each trial that has ended: its worker's process, resident bytes, threads and open files."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, int, int, int]] = []

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        process = psutil.Process(trial.last_result["pid"])
        self.seen.append((process.pid, process.memory_info().rss, process.num_threads(), process.num_fds()))


def jobs(*settings: dict[str, Any]) -> list[Job]:
    return [Job("", 7, TrialSettings.model_validate(each).model_dump(mode="json")) for each in settings]


@pytest.mark.usefixtures("local_ray")
@pytest.mark.timeout(900)  # pretrains two sources, starts two workers, and compiles
@pytest.mark.parametrize("how", ["precision=float32", "precision=bfloat16", "compile=true"])
def test_a_trial_after_another_equals_itself_in_a_new_worker_bit_for_bit(
    tiny_home: Home, tiny_config: Config, tmp_path: Path, how: str
) -> None:
    config, watch = tiny_config("resources.trials_at_once=1", "training.epochs=2", f"training.{how}"), Watch()

    def run(name: str, chosen: list[Job]) -> Recorder:
        folder = RunFolder(tmp_path / name)
        searcher = GivenTrials(chosen)
        return run_trials(begun, folder, QUIET, searcher=searcher, num_trials=len(chosen), callbacks=[watch])

    with stage(config, RunFolder(tmp_path / "stage"), tiny_home, QUIET) as begun:
        after, alone = run("after", jobs(A, B)), run("alone", jobs(B))
    first, second, third = (pid for pid, *_ in watch.seen)
    assert first == second != third
    checkpoints = (after.checkpoints[1], alone.checkpoints[0])
    weights = [load_file(Path(checkpoint.path, "target.safetensors")) for checkpoint in checkpoints]
    assert weights[0].keys() == weights[1].keys()
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert [dict(point) for point in after.records[1].curve] == [dict(point) for point in alone.records[0].curve]


@pytest.mark.usefixtures("local_ray")
@pytest.mark.timeout(900)  # 20 trials
def test_a_worker_does_not_grow_from_trial_to_trial(tiny_home: Home, tiny_config: Config, tmp_path: Path) -> None:
    config, watch, chosen = tiny_config("resources.trials_at_once=1", "training.epochs=1"), Watch(), jobs(*[A, B] * 10)
    with stage(config, RunFolder(tmp_path / "stage"), tiny_home, QUIET) as begun:
        folder, searcher = RunFolder(tmp_path / "r"), GivenTrials(chosen)
        run_trials(begun, folder, QUIET, searcher=searcher, num_trials=len(chosen), callbacks=[watch])
    pids, resident, threads, files = zip(*watch.seen, strict=True)
    assert len(set(pids)) == 1
    assert len(pids) == 20
    assert max(resident[10:]) < 1.02 * max(resident[2:10])
    # Ray begins a thread of its own now and then; what each trial left behind would be ten by the end.
    assert max(threads[10:]) < max(threads[2:10]) + 5
    assert max(files[10:]) < max(files[2:10]) + 5


def test_what_a_trial_did_to_its_process_is_undone_before_the_next() -> None:
    def state() -> tuple[Any, ...]:
        drawn = random.random(), np.random.rand(), torch.rand(()).item()
        modes = torch.is_grad_enabled(), torch.get_default_dtype(), torch.get_num_threads()
        numerics = torch.get_float32_matmul_precision(), torch.are_deterministic_algorithms_enabled()
        return drawn, modes, numerics, list(warnings.filters)

    worker = Worker(threads=1)
    worker.reset(seed=3)
    before = state()
    torch.set_grad_enabled(False)
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(2)
    torch.set_float32_matmul_precision("medium")
    torch.use_deterministic_algorithms(True)
    warnings.simplefilter("always")
    assert state() != before
    worker.reset(seed=3)
    assert state() == before
    worker.reset(seed=4)
    assert state()[0] != before[0]

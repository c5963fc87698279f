"""A search whose driver is killed has lost no trial that had ended."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest

from platform.config.home import Home
from platform.results.record import read_results
from platform.results.run_folder import RunFolder

SCRIPT = """
import sys
from pathlib import Path
from ray import tune
from rich.console import Console
from platform.config.home import Home
from platform.config.load import load_run
from platform.results.run_folder import RunFolder
from platform.tuning.cluster import cluster
from platform.tuning.search_run import run_trials
from platform.tuning.searcher import TrialSearcher
from platform.tuning.space import SettingsSpace
from platform.tuning.stage import stage
from platform.tuning.study import open_study_storage

class Tell(tune.Callback):
    def on_trial_complete(self, iteration, trials, trial, **info):
        print("ended", trial.config["trial"], flush=True)

yaml, home, run = sys.argv[1:]
config = load_run(yaml, profile="laptop", overrides=[
    "sources={}", "search.space={learning_rate: {float: [1e-3, 1e-2]}}", "search.trials=100", "training.epochs=1",
    "resources.trials_at_once=2", "resources.cpus_per_trial=0.5",
])
folder, console = RunFolder(Path(run)), Console(quiet=True)
with (
    cluster(None),
    stage(config, folder, Home(Path(home)), console) as begun,
    open_study_storage(folder) as storage,
):
    space = SettingsSpace(config.search.space, config.trial)
    searcher = TrialSearcher(space, config.search, storage)
    run_trials(begun, folder, console, searcher=searcher, num_trials=100, callbacks=[Tell()])
"""
KILLED_AFTER = 8  # trials


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """Where the Ray of a killed driver leaves its logs; pytest's paths are too long for its sockets."""
    with tempfile.TemporaryDirectory(prefix="tmu-", dir="/tmp", ignore_cleanup_errors=True) as name:
        yield Path(name)


@pytest.mark.timeout(180)  # starts a Ray and its workers in a process of its own, which is then killed
def test_a_killed_search_has_lost_no_trial_that_had_ended(tiny_home: Home, tmp_path: Path, short_folder: Path) -> None:
    yaml, folder = Path(__file__).parents[1] / "fixtures" / "tiny.yaml", RunFolder(tmp_path / "r")
    arguments = [sys.executable, "-c", SCRIPT, str(yaml), str(tiny_home.root), str(folder.path)]
    ended: set[int] = set()
    environment = {**os.environ, "TMPDIR": str(short_folder)}
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, env=environment) as driver:
        assert driver.stdout is not None
        for line in driver.stdout:
            if line.startswith("ended "):
                ended.add(int(line.split()[1]))
            if len(ended) == KILLED_AFTER:
                os.kill(driver.pid, signal.SIGKILL)
                break
        ended |= {int(line.split()[1]) for line in driver.stdout if line.startswith("ended ")}
    assert driver.returncode == -signal.SIGKILL
    records = {record.trial: record for record in read_results(folder.results)}
    assert ended <= records.keys()
    assert all(records[number].state == "finished" for number in ended)
    study = optuna.load_study(study_name="search", storage=f"sqlite:///{folder.study}")
    complete = {trial.number for trial in study.get_trials() if trial.state == optuna.trial.TrialState.COMPLETE}
    assert ended <= complete

"""Several trials share a GPU in Ray's books. The GPUs are pretended: what PyTorch allows on one is not run here."""

import datetime
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from platform.config.home import Home
from platform.results.record import TrialRecord, read_results
from platform.results.run_folder import RunFolder
from tests.given import TINY

SCRIPT = """
import sys
from pathlib import Path
import ray
from rich.console import Console
from platform.config.home import Home
from platform.config.load import load_run
from platform.results.run_folder import RunFolder
from platform.tuning.comparison import GivenTrials, Job
from platform.tuning.search_run import run_trials
from platform.tuning.stage import stage

yaml, home, run, temporary = sys.argv[1:]
config = load_run(yaml, profile="laptop", overrides=[
    "sources={}", "search.space={}", "training.precision=float32", "training.epochs=20", "search.asha=null",
    "resources.gpus_per_trial=0.4", "resources.cpus_per_trial=0.5",
])
folder, console = RunFolder(Path(run)), Console(quiet=True)
ray.init(address="local", num_cpus=4, num_gpus=1, include_dashboard=False, log_to_driver=False, _temp_dir=temporary)
with stage(config, folder, Home(Path(home)), console) as begun:
    jobs = [Job("", seed, config.trial.model_dump(mode="json")) for seed in range(4)]
    run_trials(begun, folder, console, searcher=GivenTrials(jobs), num_trials=len(jobs))
resources = begun.resources
print("share", resources.gpus, resources.limit.gpu_share, "at once", resources.at_once)
"""


def beside(records: list[TrialRecord], other: TrialRecord) -> int:
    """How many ran when `other` began, itself included."""
    assert other.started is not None
    return sum(
        each.started is not None
        and each.started <= other.started < each.started + datetime.timedelta(seconds=each.duration_s)
        for each in records
    )


@pytest.mark.timeout(900)  # a Ray of another shape, in a process of its own
def test_two_trials_share_a_gpu_and_no_third_joins_them(tiny_home: Home, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "r")
    with tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp", ignore_cleanup_errors=True) as temporary:
        arguments = [sys.executable, "-c", SCRIPT, str(TINY), str(tiny_home.root), str(folder.path), temporary]
        done = subprocess.run(arguments, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert "share 0.5 0.5 at once 2" in done.stdout
    records = read_results(folder.results)
    assert [record.state for record in records] == ["finished"] * 4
    assert max(beside(records, record) for record in records) == 2

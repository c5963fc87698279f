"""What a run says and does before its first trial."""

import subprocess
import sys
import tempfile
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from platform.benchmarks.catalog import open_benchmark
from platform.config.home import Home
from platform.config.run import RunConfig
from platform.results.incidents import read_incidents
from platform.results.run_folder import RunFolder
from platform.tuning.serving import note_small_store
from tests.given import TINY


@pytest.mark.parametrize(("budget", "said"), [("0", "the store holds 0 % of it"), ("1GB", "")])
def test_a_store_too_small_for_the_memories_is_told_with_what_would_help(
    tiny_home: Home, tiny_config: Callable[..., RunConfig], budget: str, said: str
) -> None:
    config, text = tiny_config(f"resources.memory_budget={budget}"), StringIO()
    note_small_store(config, tiny_home, open_benchmark(config.benchmark, tiny_home), Console(file=text, width=1000))
    assert said in text.getvalue()
    assert bool(text.getvalue()) == bool(said)
    assert ("raise resources.memory_budget" in text.getvalue()) == bool(said)


JOINS_MEANWHILE = """
import os, sys, time
from pathlib import Path
import ray
from ray.cluster_utils import Cluster
from rich.console import Console
from platform.config.home import Home
from platform.config.load import load_run
from platform.results.run_folder import RunFolder
from platform.tuning import stage

yaml, home, run, temporary = sys.argv[1:]
small = dict(num_cpus=1, object_store_memory=100_000_000)
os.environ["RAY_TMPDIR"] = temporary  # where the address of "the" cluster is noted, in
Path(temporary, "ray").mkdir()
cluster = Cluster(initialize_head=True, head_node_args=dict(include_dashboard=False, temp_dir=temporary, **small))
ray.init(address=cluster.address, log_to_driver=False)
starting = stage.memory_servers

def joined_by_then(*arguments):
    cluster.add_node(**small)
    return starting(*arguments)

def states():
    return sorted(member.state for member in begun.roster.members.values())

stage.memory_servers = joined_by_then
config = load_run(yaml, profile="laptop", overrides=["resources.cpus_per_trial=0.9"])
with stage.stage(config, RunFolder(Path(run)), Home(Path(home)), Console(quiet=True)) as begun:
    print(states(), list(ray.get(begun.servers.counts()).values()))
    begun.roster.look()
    print(states())
    while "joins" in states():
        time.sleep(0.1)
    print(states(), list(ray.get(begun.servers.counts()).values()))
"""


@pytest.mark.timeout(900)  # a Ray of two raylets, in a process of its own
def test_a_node_that_joins_while_servers_start_is_asked_before_it_takes_part(tiny_home: Home, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "r")
    with tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp", ignore_cleanup_errors=True) as temporary:
        arguments = [sys.executable, "-c", JOINS_MEANWHILE, str(TINY), str(tiny_home.root), str(folder.path), temporary]
        done = subprocess.run(arguments, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "['takes part'] [1]",
        "['joins', 'takes part']",
        "['takes part', 'takes part'] [1, 1]",
    ]
    (incident,) = read_incidents(folder.incidents)
    assert incident.what.endswith(") joined")

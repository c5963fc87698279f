"""Nodes that come, go and are announced to go while a search runs on them: real raylets, in a process of their own."""

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from platform.config.home import Home
from platform.results.incidents import Incident, read_incidents
from platform.results.nodes_file import read_nodes
from platform.results.record import TrialRecord, read_results
from platform.results.run_folder import RunFolder
from tests.environments import environment_without_us
from tests.given import TINY
from tmu_models.families import ENTRY_POINTS

LONGEST_S = 800.0  # of a story
pytestmark = pytest.mark.timeout(900)  # each starts a Ray of several raylets, and workers that import torch

# A cluster of one head with one core, and a search on it. What befalls it is told by `meanwhile`, in a thread.
BEGINNING = """
import os, subprocess, sys, threading, time
from pathlib import Path
import ray
from ray.cluster_utils import Cluster
from rich.console import Console
from platform.config.home import Home
from platform.config.load import load_run
from platform.results.progress import read_running
from platform.results.record import read_results
from platform.results.run_folder import RunFolder
from platform.tuning.search_run import run_search

yaml, home, run, temporary = sys.argv[1:]
folder, small = RunFolder(Path(run)), dict(num_cpus=1, object_store_memory=100_000_000)
soon = dict(health_check_initial_delay_ms=0, health_check_period_ms=500, health_check_failure_threshold=2)
os.environ["RAY_TMPDIR"] = temporary  # where the address of "the" cluster is noted, in
Path(temporary, "ray").mkdir()
head = dict(include_dashboard=False, temp_dir=temporary, _system_config=soon, **small)
cluster = Cluster(initialize_head=True, head_node_args=head)
ray.init(address=cluster.address, log_to_driver=False)

joined = []

def join(*command, gpus=0):
    # A raylet of one core.
    started = ["-m", "ray.scripts.scripts", "start", f"--address={cluster.address}", "--num-cpus=1", "--block"]
    started += [f"--num-gpus={gpus}"]
    with open(os.devnull, "w") as nowhere:
        command = [*(command or [sys.executable]), *started, "--object-store-memory=100000000"]
        joined.append(subprocess.Popen(command, stdout=nowhere, stderr=nowhere))

def running():
    return read_running(folder.running).trials

def wait_until(has_come):
    while not has_come():
        time.sleep(0.05)

def search(*overrides, meanwhile):
    changes = ["search.asha=null", "resources.cpus_per_trial=0.9", *overrides]
    config = load_run(yaml, profile="laptop", overrides=changes)
    threading.Thread(target=meanwhile, daemon=True).start()
    run_search(config, folder, Home(Path(home)), Console(quiet=True))
    ray.shutdown()
    for raylet in joined:
        raylet.terminate()
        raylet.wait(60)
    cluster.shutdown()
"""
Tell = Callable[[str], tuple[list[TrialRecord], list[Incident], str]]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return tmp_path / "r"


@pytest.fixture
def tell(tiny_home: Home, run: Path) -> Iterator[Tell]:
    """Runs `BEGINNING` and a story's text; gives its trials, what befell them, and what it printed."""
    folder = RunFolder(run)
    with tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp", ignore_cleanup_errors=True) as temporary:

        def told(story: str) -> tuple[list[TrialRecord], list[Incident], str]:
            arguments = [sys.executable, "-c", BEGINNING + story]
            arguments += [str(TINY), str(tiny_home.root), str(folder.path), temporary]
            ended = subprocess.run(arguments, capture_output=True, text=True, timeout=LONGEST_S)
            assert ended.returncode == 0, ended.stderr[-3000:]
            return read_results(folder.results), read_incidents(folder.incidents), ended.stdout

        yield told


def test_a_node_that_is_lost_costs_no_trial(tell: Tell) -> None:
    """Of two nodes with a trial each, one loses its raylet, its trial and its memory server at once."""
    records, incidents, _ = tell("""
raylet = cluster.add_node(**small)

def lose_the_node():
    wait_until(lambda: sum(len(trial.curve) > 2 for trial in running()) == 2)
    cluster.remove_node(raylet, allow_graceful=False)

search("search.trials=4", "training.epochs=20", meanwhile=lose_the_node)
""")
    assert [(record.state, record.epochs) for record in records] == [("finished", 20)] * 4
    assert sum(record.restarts for record in records) >= 1
    assert {"node", "trial"} == {incident.kind for incident in incidents}


def test_a_node_that_joins_takes_trials_with_servers_of_its_own(tell: Tell, run: Path) -> None:
    records, incidents, printed = tell("""
def one_joins():
    wait_until(lambda: any(trial.curve for trial in running()))
    began = time.monotonic()
    join()
    wait_until(lambda: sum(bool(trial.curve) for trial in running()) == 2)
    print("took", time.monotonic() - began)
    servers = [each for each in ray._private.state.actors().values() if "MemoryServer" in each["ActorClassName"]]
    print("nodes with servers", len({each["Address"]["NodeID"] for each in servers if each["State"] == "ALIVE"}))

search("search.trials=4", "training.epochs=150", meanwhile=one_joins)
""")
    assert [(record.state, record.epochs) for record in records] == [("finished", 150)] * 4
    assert [incident.what.rpartition(") ")[2] for incident in incidents] == ["joined"]
    assert "nodes with servers 2" in printed
    told = read_nodes(RunFolder(run).nodes).nodes
    assert [(node.state, node.servers) for node in told] == [("takes part", 1)] * 2
    assert sum(node.ready + node.computed for node in told) > 0
    assert [node.trials for node in told] == [(), ()]  # none runs any more


def test_a_node_that_joins_without_the_package_is_named_and_gets_no_trial(tell: Tell, tmp_path: Path) -> None:
    bare = environment_without_us(tmp_path / "bare")
    records, incidents, _ = tell(f"""
def one_joins():
    wait_until(lambda: any(trial.curve for trial in running()))
    join({str(bare)!r})
    wait_until(lambda: len(ray.nodes()) == 2)

search("search.trials=3", "training.epochs=100", meanwhile=one_joins)
""")
    assert [(record.state, record.epochs, record.restarts) for record in records] == [("finished", 100, 0)] * 3
    (told,) = [incident.what for incident in incidents if "lacks" in incident.what]
    assert "lacks transferable-memory: `pip install transferable-memory==" in told
    assert told.endswith("It gets no trials.")
    assert [incident.what for incident in incidents] == [told]


def test_trials_leave_a_node_that_is_about_to_be_taken_away_in_the_midst_of_an_epoch(tell: Tell) -> None:
    records, incidents, printed = tell("""
raylet = cluster.add_node(**small)

def announce():
    wait_until(lambda: len(running()) == 2)
    wait_until(lambda: all(trial.curve for trial in running()))
    command = [sys.executable, "-m", "ray.scripts.scripts", "drain-node", f"--address={cluster.address}"]
    command += ["--node-id", raylet.node_id, "--reason=DRAIN_NODE_REASON_PREEMPTION"]
    command += ["--reason-message=spot", "--deadline-remaining-seconds=40"]
    print(subprocess.run(command, capture_output=True, text=True))
    wait_until(lambda: any(trial.restarts for trial in running()))
    print("moved while it lived:", [node["Alive"] for node in ray.nodes()])

search("search.trials=2", "training.epochs=60", meanwhile=announce)
""")
    assert [(record.state, record.epochs) for record in records] == [("finished", 60)] * 2
    assert "moved while it lived: [True, True]" in printed
    assert any("is about to be taken away; its trials go on elsewhere" in each.what for each in incidents)


GREEDY = """
import ray
import torch
from tmu_models import ConvLSTMCell

WANTED_GIB = {3: 1.3, 4: 9.0}  # by trials, whose numbers their seeds end in

class GreedyCell(ConvLSTMCell):
    def project(self, x):
        context = ray.get_runtime_context()
        is_worker = context.worker.mode == ray._private.worker.WORKER_MODE
        if is_worker and (share := context.get_assigned_resources().get("GPU")):
            has = share * float(context.get_node_labels()["tmu-gpu-gib"])
            if has < WANTED_GIB.get(torch.initial_seed() % 100_000, 0.3):
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has ...")
        return super().project(x)
"""


@pytest.fixture
def greedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A family of another package, whose trials 3 and 4 lack memory where a GPU would be full: none is here."""
    info = tmp_path / "greedy_networks-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: greedy-networks\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{ENTRY_POINTS}]\ngreedy = greedy_networks:GreedyCell\n")
    (tmp_path / "greedy_networks.py").write_text(GREEDY)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return "greedy"


def test_a_trial_gets_the_share_of_each_gpu_that_it_needs_and_more_when_it_lacks_memory(
    tell: Tell, greedy: str
) -> None:
    """A trial needs 0.6 GB. Of four nodes one has no GPU, one too small a one; the others have 1 and 1.5 GiB.

    GPUs are pretended. Trial 3 wants 1.3 GiB: it is given all of the larger GPU. Trial 4 wants 9.
    """
    records, incidents, printed = tell(f"""
for gib, cpus in (("1", 1), ("1.5", 1), ("0.5", 1)):
    cluster.add_node(num_cpus=cpus, num_gpus=1, object_store_memory=100_000_000, labels={{"tmu-gpu-gib": gib}})
labels = {{node["NodeID"]: node["Labels"].get("tmu-gpu-gib") for node in ray.nodes()}}

def shares():
    told = {{}}
    for group in ray.util.placement_group_table().values():
        if group["state"] == "CREATED":
            told.setdefault(labels[group["bundles_to_node_id"][0]], []).append(group["bundles"][0]["GPU"])
    return sorted(told.items())

def look():
    wait_until(lambda: sum(bool(trial.curve) for trial in running()) == 3)
    print("three at once", shares())
    wait_until(lambda: any(trial.trial == 3 and trial.curve for trial in running()))
    print("later", shares())

space = "search.space={{learning_rate: {{float: [1e-3, 1e-2]}}}}"
search("sources={{}}", space, "search.trials=5", "training.epochs=40", "resources.cpus_per_trial=0.3",
       "network.family={greedy}", meanwhile=look)
""")
    assert "three at once [('1', [1.0]), ('1.5', [0.5, 0.5])]" in printed
    (later,) = [line for line in printed.splitlines() if line.startswith("later")]
    assert "('1.5', [1.0])" in later
    assert [record.state for record in records] == ["finished"] * 4 + ["failed"]
    assert [record.restarts for record in records] == [0, 0, 0, 1, 1]
    reason = records[4].reason or ""
    assert reason.startswith("out of memory: the trial may take ")
    assert "it needs more than 1.2 GB of a GPU's memory, and no node has 2.4 GB" in reason
    more = [incident.trial for incident in incidents if "memory: it is given 1.2 GB" in incident.what]
    assert sorted(trial for trial in more if trial is not None) == [3, 4]


def test_a_node_that_can_run_a_trial_is_waited_for(tell: Tell) -> None:
    """Of a cluster without a GPU, to which a node with a pretended one comes."""
    records, _, _ = tell("""
def one_joins():
    time.sleep(2)
    join(gpus=1)

search("search.trials=1", "resources.gpus_per_trial=1", "resources.wait_minutes=2", meanwhile=one_joins)
""")
    assert [record.state for record in records] == ["finished"]

"""Two raylets on one machine, in a process of its own: whose server a trial on each of them asks."""

import pickle
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from platform.memory.server import Serving

PREAMBLE = """
    import os, pickle, sys, tempfile, time
    from dataclasses import replace
    from pathlib import Path
    import numpy as np
    import ray
    from ray.cluster_utils import Cluster
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy
    from platform.memory.client import ServedMemory
    from platform.memory.coordinator import start_servers
    from platform.memory.request import Request

    serving = pickle.loads(Path(sys.argv[1]).read_bytes())
    SMALL = dict(object_store_memory=100_000_000)
    FOLDER = tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp", ignore_cleanup_errors=True)
    os.environ["RAY_TMPDIR"] = FOLDER.name  # where the address of "the" cluster is noted, in
    Path(FOLDER.name, "ray").mkdir()
    HEAD_ONLY = dict(include_dashboard=False, temp_dir=FOLDER.name)
    cluster = Cluster(initialize_head=True, head_node_args=dict(num_cpus=1, **HEAD_ONLY, **SMALL))
    ray.init(address=cluster.address, log_to_driver=False)
    HEAD = ray.get_runtime_context().get_node_id()

    def add_node():
        before = {node["NodeID"] for node in ray.nodes()}
        raylet = cluster.add_node(num_cpus=1, **SMALL)
        return raylet, next(node["NodeID"] for node in ray.nodes() if node["NodeID"] not in before)

    def on(node, cpus, function, *arguments):
        there = NodeAffinitySchedulingStrategy(node, soft=False)
        return ray.remote(num_cpus=cpus, scheduling_strategy=there)(function).remote(*arguments)

    def trial(blocks):
        memory = ServedMemory(serving)
        told = [memory.states(Request("one", block)).copy() for block in blocks]
        return memory._find().node_id, told, memory.counters.ready
"""


def run(serving: Serving, tmp_path: Path, script: str) -> str:
    plan = tmp_path / "serving"
    plan.write_bytes(pickle.dumps(serving))
    code = textwrap.dedent(PREAMBLE) + textwrap.dedent(script)
    ended = subprocess.run([sys.executable, "-c", code, plan], capture_output=True, text=True, timeout=600)
    assert ended.returncode == 0, ended.stderr[-3000:]
    return ended.stdout


def test_a_late_node_gets_its_server_with_its_first_trial_and_a_full_one_uses_anothers(
    serving: Serving, tmp_path: Path
) -> None:
    """The nodes share one machine, so the one without a server is given an empty store: all it reads came as bytes."""
    out = run(
        serving,
        tmp_path,
        """
        coordinator, without = start_servers(serving)
        assert without == []
        late, LATE = add_node()
        node, told, _ = ray.get(on(LATE, 0.8, trial, [0, 1]))
        assert node == LATE
        node, again, ready = ray.get(on(HEAD, 0.8, trial, [0, 1]))
        assert node == HEAD and ready == 2
        np.testing.assert_array_equal(again[1], told[1])

        full, FULL = add_node()
        gone = replace(serving, home=replace(serving.home, root=serving.home.root.with_name("elsewhere")))

        class Guest:  # an actor, as trials are: a task would lend its CPU to others while it waits
            def read(self, blocks):
                memory = ServedMemory(gone)
                told = [memory.states(Request("one", block)).copy() for block in blocks]
                return memory._find().node_id, told

        guest = on(FULL, 1, Guest)
        node, bytes_of = ray.get(guest.read.remote([0, 1, 2]))
        assert node in (HEAD, LATE)
        for one, other in zip(bytes_of, told):
            np.testing.assert_array_equal(one, other)
        assert not list(gone.home.root.rglob("*.arrow"))

        cluster.remove_node(late, allow_graceful=False)  # and its server with it: a guest is sent to another
        while any(node["Alive"] for node in ray.nodes() if node["NodeID"] == LATE):
            time.sleep(0.1)
        node, after = ray.get(guest.read.remote([2]))
        assert node == HEAD
        np.testing.assert_array_equal(after[0], bytes_of[2])
        print(ray.get(coordinator.totals.remote()))
        """,
    )
    assert "passes=" in out


DRIVER = """
import pickle, sys, time
from pathlib import Path
import ray
from platform.memory.coordinator import start_servers
ray.init(address=sys.argv[2], log_to_driver=False)
coordinator, _ = start_servers(pickle.loads(Path(sys.argv[1]).read_bytes()))
servers = ray.get(coordinator.servers.remote(ray.get_runtime_context().get_node_id()))
print(ray.get(servers.actors[0].ready.remote()), flush=True)
time.sleep(600)
"""


def test_servers_end_with_a_driver_that_is_killed_while_the_cluster_goes_on(serving: Serving, tmp_path: Path) -> None:
    (tmp_path / "driver.py").write_text(DRIVER)
    run(
        serving,
        tmp_path,
        """
        import subprocess
        command = [sys.executable, Path(sys.argv[1]).with_name("driver.py"), sys.argv[1], cluster.address]
        driver = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        server = int(driver.stdout.readline())
        assert Path(f"/proc/{server}").exists()
        driver.kill()
        driver.wait()
        while Path(f"/proc/{server}").exists():  # the test's own timeout ends it
            time.sleep(0.1)
        assert ray.get(on(HEAD, 1, lambda: True))  # the share it had is free again
        """,
    )


LOSING = """
import threading
from ray.util.placement_group import placement_group_table

def lose_while_its_server_begins(raylet, node):
    def begins():
        return any(
            room["state"] == "CREATED" and node in room["bundles_to_node_id"].values()
            for room in placement_group_table().values()
        )

    def lose():
        while not begins():
            time.sleep(0.01)
        cluster.remove_node(raylet, allow_graceful=False)

    threading.Thread(target=lose).start()

def rooms():
    return sum(room["state"] != "REMOVED" for room in placement_group_table().values())
"""


@pytest.mark.timeout(900)  # twice a lost node is looked for, after 10 s each
def test_a_node_that_is_lost_while_its_server_begins_is_waited_for_no_longer(serving: Serving, tmp_path: Path) -> None:
    """At the start, and of a node that joins; what was reserved there is given back."""
    run(
        serving,
        tmp_path,
        LOSING
        + textwrap.dedent("""
        from platform.memory.coordinator import Servers

        raylet, node = add_node()
        lose_while_its_server_begins(raylet, node)
        coordinator, without = start_servers(serving)
        assert without == []
        assert ray.get(coordinator.counts.remote()) == {HEAD: 1}
        assert rooms() == 1

        raylet, node = add_node()
        lose_while_its_server_begins(raylet, node)
        Servers(coordinator).start_on(node)
        assert ray.get(coordinator.counts.remote()) == {HEAD: 1}
        assert rooms() == 1
        """),
    )


def test_at_the_start_only_the_given_nodes_get_servers(serving: Serving, tmp_path: Path) -> None:
    """One of them is gone already."""
    run(
        serving,
        tmp_path,
        """
        _, late = add_node()
        coordinator, without = start_servers(serving, [HEAD, "a" * 56])
        assert without == []
        assert ray.get(coordinator.counts.remote()) == {HEAD: 1}
        """,
    )

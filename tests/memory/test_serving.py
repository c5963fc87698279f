"""Memory served by real Ray actors: computed once, mapped by every reader, and alive after a kill."""

import os
import pickle
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import ray
from ray.util import placement_group_table
from rich.console import Console

from platform.config.run import RunConfig
from platform.memory.client import ServedMemory
from platform.memory.compute import SourceRunner
from platform.memory.coordinator import start_servers
from platform.memory.request import Request, Shown
from platform.memory.server import Serving
from platform.results.run_folder import RunFolder
from platform.tuning.serving import memory_servers
from tests.given import TINY

Config = Callable[..., RunConfig]
pytestmark = pytest.mark.usefixtures("local_ray")
BLOCKS = [
    Request(source, block, direction)
    for block in range(3)
    for direction in ("forward", "reverse")
    for source in ("one", "two")
]


def this_node() -> str:
    return ray.get_runtime_context().get_node_id()


def rooms(serving: Serving) -> list[str]:
    """What became of the shares that were reserved for these servers."""
    table = placement_group_table().values()
    return sorted(room["state"] for room in table if room["name"].startswith(serving.name))


def test_a_block_is_computed_once_however_many_ask(serving: Serving) -> None:
    coordinator, without = start_servers(serving)
    assert without == []

    @ray.remote(num_cpus=0.4)
    def ask(announces: bool) -> tuple[int, float]:
        memory = ServedMemory(serving)
        if announces:
            memory.announce(BLOCKS)
        total = sum(float(memory.states(request).astype(np.float64).sum()) for request in BLOCKS)
        return memory.counters.computed + memory.counters.ready, total

    answers = ray.get([ask.remote(number % 2 == 0) for number in range(4)])
    assert ray.get(coordinator.totals.remote()).passes == len(BLOCKS)
    assert {asked for asked, _ in answers} == {len(BLOCKS)}
    assert len({total for _, total in answers}) == 1


def test_one_server_hosts_all_sources_unless_told_otherwise(serving: Serving, tiny_config: Config) -> None:
    for servers in (1, 2):
        apart = Serving(serving.sources, serving.benchmark, serving.home, cpus=0.2, servers_per_node=servers)
        coordinator, _ = start_servers(apart)
        found = ray.get(coordinator.servers.remote(this_node()))
        assert len(found.actors) == servers
        assert ServedMemory(apart).states(Request("two", 1)).shape == (8, 5, 8, 4, 4)


def test_what_is_announced_is_there_before_anybody_asks(serving: Serving) -> None:
    coordinator, _ = start_servers(serving)
    memory = ServedMemory(serving)
    memory.announce(BLOCKS)
    while ray.get(coordinator.totals.remote()).announced < len(BLOCKS):
        time.sleep(0.05)
    for request in BLOCKS:
        memory.states(request)
    assert (memory.counters.ready, memory.counters.computed) == (len(BLOCKS), 0)
    assert ray.get(coordinator.totals.remote()).passes == len(BLOCKS)


def test_a_block_without_room_comes_as_bytes(serving: Serving, runners: dict[str, SourceRunner]) -> None:
    small = Serving(serving.sources, serving.benchmark, serving.home, cpus=0.2, memory_budget=0)
    coordinator, _ = start_servers(small)
    memory = ServedMemory(small)
    memory.announce(BLOCKS)
    for request in BLOCKS:
        np.testing.assert_array_equal(memory.states(request), runners[request.source].states(request))
    totals = ray.get(coordinator.totals.remote())
    assert totals.passes == totals.unstored >= len(BLOCKS)
    assert totals.announced <= 1  # the first one finds out that there is no room
    assert not list(small.home.memory.rglob("*.arrow"))


def test_the_scheduled_feed_is_computed_for_each_and_stored_for_nobody(
    serving: Serving, runners: dict[str, SourceRunner]
) -> None:
    coordinator, _ = start_servers(serving)
    memory, request = ServedMemory(serving), Request("one", 1, "reverse", "scheduled")
    for seed in (0, 1):
        shown = Shown(3, np.random.default_rng(seed).integers(0, 2, (8, 2)).astype(np.float32))
        wanted = runners["one"].states(request, shown)
        np.testing.assert_array_equal(memory.states(request, shown), wanted)
    assert ray.get(coordinator.totals.remote()).unstored == 2
    assert not list(serving.home.memory.rglob("*.arrow"))
    with pytest.raises(ValueError, match="feed 'scheduled': what is shown"):
        memory.states(request)


def test_a_client_survives_pickling(serving: Serving) -> None:
    coordinator, _ = start_servers(serving)
    memory = ServedMemory(serving)
    before = memory.states(Request("one", 0))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(memory)).states(Request("one", 0)), before)
    assert ray.get(coordinator.totals.remote()).passes == 1


def test_a_server_killed_in_the_middle_of_a_block_is_asked_again(
    serving: Serving, runners: dict[str, SourceRunner]
) -> None:
    """The kill may come before, within or after the computing: the numbers are the same, and no call is lost."""
    coordinator, _ = start_servers(serving)
    server = ray.get(coordinator.servers.remote(this_node())).actors[0]
    memory = ServedMemory(serving)

    @ray.remote(num_cpus=0)
    def read(request: Request) -> np.ndarray:
        return ServedMemory(serving).states(request).copy()

    for request in BLOCKS[:4]:
        pid = ray.get(server.ready.remote())
        answer = read.remote(request)
        time.sleep(0.02)
        os.kill(pid, signal.SIGKILL)
        np.testing.assert_array_equal(ray.get(answer), runners[request.source].states(request))
    ray.kill(server, no_restart=True)  # for good: the coordinator starts another
    np.testing.assert_array_equal(memory.states(BLOCKS[-1]), runners["two"].states(BLOCKS[-1]))
    assert ray.get(coordinator.totals.remote()).restarts > 0


def test_a_killed_coordinator_comes_back_and_its_first_servers_keep_no_share(
    serving: Serving, runners: dict[str, SourceRunner]
) -> None:
    coordinator, _ = start_servers(serving)
    memory = ServedMemory(serving)
    memory.states(BLOCKS[0])
    server = ray.get(coordinator.servers.remote(this_node())).actors[0]
    ended = ray.get(server.ready.remote())
    ray.kill(coordinator, no_restart=False)
    while Path(f"/proc/{ended}").exists():  # its servers end with it
        time.sleep(0.1)
    np.testing.assert_array_equal(memory.states(BLOCKS[-1]), runners["two"].states(BLOCKS[-1]))
    assert rooms(serving) == ["CREATED", "REMOVED"]
    assert ray.get(coordinator.totals.remote()).restarts == 1


def test_servers_end_with_their_coordinator(serving: Serving) -> None:
    coordinator, _ = start_servers(serving)
    server = ray.get(coordinator.servers.remote(this_node())).actors[0]
    pid = ray.get(server.ready.remote())
    del coordinator, server
    while Path(f"/proc/{pid}").exists() or rooms(serving) != ["REMOVED"]:  # the test's own timeout ends it
        time.sleep(0.1)


def test_servers_of_a_run_end_with_it_though_its_handles_are_kept(serving: Serving, tmp_path: Path) -> None:
    """Else a second search of one driver waits for ever for the share that the first one's servers keep."""
    with memory_servers(serving, RunFolder(tmp_path), Console(quiet=True)) as servers:
        assert servers is not None
        [server] = ray.get(servers.coordinator.servers.remote(this_node())).actors
        pid = ray.get(server.ready.remote())
    while Path(f"/proc/{pid}").exists() or rooms(serving) != ["REMOVED"]:  # the test's own timeout ends it
        time.sleep(0.1)


def test_a_node_with_other_clips_is_told_how_to_repair_it(serving: Serving, tiny_config: Config) -> None:
    from platform.config.errors import UserError

    other = Serving(serving.sources, tiny_config("benchmark.block_clips=4").benchmark, serving.home, cpus=0.2)
    with pytest.raises(UserError, match=r"^[^\n]+ holds other clips .* --fetch --replace$"):
        start_servers(other)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("asked", ["resources.cpus_per_trial=2", "resources.gpus_per_trial=1"])
def test_trials_that_want_everything_cannot_starve_the_servers(serving: Serving, tmp_path: Path, asked: str) -> None:
    """In a process of its own, on two CPUs and one pretend GPU. A deadlock would run into the timeout."""
    plan = tmp_path / "serving"
    plan.write_bytes(pickle.dumps(serving))
    script = f"""
        import dataclasses, pickle, ray
        from pathlib import Path
        from platform.config.load import load_run
        from platform.memory.client import ServedMemory
        from platform.memory.coordinator import start_servers
        from platform.memory.request import Request
        from platform.tuning.cluster.resources import trial_resources
        ray.init(address="local", num_cpus=2, num_gpus=1, object_store_memory=100_000_000, include_dashboard=False,
                 log_to_driver=False)
        asked = ["{asked}", "resources.server_gpus=0.2"]
        config = load_run({str(TINY)!r}, profile="laptop", overrides=asked)
        resources = trial_resources(config.resources, ray.nodes(), 1)
        serving = pickle.loads(Path({str(plan)!r}).read_bytes())
        serving = dataclasses.replace(serving, cpus=config.resources.server_cpus, gpus=config.resources.server_gpus)
        servers = start_servers(serving)

        @ray.remote(num_cpus=resources.cpus, num_gpus=resources.gpus)
        def trial():
            return ServedMemory(serving).states(Request("one", 1, "reverse")).shape

        print(ray.get([trial.remote() for _ in range(3)]), resources)
    """
    ended = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, timeout=100)
    assert ended.returncode == 0, ended.stderr[-2000:]
    assert "(8, 5, 8, 4, 4)" in ended.stdout

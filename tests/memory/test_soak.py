"""For as long as a soak goes on: readers everywhere, blocks deleted, cut and changed under them, servers killed."""

import contextlib
import time
from pathlib import Path

import numpy as np
import pytest
import ray

from platform.memory.blocks import BlockStore
from platform.memory.client import ServedMemory
from platform.memory.compute import SourceRunner
from platform.memory.coordinator import start_servers
from platform.memory.request import Request
from platform.memory.server import Serving

TURN_S = 2.0


@ray.remote(num_cpus=0.4)
def read(serving: Serving, seed: int, wanted: list[np.ndarray]) -> int:
    """Reads blocks at random for a turn; returns how many. Raises AssertionError at the first that is not right."""
    memory, draw, read = ServedMemory(serving), np.random.default_rng(seed), 0
    ends = time.monotonic() + TURN_S
    while time.monotonic() < ends:
        block = int(draw.integers(len(wanted)))
        memory.announce([Request("one", other) for other in range(len(wanted))])
        np.testing.assert_array_equal(memory.states(Request("one", block)), wanted[block])
        read += 1
    return read


def harm(path: Path, mischief: np.random.Generator) -> None:
    """Delete a block, or put one that is cut off or has a flipped bit in its place: whoever has it mapped keeps it."""
    with contextlib.suppress(FileNotFoundError):  # a reader has removed it already
        content = bytearray(path.read_bytes())
        place = int(mischief.integers(len(content)))
        match mischief.choice(["delete", "cut", "flip"]):
            case "delete":
                path.unlink()
                return
            case "cut":
                del content[place:]
            case "flip":
                content[place] ^= 1 << int(mischief.integers(8))
        damaged = path.with_name("damaged")
        damaged.write_bytes(content)
        damaged.rename(path)


@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.usefixtures("local_ray")
def test_no_reader_is_ever_given_a_wrong_block(
    serving: Serving, runners: dict[str, SourceRunner], soak_s: float
) -> None:
    identity, store = serving.sources["one"].identity, BlockStore(serving.home.memory)
    num_blocks = runners["one"].clips.num_blocks
    wanted = [runners["one"].states(Request("one", block)) for block in range(num_blocks)]
    coordinator, _ = start_servers(serving)
    mischief, turns, num_read = np.random.default_rng(0), 0, 0
    ends = time.monotonic() + soak_s
    while time.monotonic() < ends:
        readers = [read.remote(serving, 2 * turns + seed, wanted) for seed in range(2)]
        while ray.wait(readers, num_returns=2, timeout=0.05)[1]:
            harm(store.path(identity, Request("one", int(mischief.integers(num_blocks)))), mischief)
        num_read += sum(ray.get(readers))
        turns += 1
        if turns % 4 == 0:
            here = ray.get(coordinator.servers.remote(ray.get_runtime_context().get_node_id()))
            ray.kill(here.actors[0], no_restart=False)
    assert num_read > 10 * turns

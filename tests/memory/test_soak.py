"""For as long as a soak goes on: readers everywhere, blocks deleted and cut short under them, servers killed."""

import time
from collections.abc import Callable

import numpy as np
import pytest
import ray

from platform.bank.bank import Bank
from platform.benchmarks.catalog import open_benchmark
from platform.config.home import Home
from platform.config.run import RunConfig
from platform.memory.actor import ServedMemory, ServedSource, start_servers
from platform.memory.blocks import BlockStore
from platform.memory.compute import SourceRunner
from platform.memory.request import MemoryIdentity, Request
from platform.training.pretraining import SourceRecipe, pretrain

Config = Callable[..., RunConfig]
TURN_S = 2.0


@ray.remote(num_cpus=0.4)
def read(served: ServedSource, home: Home, seed: int, wanted: list[np.ndarray]) -> int:
    """Reads blocks at random for a turn; returns how many. Raises AssertionError at the first that is not right."""
    memory, draw, read = ServedMemory({"one": served}, home), np.random.default_rng(seed), 0
    ends = time.monotonic() + TURN_S
    while time.monotonic() < ends:
        block = int(draw.integers(len(wanted)))
        try:
            np.testing.assert_array_equal(memory.states(Request("one", block)), wanted[block])
        except ray.exceptions.RayActorError:  # the call that was under way when the server was killed
            continue
        read += 1
    return read


@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.usefixtures("local_ray")
def test_no_reader_is_ever_given_a_wrong_block(
    tiny_home: Home, tiny_config: Config, tmp_path_factory: pytest.TempPathFactory, soak_s: float
) -> None:
    config, home = tiny_config(), Home(tmp_path_factory.mktemp("soak"))
    home.benchmarks.symlink_to(tiny_home.benchmarks)
    source = config.sources["one"]
    assert source.benchmark
    assert source.network
    assert source.pretraining
    bank = Bank(home.bank)
    recipe = SourceRecipe("one", open_benchmark(source.benchmark, home), source.network, source.pretraining)
    list(pretrain(recipe, bank))
    clips = open_benchmark(config.benchmark, home).blocks("train")
    identity = MemoryIdentity(bank.card(recipe.entry).function_sha256, clips.fingerprint, 3, (4, 4))
    served, store = ServedSource("one", recipe.entry, identity), BlockStore(home.memory)
    oracle = SourceRunner(bank.load(recipe.entry), clips, identity, BlockStore(home.root / "oracle"))
    wanted = [oracle.states(Request("one", block)) for block in range(clips.num_blocks)]

    servers = start_servers({"one": served}, config.benchmark, home, cpus=0.2, gpus=0)
    mischief, turns, num_read = np.random.default_rng(0), 0, 0
    ends = time.monotonic() + soak_s
    while time.monotonic() < ends:
        readers = [read.remote(served, home, 2 * turns + seed, wanted) for seed in range(2)]
        while ray.wait(readers, num_returns=2, timeout=0.05)[1]:
            path = store.path(identity, Request("one", int(mischief.integers(clips.num_blocks))))
            if path.exists() and mischief.random() < 0.5:
                path.unlink()
            elif path.exists():
                short = path.with_name("short")
                short.write_bytes(path.read_bytes()[: int(mischief.integers(path.stat().st_size))])
                short.rename(path)
        num_read += sum(ray.get(readers))
        turns += 1
        if turns % 4 == 0:
            ray.kill(servers[0], no_restart=False)
    assert num_read > 10 * turns

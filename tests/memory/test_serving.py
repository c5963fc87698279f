"""Memory served by real Ray actors: computed once, mapped by every reader, and alive after a kill."""

import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import ray
import torch

from platform.bank.bank import Bank
from platform.benchmarks.catalog import open_benchmark
from platform.config.home import Home
from platform.config.run import RunConfig
from platform.memory.actor import NAMESPACE, ServedMemory, ServedSource, start_servers
from platform.memory.blocks import BlockStore
from platform.memory.compute import SourceRunner
from platform.memory.in_process import InProcessMemory
from platform.memory.request import MemoryIdentity, Request
from platform.training.pretraining import SourceRecipe, pretrain

Config = Callable[..., RunConfig]


@pytest.fixture
def served(tiny_home: Home, tiny_config: Config) -> ServedSource:
    """One source, pretrained for an epoch."""
    config = tiny_config()
    source = config.sources["one"]
    assert source.benchmark is not None
    assert source.network is not None
    assert source.pretraining is not None
    recipe = SourceRecipe("one", open_benchmark(source.benchmark, tiny_home), source.network, source.pretraining)
    bank = Bank(tiny_home.bank)
    if bank.find(recipe.hash) is None:
        list(pretrain(recipe, bank))
    clips = open_benchmark(config.benchmark, tiny_home).blocks("train")
    card = bank.card(recipe.entry)
    return ServedSource("one", recipe.entry, MemoryIdentity(card.function_sha256, clips.fingerprint, 3, (4, 4)))


@pytest.fixture
def runner(served: ServedSource, tiny_home: Home, tiny_config: Config) -> SourceRunner:
    clips = open_benchmark(tiny_config().benchmark, tiny_home).blocks("train")
    return SourceRunner(Bank(tiny_home.bank).load(served.entry), clips, served.identity, BlockStore(tiny_home.memory))


def test_memories_are_the_sources_own(runner: SourceRunner) -> None:
    states = runner.states(Request("one", 1, "reverse", "truth"))
    frames = torch.from_numpy(runner.clips.frames(1)).permute(0, 1, 4, 2, 3).float().flip(1) / 255
    with torch.no_grad():
        wanted = runner.network(frames, input_length=5, keep_memories=["cell/0"]).memories["cell/0"]
    np.testing.assert_array_equal(states, wanted.numpy().astype(np.float16))


def test_the_own_feed_hides_what_was_not_observed(runner: SourceRunner) -> None:
    own, truth = runner.compute(Request("one", 0)), runner.compute(Request("one", 0, feed="truth"))
    np.testing.assert_allclose(own[:, :3], truth[:, :3], atol=1e-6)
    assert np.abs(own[:, 3:] - truth[:, 3:]).max() > 1e-3


def test_a_source_sees_the_variant_that_was_asked_for(
    served: ServedSource, tiny_home: Home, tiny_config: Config, tmp_path: Path
) -> None:
    config = tiny_config("benchmark.augment=mirror", "benchmark.variants=3")
    clips = open_benchmark(config.benchmark, tiny_home).blocks("train")
    identity = MemoryIdentity(served.identity.source_sha256, clips.fingerprint, 3, (4, 4))
    runner = SourceRunner(Bank(tiny_home.bank).load(served.entry), clips, identity, BlockStore(tmp_path))
    plain = runner.states(Request("one", 0))
    for variant in (1, 2):
        states = runner.states(Request("one", 0, variant=variant))
        flipped = [not np.array_equal(a, b) for a, b in zip(clips.frames(0), clips.frames(0, variant), strict=True)]
        assert 0 < sum(flipped) < len(flipped)
        other = [not np.allclose(a, b, atol=1e-3) for a, b in zip(plain, states, strict=True)]
        assert other == flipped


def test_the_first_answer_is_the_stored_answer(runner: SourceRunner) -> None:
    provider = InProcessMemory({"one": runner})
    request = Request("one", 2)
    runner.store.path(runner.identity, request).unlink(missing_ok=True)
    first, second = provider.states(request), provider.states(request)
    np.testing.assert_array_equal(first, second)
    assert (provider.counters.computed, provider.counters.ready) == (1, 1)


def test_a_store_without_room_costs_a_computation_and_no_answer(runner: SourceRunner) -> None:
    request = Request("one", 1, "reverse", "truth")
    stored = runner.states(request).copy()
    runner.store.path(runner.identity, request).unlink()
    runner.store = BlockStore(runner.store.root, budget_bytes=0)
    before = runner.counters.computed
    for _ in range(2):  # the second time the block is still at hand
        np.testing.assert_array_equal(runner.states(request), stored)
    assert runner.counters.computed == before + 1


@pytest.mark.usefixtures("local_ray")
def test_a_block_is_computed_once_however_many_ask(
    served: ServedSource, tiny_home: Home, tiny_config: Config, tmp_path: object
) -> None:
    home = Home(tiny_home.root / "fresh")
    (home.root).mkdir()
    (home.root / "benchmarks").symlink_to(tiny_home.benchmarks)
    (home.root / "bank").symlink_to(tiny_home.bank)
    servers = start_servers({"one": served}, tiny_config().benchmark, home, cpus=0.2, gpus=0)

    @ray.remote(num_cpus=0.5)
    def ask() -> tuple[int, int, float]:
        memory = ServedMemory({"one": served}, home)
        total = sum(float(memory.states(Request("one", block)).astype(np.float64).sum()) for block in range(3))
        return memory.counters.computed, memory.counters.ready, total

    answers = ray.get([ask.remote() for _ in range(4)])
    assert ray.get(servers[0].computed.remote()) == 3
    assert sum(computed for computed, _, _ in answers) == 3
    assert sum(ready for _, ready, _ in answers) == 9
    assert len({total for _, _, total in answers}) == 1


@pytest.mark.usefixtures("local_ray")
def test_a_killed_server_comes_back_and_answers(served: ServedSource, tiny_home: Home, tiny_config: Config) -> None:
    servers = start_servers({"one": served}, tiny_config().benchmark, tiny_home, cpus=0.2, gpus=0)
    request, memory = Request("one", 0, "reverse"), ServedMemory({"one": served}, tiny_home)
    before = memory.states(request).copy()
    ray.kill(servers[0], no_restart=False)
    BlockStore(tiny_home.memory).path(served.identity, request).unlink()
    deadline = time.monotonic() + 60
    while True:
        try:
            after = memory.states(request)
            break
        except ray.exceptions.RayActorError:  # the call that was under way when the server died
            assert time.monotonic() < deadline
    np.testing.assert_array_equal(before, after)
    name = served.server_name(ray.get_runtime_context().get_node_id())
    assert ray.get_actor(name, namespace=NAMESPACE) is not None


@pytest.mark.timeout(120)
@pytest.mark.parametrize("asked", ["resources.cpus_per_trial=2", "resources.gpus_per_trial=1"])
def test_trials_that_want_everything_cannot_starve_the_servers(
    served: ServedSource, tiny_home: Home, tiny_config: Config, asked: str
) -> None:
    """In a process of its own, on two CPUs and one pretend GPU. A deadlock would run into the timeout."""
    script = f"""
        import ray
        from pathlib import Path
        from platform.config.home import Home
        from platform.config.load import load_run
        from platform.memory.actor import start_servers
        from platform.tuning.resources import trial_resources
        from platform.memory.actor import ServedSource
        from platform.memory.request import MemoryIdentity
        import sys
        ray.init(address="local", num_cpus=2, num_gpus=1, object_store_memory=100_000_000, include_dashboard=False,
                 log_to_driver=False)
        asked = ["{asked}", "resources.server_gpus=0.2"]
        config = load_run({str(tiny_config_path())!r}, profile="laptop", overrides=asked)
        served = ServedSource("one", {served.entry!r}, {served.identity!r})
        resources = trial_resources(config.resources, ray.nodes(), 1)
        servers = start_servers({{"one": served}}, config.benchmark, Home(Path({str(tiny_home.root)!r})),
                                cpus=config.resources.server_cpus, gpus=config.resources.server_gpus)

        @ray.remote(num_cpus=resources.cpus, num_gpus=resources.gpus)
        def trial():
            from platform.memory.actor import ServedMemory
            from platform.memory.request import Request
            memory = ServedMemory({{"one": served}}, Home(Path({str(tiny_home.root)!r})))
            return memory.states(Request("one", 1, "reverse")).shape

        print(ray.get([trial.remote() for _ in range(3)]), resources)
    """
    ended = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, timeout=100)
    assert ended.returncode == 0, ended.stderr[-2000:]
    assert "(8, 5, 8, 4, 4)" in ended.stdout


def tiny_config_path() -> str:
    from pathlib import Path

    return str(Path(__file__).parents[1] / "fixtures" / "tiny.yaml")

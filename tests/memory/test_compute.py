"""What a source computes for a block: its own memories, in the feed, direction and variant that were asked for."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from platform.bank.bank import Bank
from platform.benchmarks.catalog import open_benchmark
from platform.config.errors import UserError
from platform.config.home import Home
from platform.config.run import RunConfig
from platform.memory.blocks import BlockStore
from platform.memory.compute import SourceRunner
from platform.memory.in_process import InProcessMemory
from platform.memory.request import FRAMES, MemoryIdentity, Request, Shown
from platform.memory.server import ServedSource

Config = Callable[..., RunConfig]


@pytest.fixture
def runner(runners: dict[str, SourceRunner]) -> SourceRunner:
    return runners["one"]


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
    served: dict[str, ServedSource], tiny_home: Home, tiny_config: Config, tmp_path: Path
) -> None:
    config = tiny_config("benchmark.augment=mirror", "benchmark.variants=3")
    clips = open_benchmark(config.benchmark, tiny_home).blocks("train")
    identity = MemoryIdentity(served["one"].identity.source_sha256, clips.fingerprint, 3, (4, 4))
    runner = SourceRunner(Bank(tiny_home.bank).load(served["one"].entry), clips, identity, BlockStore(tmp_path))
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


@pytest.mark.parametrize("shown_frames", [3, 1])
@pytest.mark.parametrize("direction", ["forward", "reverse"])
@pytest.mark.parametrize("memory", ["cell/1", FRAMES])
def test_the_scheduled_feed_shows_the_source_what_the_mask_shows(
    runner: SourceRunner, shown_frames: int, direction: str, memory: str
) -> None:
    request = Request("one", 1, direction, "scheduled", memory)  # type: ignore[arg-type]
    draw = np.random.default_rng(0)
    mask = draw.integers(0, 2, (8, 5 - shown_frames)).astype(np.float32)
    frames = torch.from_numpy(runner.clips.frames(1)).permute(0, 1, 4, 2, 3).float() / 255
    frames = frames.flip(1) if direction == "reverse" else frames
    with torch.no_grad():
        told = runner.network(frames, input_length=shown_frames, truth_mask=torch.from_numpy(mask))
    wanted = told.frames if memory == FRAMES else told.memories[memory]
    states = InProcessMemory({"one": runner}).states(request, Shown(shown_frames, mask))
    np.testing.assert_array_equal(states, wanted.numpy().astype(np.float16))
    assert not list(runner.store.root.rglob("*.arrow"))


def test_a_block_that_a_device_has_no_memory_for_goes_through_in_parts(runner: SourceRunner) -> None:
    shown = Shown(3, np.random.default_rng(0).integers(0, 2, (8, 2)).astype(np.float32))
    requests = {Request("one", 0): None, Request("one", 0, feed="scheduled"): shown}
    whole = [runner.compute(*asked) for asked in requests.items()]
    room = 3  # clips

    def refuse(network: torch.nn.Module, arguments: tuple[torch.Tensor]) -> None:
        if len(arguments[0]) > room:
            raise torch.OutOfMemoryError("CUDA out of memory")

    runner.network.register_forward_pre_hook(refuse)
    for asked, wanted in zip(requests.items(), whole, strict=True):
        np.testing.assert_allclose(runner.compute(*asked), wanted, atol=1e-6)
    assert runner.clips_at_once == 2
    room = 0
    with pytest.raises(UserError, match=r"Raise resources\.server_gpus, or set it to 0"):
        runner.compute(Request("one", 0))


def test_memories_are_float32_whatever_the_process_computes_in(runner: SourceRunner) -> None:
    wanted = runner.compute(Request("one", 0))
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision("medium")
        with torch.autocast("cpu", dtype=torch.bfloat16):
            np.testing.assert_array_equal(runner.compute(Request("one", 0)), wanted)
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision(before)


def test_blocks_without_room_are_kept_at_hand_for_a_while_and_only_a_few(runner: SourceRunner) -> None:
    runner.store = BlockStore(runner.store.root, budget_bytes=0)
    requests = [Request("one", block, "forward", feed) for block in range(3) for feed in ("own", "truth")]
    for request in requests:
        runner.states(request)
    assert runner.counters.computed == len(requests)
    for request in requests[-4:]:
        runner.states(request)
    assert runner.counters.computed == len(requests)
    runner.states(requests[0])
    assert runner.counters.computed == len(requests) + 1

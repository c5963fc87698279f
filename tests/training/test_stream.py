"""The stream of an epoch is the same at any number of readers, and after a break it goes on where it was."""

import threading
from collections.abc import Callable, Sequence
from contextlib import closing

import numpy as np
import pytest
import torch

from platform.benchmarks.blocks import ClipBlocks
from platform.benchmarks.catalog import open_benchmark
from platform.benchmarks.tensors import clips_to_float
from platform.config.home import Home
from platform.config.run import RunConfig
from platform.config.training import TrainingConfig
from platform.memory.request import Counters, Request, Shown
from platform.training.imitation import Imitation
from platform.training.sampling import truth_mask
from platform.training.stream import Batch, ClipStream, epoch_visits

Config = Callable[..., RunConfig]
VARIED = ("benchmark.augment=symmetries", "benchmark.variants=3")


class Telling:
    """Memories that tell what was asked: block, variant and direction, and the clip's place in the block."""

    def __init__(self, clips: ClipBlocks) -> None:
        self.counters = Counters()
        self.clips = clips
        self.asked: list[Request] = []
        self.announced: list[Request] = []
        self.shown: dict[Request, Shown] = {}

    def states(self, request: Request, shown: Shown | None = None) -> np.ndarray:
        self.asked.append(request)
        if shown is not None:
            self.shown[request] = shown
        told = 100 * request.block + 10 * request.variant + (request.direction == "reverse")
        rows = np.arange(self.clips.block_size(request.block)) / 32
        return np.broadcast_to((told + rows)[:, None, None, None, None], (len(rows), 5, 8, 4, 4)).astype("f4")

    def announce(self, requests: Sequence[Request]) -> None:
        self.announced += requests


def clips_of(home: Home, config: RunConfig) -> ClipBlocks:
    return open_benchmark(config.benchmark, home).blocks("train")


def stream_of(clips: ClipBlocks, plan: TrainingConfig, until: float = 1.0) -> tuple[ClipStream, Telling]:
    memory = Telling(clips)
    imitation = Imitation(memory, {"one": "cell/0"}, weight=0.1, until=until)
    return ClipStream(clips, plan, order_seed=4, imitation=imitation), memory


def batches_of(stream: ClipStream, epoch: int, done: int = 0) -> list[Batch]:
    with closing(stream.epoch(epoch, done)) as batches:
        return list(batches)


def assert_same(some: list[Batch], others: list[Batch]) -> None:
    assert len(some) == len(others)
    for batch, other in zip(some, others, strict=True):
        assert torch.equal(batch.frames, other.frames)
        assert batch.memories.keys() == other.memories.keys()
        for name, memory in batch.memories.items():
            assert torch.equal(memory, other.memories[name])


@pytest.mark.parametrize("readers", [1, 3])
@pytest.mark.parametrize("limit", ["null", "3"])
def test_readers_change_nothing(tiny_home: Home, tiny_config: Config, readers: int, limit: str) -> None:
    config = tiny_config(*VARIED, f"training.steps_per_epoch={limit}")
    clips = clips_of(tiny_home, config)
    alone, helped = (
        stream_of(clips, config.training.model_copy(update={"readers": number}))[0] for number in (0, readers)
    )
    for epoch in range(3):
        assert_same(batches_of(alone, epoch), batches_of(helped, epoch))


@pytest.mark.parametrize("readers", [0, 2])
def test_an_epoch_goes_on_from_any_step_and_reads_only_what_is_left(
    tiny_home: Home, tiny_config: Config, readers: int
) -> None:
    config = tiny_config(*VARIED, f"training.readers={readers}")
    stream, memory = stream_of(clips_of(tiny_home, config), config.training)
    whole = batches_of(stream, 1)
    visits = epoch_visits(config.training, stream.clips, 4, 1)
    assert len(whole) == stream.steps_per_epoch == 10
    for done in range(len(whole) + 1):
        memory.asked.clear()
        assert_same(batches_of(stream, 1, done), whole[done:])
        left = {visit.block for visit in visits if 2 * (visit.first_batch + visit.num_batches) > done}
        assert {request.block for request in memory.asked} == left


def test_a_batch_is_of_one_block_and_variant_and_its_memories_are_of_its_clips(
    tiny_home: Home, tiny_config: Config
) -> None:
    config = tiny_config(*VARIED)
    clips = clips_of(tiny_home, config)
    stream, _ = stream_of(clips, config.training)
    for batch in batches_of(stream, 2):
        for frames, memory in zip(batch.frames, batch.memories["one"], strict=True):
            told, row = divmod(memory[0, 0, 0, 0].item(), 1)
            block, variant, reverse = int(told) // 100, int(told) // 10 % 10, bool(told % 2)
            stored = clips.frames(block, variant)[round(32 * row)][None]
            assert torch.equal(frames, clips_to_float(stored, field=False, reverse=reverse)[0])


def test_every_block_goes_through_all_its_variants_and_an_epoch_mixes_them(
    tiny_home: Home, tiny_config: Config
) -> None:
    config = tiny_config(*VARIED, "benchmark.block_clips=1", "training.batch_size=1")
    clips = clips_of(tiny_home, config)
    epochs = [epoch_visits(config.training, clips, 4, epoch) for epoch in range(3)]
    for visits in epochs:
        assert {visit.variant for visit in visits} == {0, 1, 2}
    seen = {(visit.block, visit.variant) for visits in epochs for visit in visits}
    assert len(seen) == 3 * clips.num_blocks
    assert epoch_visits(config.training, clips, 4, 0) == epochs[0]
    assert epoch_visits(config.training, clips, 5, 0) != epochs[0]


@pytest.mark.parametrize("readers", [0, 3])
def test_nothing_is_fetched_for_blocks_whose_turn_comes_after_imitation_has_ended(
    tiny_home: Home, tiny_config: Config, readers: int
) -> None:
    """By the progress at which a block is due, however far ahead it is read: 3 epochs of 10 steps, imitated for 16."""
    config = tiny_config(f"training.readers={readers}")
    stream, memory = stream_of(clips_of(tiny_home, config), config.training, until=16 / 30)
    imitated = [[bool(batch.memories) for batch in batches_of(stream, epoch)] for epoch in range(3)]
    first = [2 * visit.first_batch for visit in epoch_visits(config.training, stream.clips, 4, 1)]
    ends = next((step for step in first if step >= 6), 10)
    assert imitated == [[True] * 10, [True] * ends + [False] * (10 - ends), [False] * 10]
    assert len(memory.asked) == 2 * (3 + sum(step < 6 for step in first))


def test_what_a_reader_meets_reaches_training(tiny_home: Home, tiny_config: Config) -> None:
    config = tiny_config("training.readers=2")
    stream, memory = stream_of(clips_of(tiny_home, config), config.training)

    def lost(request: Request, shown: Shown | None = None) -> np.ndarray:
        raise RuntimeError("no memory server for source 'one'")

    memory.states = lost  # type: ignore[method-assign]
    with pytest.raises(RuntimeError, match="no memory server for source 'one'"):
        batches_of(stream, 0)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("reader")]


def test_a_stream_that_is_closed_early_leaves_no_thread(tiny_home: Home, tiny_config: Config) -> None:
    config = tiny_config("training.readers=2")
    stream, _ = stream_of(clips_of(tiny_home, config), config.training)
    before = threading.active_count()
    with closing(stream.epoch(0)) as batches:
        next(batches)
        assert threading.active_count() > before
    assert threading.active_count() == before


def test_waiting_for_memories_is_counted_and_fetching_them_ahead_is_not(tiny_home: Home, tiny_config: Config) -> None:
    for readers in (0, 1):
        config = tiny_config(f"training.readers={readers}")
        stream, memory = stream_of(clips_of(tiny_home, config), config.training)
        batches_of(stream, 0)
        assert 0 < memory.counters.waited_s <= stream.waited_s


@pytest.mark.parametrize("readers", [0, 2])
def test_an_epoch_announces_what_it_will_ask_for_in_that_order(
    tiny_home: Home, tiny_config: Config, readers: int
) -> None:
    """And nothing for blocks whose turn comes after imitation has ended: 3 epochs of 10 steps, imitated for 16."""
    config = tiny_config(*VARIED, f"training.readers={readers}")
    stream, memory = stream_of(clips_of(tiny_home, config), config.training, until=16 / 30)
    for epoch in range(3):
        memory.asked.clear()
        memory.announced.clear()
        batches_of(stream, epoch)
        assert sorted(memory.asked, key=memory.announced.index) == memory.announced
        if readers == 0:
            assert memory.asked == memory.announced
    with closing(stream.epoch(0, done=7)) as batches:
        memory.announced.clear()
        list(batches)
    visits = epoch_visits(config.training, stream.clips, 4, 0)
    left = [visit.block for visit in visits if 2 * (visit.first_batch + visit.num_batches) > 7]
    assert [request.block for request in memory.announced] == [block for block in left for _ in range(2)]


@pytest.mark.parametrize("kind", ["scheduled", "reverse"])
@pytest.mark.parametrize("limit", ["null", "3"])
def test_the_scheduled_feed_shows_sources_what_each_step_shows_the_target(
    tiny_home: Home, tiny_config: Config, kind: str, limit: str
) -> None:
    config = tiny_config(f"training.sampling.kind={kind}", f"training.steps_per_epoch={limit}")
    plan, clips = config.training, clips_of(tiny_home, config)
    memory = Telling(clips)
    imitation = Imitation(memory, {"one": "cell/0"}, weight=0.1, feed="scheduled")
    stream = ClipStream(clips, plan, order_seed=4, imitation=imitation, mask_seed=9)
    step, total = 0, plan.epochs * stream.steps_per_epoch
    for epoch in range(plan.epochs):
        memory.shown.clear()
        for batch in batches_of(stream, epoch):
            told = batch.memories["one"][:, 0, 0, 0, 0]
            block, reverse = int(told[0]) // 100, bool(int(told[0]) % 10)
            rows = (32 * (told % 1)).round().int()
            shown = memory.shown[Request("one", block, "reverse" if reverse else "forward", "scheduled")]
            frames, mask = truth_mask(plan.sampling, step / total, len(rows), 6, 3, (9, step))
            assert shown.frames == frames == (1 if kind == "reverse" else 3)
            if mask is None:
                assert not shown.mask[rows].any()
            else:
                np.testing.assert_array_equal(shown.mask[rows], mask)
            step += 1
    assert step == total
    assert memory.announced == []


def test_what_is_imitated_under_the_scheduled_feed_has_the_scale_of_the_own_feed(
    tiny_home: Home, tiny_config: Config
) -> None:
    memory = Telling(clips_of(tiny_home, tiny_config()))
    Imitation(memory, {"one": "cell/0"}, weight=0.1, feed="scheduled").moments()
    assert memory.asked == [Request("one", 0)]

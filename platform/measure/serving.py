"""What serving memory costs: a server's work on a block, the store's rates, what a trial waits for, what it all holds.

Without Ray: a server is a `SourceRunner`, and a trial on its node reads the same stored files.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch

from platform.benchmarks.blocks import ClipBlocks
from platform.benchmarks.tensors import clips_to_float
from platform.config.home import Home
from platform.config.network import NetworkConfig
from platform.config.training import TrainingConfig
from platform.measure.processes import in_fresh_process, peak_resident_bytes
from platform.measure.setting import MEMORY, Setting, make_provider, make_run, training_clips
from platform.measure.timing import median_seconds
from platform.memory.blocks import BlockStore
from platform.memory.in_process import InProcessMemory
from platform.memory.request import Request
from platform.training.imitation import Imitation
from platform.training.stream import ClipStream, directions

SETTLED_S = 1.2  # the store compares the checksum of a younger file each time
TINY = NetworkConfig(hidden=(4,), kernel_size=1)


def block_seconds(setting: Setting, home: Home, clips: ClipBlocks, *, repeats: int, device: str = "cpu") -> float:
    """Seconds in which a server puts one block through its source, storing not included."""
    runner = make_provider(setting, 1, clips, home, device=device).runners["source_0"]
    return median_seconds({"block": lambda: runner.compute(Request("source_0", 0))}, repeats=repeats)["block"]


@dataclass(frozen=True)
class StoreRates:
    """Bytes a second of the block store in the temporary folder's file system, and what a clip takes in it."""

    written: float
    read_first: float  # its checksum is compared: once in a process
    read: float  # later, copied into batches
    bytes_per_clip: float  # of one source and direction, in the file


def store_rates(setting: Setting, home: Home, clips: ClipBlocks, *, repeats: int) -> StoreRates:
    """Of a block of made-up memories of the setting's size."""
    runner = make_provider(setting, 1, clips, home).runners["source_0"]
    grid, width = runner.network.grid, runner.network.hidden[0]
    shape = (setting.block_clips, setting.total_length - 1, width, *grid)
    memories = runner.identity.rounded(np.random.default_rng(0).standard_normal(shape, np.float32))
    blocks = iter(range(1_000_000, 2_000_000))  # beyond those of the clips
    written: list[Request] = []

    def write() -> None:
        written.append(Request("source_0", next(blocks)))
        runner.store.write(runner.identity, written[-1], memories)

    def read(store: BlockStore) -> None:
        stored = store.read(runner.identity, written[-1])
        assert stored is not None, "the temporary folder has no room for a block"
        order = np.random.default_rng(0).permutation(len(stored))
        for first in range(0, len(order), setting.batch_size):
            stored[order[first : first + setting.batch_size]]

    times = median_seconds({"write": write}, repeats=repeats)
    time.sleep(SETTLED_S)
    kept = BlockStore(home.memory)
    times |= median_seconds(
        {"first": lambda: read(BlockStore(home.memory)), "again": lambda: read(kept)}, repeats=repeats
    )
    path = runner.store.path(runner.identity, written[-1])
    return StoreRates(
        written=memories.nbytes / times["write"],
        read_first=memories.nbytes / times["first"],
        read=memories.nbytes / times["again"],
        bytes_per_clip=path.stat().st_size / setting.block_clips,
    )


@dataclass(frozen=True)
class Waiting:
    """An epoch of training whose memories lie stored: seconds, and how long it stood still for them."""

    num_steps: int
    epoch_s: float
    for_memory_s: float
    for_data_s: float  # for blocks: frames, and the memories that are fetched after them

    @property
    def share(self) -> float:
        return self.for_memory_s / self.epoch_s


def waiting(
    setting: Setting, num_sources: int, home: Home, clips: ClipBlocks, *, num_batches: int, device: str = "cpu"
) -> Waiting:
    """A trial's own epoch, in both directions, after another trial's, which stored all that it asks for."""
    plan = TrainingConfig(batch_size=setting.batch_size, steps_per_epoch=num_batches)
    provider = make_provider(setting, num_sources, clips, home, device=device)
    make_run(setting, clips, provider, plan=plan, device=device).epoch()
    time.sleep(SETTLED_S)
    run, before = make_run(setting, clips, provider, plan=plan, device=device), provider.counters.waited_s
    report = run.epoch()
    return Waiting(report.steps, report.seconds, provider.counters.waited_s - before, run.stream.waited_s)


@dataclass(frozen=True)
class HalfStore:
    """Block requests of a search whose store holds half of its memories, and how many of them had to be computed."""

    requests: int
    computed: int

    @property
    def share_computed(self) -> float:
        """Of what is computed where every trial runs its own sources."""
        return self.computed / self.requests


def half_store(home: Home, *, num_trials: int = 16, num_epochs: int = 3, num_sources: int = 4) -> HalfStore:
    """Asked as trials ask, one after the other; of a tiny network, for counts do not depend on its size."""
    small = Setting(TINY, frame_size=16, input_length=2, total_length=4, block_clips=8, train_clips=256)
    clips, plan = training_clips(small, home), TrainingConfig(batch_size=8)
    one = make_provider(small, 1, clips, home).runners["source_0"]
    one.states(Request("source_0", 0))
    block_bytes = one.store.path(one.identity, Request("source_0", 0)).stat().st_size
    num_requests = clips.num_blocks * len(directions(plan)) * num_sources
    store = replace(home, root=home.root / "half")
    provider = make_provider(small, num_sources, clips, store, budget_bytes=block_bytes * num_requests // 2)
    for _ in range(num_trials):
        _train_on_nothing(provider, clips, plan, num_epochs)
    counters = provider.counters
    return HalfStore(counters.ready + counters.computed, counters.computed)


def _train_on_nothing(provider: InProcessMemory, clips: ClipBlocks, plan: TrainingConfig, num_epochs: int) -> None:
    """Takes every batch that a trial would."""
    imitation = Imitation(provider, dict.fromkeys(provider.runners, MEMORY), weight=0.1)
    stream = ClipStream(clips, plan, order_seed=0, imitation=imitation)
    for epoch in range(num_epochs):
        for _ in stream.epoch(epoch):
            pass


def peak_bytes(setting: Setting, home: Home) -> dict[str, int]:
    """Largest resident memory of a fresh process that imports only, trains as a trial, serves as a server. Linux."""
    works = {"imports alone": imports_alone, "trial, 2 sources": as_trial, "server": as_server}
    return {name: peak_of(work, setting, home) for name, work in works.items()}


def peak_of(work: Callable[[Setting, Home], None], setting: Setting, home: Home) -> int:
    """Largest resident memory of a fresh process that does this work, a function of a module, in bytes. Linux."""
    return in_fresh_process(_measured, work, setting, home)


def _measured(work: Callable[[Setting, Home], None], setting: Setting, home: Home) -> int:
    work(setting, home)
    return peak_resident_bytes()


def imports_alone(setting: Setting, home: Home) -> None:
    return


def as_trial(setting: Setting, home: Home) -> None:
    clips = training_clips(setting, home)
    provider = make_provider(setting, 2, clips, home)
    run = make_run(setting, clips, provider)
    rows = np.arange(setting.batch_size)
    frames = clips_to_float(clips.frames(0)[rows], field=clips.holds_field)
    for _ in range(2):
        run.step(frames, {name: torch.from_numpy(provider.states(Request(name, 0))[rows]) for name in provider.runners})


def as_server(setting: Setting, home: Home) -> None:
    clips = training_clips(setting, home)
    make_provider(setting, 1, clips, home).runners["source_0"].compute(Request("source_0", 0))

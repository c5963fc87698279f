"""How fast clips come from the Arrow store to a network, what reading them takes in memory, how soon a store is open.

All on clips of 20 grey frames of 64x64, made up: their content changes no time.
"""

import itertools
import statistics
import time
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from platform.bank.networks import build_network
from platform.benchmarks.blocks import ClipBlocks
from platform.benchmarks.manifest import MANIFEST_FILE, StoredFile
from platform.benchmarks.recording import Found, Recording
from platform.benchmarks.store import FrameStore
from platform.benchmarks.store_writer import write_store
from platform.benchmarks.tensors import clips_to_tensors
from platform.benchmarks.videos import VIDEOS_FILE, VideoTable
from platform.config.network import NetworkConfig
from platform.config.training import TrainingConfig
from platform.measure.processes import anonymous_bytes, in_fresh_process
from platform.measure.timing import median_seconds
from platform.training.run import TrainingRun
from platform.training.stream import ClipStream

FRAMES, SIDE = 20, 64
CLIP_BYTES = FRAMES * SIDE * SIDE
SMALLEST = NetworkConfig(hidden=(8,), kernel_size=3)  # smaller than any that a search of ours trains
TURN_BLOCKS = 64  # blocks in one timed turn
COPY_BYTES = 1 << 30  # of each buffer of the copy that streaming is compared with: larger than a cache


@dataclass(frozen=True)
class StreamRates:
    """Clips a second of one reader, blocks in the order of the index; and what a copy of as many bytes would make."""

    first_pass: float  # uint8, each video compared with its checksum, which is done once a process
    as_bytes: float  # uint8
    as_floats: float  # what a network takes
    as_batches: float  # what training is handed by a reader's thread, each clip in both directions
    copied: float  # bytes of a clip from one large buffer to another
    consumed: float  # by training the smallest network, both directions

    @property
    def share_of_copying(self) -> float:
        return self.as_bytes / self.copied

    @property
    def times_consumed(self) -> float:
        return self.as_batches / self.consumed


def make_store(folder: Path, num_bytes: int) -> FrameStore:
    """A store of as many made-up clips, each a video of its own."""
    recordings = [
        Recording(f"clip{n:06d}", "train", "clips", f"{n}", partial(_frames, n), num_frames=FRAMES)
        for n in range(num_bytes // CLIP_BYTES)
    ]
    found = Found(recordings, frame_size=(SIDE, SIDE), provenance={"source": "made up to measure reading"})
    return write_store(folder, found, dataset="flying_digits_2", synthetic=True, reader_version="bench")


def _frames(number: int) -> np.ndarray:
    pool = _noise()
    return pool[(np.arange(FRAMES) + number) % len(pool)]


def _noise() -> np.ndarray:
    """A few frames to cut clips from: drawing 3 GB would take longer than all that is measured."""
    if not _NOISE:
        _NOISE.append(np.random.default_rng(0).integers(0, 256, (211, SIDE, SIDE, 1), dtype=np.uint8))
    return _NOISE[0]


_NOISE: list[np.ndarray] = []


def clips_of(store: FrameStore) -> ClipBlocks:
    return ClipBlocks(
        store,
        ("train",),
        categories=None,
        stride={},
        input_length=FRAMES // 2,
        total_length=FRAMES,
        frame_size=SIDE,
        block_clips=32,
    )


def stream_rates(clips: ClipBlocks, *, repeats: int, copy_bytes: int = COPY_BYTES) -> StreamRates:
    """Reading goes through all blocks in turn, so that with a store larger than the cache it is memory that is read."""
    began = time.perf_counter()
    for block in range(clips.num_blocks):
        clips.frames(block)
    first_pass = clips.num_clips / (time.perf_counter() - began)

    turn = [clips.block_size(block) for block in range(clips.num_blocks)][:TURN_BLOCKS]
    num_bytes = sum(turn) * CLIP_BYTES
    blocks = itertools.cycle(range(clips.num_blocks - clips.num_blocks % len(turn)))
    source, target = np.ones(max(copy_bytes, num_bytes), np.uint8), np.ones(max(copy_bytes, num_bytes), np.uint8)
    places = itertools.cycle(range(0, len(source) - num_bytes + 1, num_bytes))

    def read() -> None:
        for _ in turn:
            clips.frames(next(blocks))

    def convert() -> None:
        for _ in turn:
            clips_to_tensors(clips.frames(next(blocks)), field=clips.holds_field)

    def copy() -> None:
        place = next(places)
        np.copyto(target[place : place + num_bytes], source[place : place + num_bytes])

    times = median_seconds({"bytes": read, "copy": copy, "floats": convert}, repeats=repeats)
    return StreamRates(
        first_pass=first_pass,
        as_bytes=sum(turn) / times["bytes"],
        as_floats=sum(turn) / times["floats"],
        as_batches=_batch_rate(clips, len(turn)),
        copied=sum(turn) / times["copy"],
        consumed=_consumed(clips, repeats),
    )


def _batch_rate(clips: ClipBlocks, num_blocks: int) -> float:
    """Clips a second out of the whole stream with one reader, where training takes no time."""
    plan = TrainingConfig(steps_per_epoch=num_blocks * clips.block_clips // TrainingConfig().batch_size)
    began, num_clips = time.perf_counter(), 0
    with closing(ClipStream(clips, plan, order_seed=0).epoch(0)) as batches:
        for batch in batches:
            num_clips += len(batch.frames)
    return num_clips / 2 / (time.perf_counter() - began)


def _consumed(clips: ClipBlocks, repeats: int) -> float:
    """Clips a second that training the smallest network takes, each in both directions as two steps."""
    torch.manual_seed(0)
    network = build_network(SMALLEST, channels=clips.channels, frame_size=clips.frame_size)
    plan = TrainingConfig()
    run = TrainingRun(network, clips, plan, input_length=clips.input_length, learning_rate=1e-3, seed=0)
    frames = torch.rand(plan.batch_size, clips.total_length, clips.channels, clips.frame_size, clips.frame_size)
    step = median_seconds({"step": lambda: run.step(frames, {})}, repeats=repeats)["step"]
    return plan.batch_size / (2 * step)


def reader_bytes(store: Path) -> int:
    """Anonymous memory that streaming the whole store takes at most, above that of the imports; in a fresh process."""
    return in_fresh_process(_read_all, store)


def _read_all(store: Path) -> int:
    after_imports = most = anonymous_bytes()
    with closing(ClipStream(clips_of(FrameStore.open(store)), TrainingConfig(), order_seed=0).epoch(0)) as batches:
        for number, _ in enumerate(batches):
            if number % 8 == 0:
                most = max(most, anonymous_bytes())
    return most - after_imports


@dataclass(frozen=True)
class OpeningTimes:
    """Median seconds until a store is open, and until the clips of its one split are in order."""

    num_clips: int
    open_s: float
    clips_s: float


def opening_times(folder: Path, num_clips: int, *, repeats: int) -> OpeningTimes:
    """Of a store whose index has `num_clips` videos over 200 files; opening looks at index and files, not at frames."""
    store = _with_long_index(folder, num_clips)
    opened = median_seconds({"open": lambda: FrameStore.open(store)}, repeats=repeats)["open"]
    with_clips = []
    for _ in range(repeats):
        fresh = FrameStore.open(store)  # an index remembers what was asked of it
        began = time.perf_counter()
        clips_of(fresh)
        with_clips.append(time.perf_counter() - began)
    return OpeningTimes(num_clips, opened, statistics.median(with_clips))


def _with_long_index(folder: Path, num_clips: int) -> Path:
    """A real store of 200 clips, a file each, whose index names them again and again."""
    recordings = [
        Recording(f"clip{n:06d}", "train", "clips", f"{n}", partial(_frames, n), num_frames=FRAMES) for n in range(200)
    ]
    found = Found(recordings, frame_size=(SIDE, SIDE))
    store = write_store(folder, found, dataset="flying_digits_2", synthetic=True, reader_version="bench", shard_bytes=1)
    videos = list(store.videos)
    index = VideoTable.of(videos[n % len(videos)].model_copy(update={"name": f"clip{n:06d}"}) for n in range(num_clips))
    file = folder / VIDEOS_FILE
    file.unlink()
    index.write(file)
    listed = StoredFile(file=VIDEOS_FILE, num_bytes=file.stat().st_size)
    counts = {"num_videos": num_clips, "num_frames": num_clips * FRAMES}
    manifest = store.manifest.model_copy(update={"videos": listed, **counts})
    (folder / MANIFEST_FILE).write_text(manifest.model_dump_json(), encoding="utf-8")
    return folder

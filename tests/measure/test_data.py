"""What the bench says of streaming and preparing was measured, on stores that hold what they should."""

from pathlib import Path

import numpy as np

from platform.benchmarks.store import FrameStore
from platform.measure.data import CLIP_BYTES, clips_of, make_store, opening_times, reader_bytes, stream_rates
from platform.measure.preparing import preparing


def test_a_made_up_store_is_as_large_as_asked_and_its_clips_differ(tmp_path: Path) -> None:
    store = make_store(tmp_path / "clips", 40 * CLIP_BYTES)
    assert (store.manifest.num_videos, store.manifest.num_frames) == (40, 800)
    assert not np.array_equal(store.frames(0), store.frames(1))


def test_every_rate_is_of_clips_that_were_read(tmp_path: Path) -> None:
    clips = clips_of(make_store(tmp_path / "clips", 64 * CLIP_BYTES))
    rates = stream_rates(clips, repeats=1, copy_bytes=1 << 24)
    assert min(rates.first_pass, rates.as_bytes, rates.as_floats, rates.as_batches, rates.copied, rates.consumed) > 0
    assert rates.as_floats < rates.as_bytes  # turning bytes into floats is work
    assert rates.share_of_copying == rates.as_bytes / rates.copied


def test_a_reader_keeps_less_than_it_reads(tmp_path: Path) -> None:
    store = make_store(tmp_path / "clips", 1000 * CLIP_BYTES)
    assert 0 < reader_bytes(store.path) < 1000 * CLIP_BYTES


def test_a_long_index_belongs_to_a_store_that_opens(tmp_path: Path) -> None:
    times = opening_times(tmp_path / "long", 5000, repeats=1)
    assert times.num_clips == 5000
    assert 0 < times.open_s < times.clips_s + times.open_s
    assert len(FrameStore.open(tmp_path / "long").videos) == 5000


def test_preparing_is_timed_on_videos_of_kths_dimensions(tmp_path: Path) -> None:
    prepared = preparing(tmp_path, 2)
    assert (prepared.num_videos, prepared.num_frames) == (2, 2 * 483)
    assert prepared.frames_per_core_s == prepared.num_frames / prepared.wall_s / prepared.workers > 0
    assert prepared.peak_bytes > 50e6
    assert FrameStore.open(tmp_path / "benchmarks" / "kth-64").manifest.num_frames == 966

"""Blocks are the same clips in the same order in every search, and clips never leave a usable stretch."""

import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from platform.benchmarks.blocks import ClipBlocks, epoch_blocks
from platform.benchmarks.recording import Found, Recording
from platform.benchmarks.resize import area_mean
from platform.benchmarks.store import FrameStore
from platform.benchmarks.store_writer import write_store
from platform.config.clips import CropConfig
from platform.config.errors import UserError

MakeStore = Callable[..., FrameStore]


def blocks_of(store: FrameStore, groups: tuple[str, ...] = ("1", "2", "3"), **options: Any) -> ClipBlocks:
    settings: dict[str, Any] = {
        "categories": None,
        "stride": {"default": 10},
        "input_length": 5,
        "total_length": 10,
        "frame_size": 8,
        "block_clips": 4,
        "max_clips": None,
    }
    return ClipBlocks(store, groups, **(settings | options))


def all_names(blocks: ClipBlocks) -> list[str]:
    return [name for block in range(blocks.num_blocks) for name in blocks.clip_names(block)]


def test_a_block_holds_the_frames_its_clip_names_say(make_store: MakeStore) -> None:
    store = make_store(6)
    blocks = blocks_of(store)
    by_name = {video.name: number for number, video in enumerate(store.videos)}
    for block in range(blocks.num_blocks):
        for clip, name in zip(blocks.frames(block), blocks.clip_names(block), strict=True):
            video, start = name.split("@")
            expected = store.frames(by_name[video])[int(start) : int(start) + 10]
            assert np.array_equal(clip, expected)


def test_blocks_cover_every_clip_once_and_only_the_last_is_short(make_store: MakeStore) -> None:
    blocks = blocks_of(make_store(6))
    assert blocks.num_clips == 18  # 6 videos of 30 frames, 10 apart
    assert [len(blocks.frames(block)) for block in range(blocks.num_blocks)] == [4, 4, 4, 4, 2]
    assert len(set(all_names(blocks))) == 18


def test_block_frames_are_contiguous_and_writable_uint8(make_store: MakeStore) -> None:
    frames = blocks_of(make_store(2), groups=("1",)).frames(0)
    assert frames.shape == (4, 10, 8, 8, 1)
    assert frames.dtype == np.uint8
    assert frames.flags.c_contiguous
    assert frames.flags.writeable


def test_clips_are_permuted_and_the_same_every_time(make_store: MakeStore) -> None:
    store = make_store(6)
    names = all_names(blocks_of(store))
    assert names != sorted(names)
    assert names == all_names(blocks_of(FrameStore.open(store.path)))


def test_the_first_clips_stay_the_first_when_fewer_are_asked_for(make_store: MakeStore) -> None:
    store = make_store(6)
    assert all_names(blocks_of(store, max_clips=7)) == all_names(blocks_of(store))[:7]


def test_clips_stay_inside_their_usable_stretch(tmp_path: Path, recordings: Callable[..., list]) -> None:
    videos: list[Recording] = [replace(video, ranges=((0, 12), (14, 30))) for video in recordings(2)]
    store = write_store(
        tmp_path / "s", Found(videos, frame_size=(8, 8)), dataset="kth", synthetic=False, reader_version="1"
    )
    starts = {int(name.split("@")[1]) for name in all_names(blocks_of(store, stride={"default": 1}))}
    assert starts == {0, 1, 2, *range(14, 21)}


def test_the_stride_goes_by_category_with_a_default(make_store: MakeStore) -> None:
    names = all_names(blocks_of(make_store(2), groups=("1",), stride={"default": 20, "running": 5}))
    assert sorted(int(name.split("@")[1]) for name in names if name.startswith("video0")) == [0, 20]
    assert sorted(int(name.split("@")[1]) for name in names if name.startswith("video1")) == [
        0,
        5,
        10,
        15,
        20,
    ]


def test_categories_choose_among_the_videos(make_store: MakeStore) -> None:
    names = all_names(blocks_of(make_store(6), categories=("running",)))
    assert {name.split("@")[0] for name in names} == {"video1", "video3", "video5"}


def test_smaller_frames_are_the_area_mean_of_the_stored_ones(make_store: MakeStore) -> None:
    store = make_store(2)
    small, large = blocks_of(store, ("1",), frame_size=4), blocks_of(store, ("1",))
    assert np.array_equal(small.frames(0), area_mean(large.frames(0), 2))


@pytest.mark.parametrize(
    "change",
    [
        {"groups": ("1", "2")},
        {"categories": ("running",)},
        {"stride": {"default": 5}},
        {"total_length": 9},
        {"frame_size": 4},
        {"block_clips": 5},
        {"max_clips": 3},
        {"crop": CropConfig(side=8)},
        {"augment": "mirror", "variants": 2},
        {"variants": 2, "augment": "symmetries"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_the_fingerprint_covers_all_that_decides_what_is_in_a_block(
    make_store: MakeStore, change: dict[str, Any]
) -> None:
    store = make_store(6)
    assert blocks_of(store, **change).fingerprint != blocks_of(store).fingerprint


def test_the_fingerprint_is_what_it_was_before_there_were_crops_so_that_stored_memory_is_found(
    make_store: MakeStore,
) -> None:
    blocks = blocks_of(make_store(6))
    assert blocks.fingerprint == "548070ec50155142c81b6ceea7498056206b27e15f44828cd71b2cdcb23932ec"


def test_the_fingerprint_changes_with_the_stored_frames_and_not_with_their_place(
    make_store: MakeStore,
) -> None:
    here, there = make_store(6), make_store(6, name="elsewhere", shard_bytes=1)
    other = make_store(6, num_frames=31, name="other")
    assert blocks_of(here).fingerprint == blocks_of(there).fingerprint
    assert blocks_of(here).fingerprint != blocks_of(other).fingerprint


def test_pickled_blocks_read_the_same_frames(make_store: MakeStore) -> None:
    blocks = blocks_of(make_store(2), ("1",))
    again = pickle.loads(pickle.dumps(blocks))
    assert again.fingerprint == blocks.fingerprint
    assert np.array_equal(again.frames(0), blocks.frames(0))


def test_a_block_that_is_not_there_is_an_index_error(make_store: MakeStore) -> None:
    blocks = blocks_of(make_store(2), ("1",))
    for block in (-1, blocks.num_blocks):
        with pytest.raises(IndexError, match="no block"):
            blocks.frames(block)


def test_missing_groups_are_answered_with_those_there_are(make_store: MakeStore) -> None:
    with pytest.raises(UserError, match=r"no video of group 17, 18; it holds 1, 2, 3\. Name some of these in split"):
        blocks_of(make_store(6), ("17", "18"))


def test_a_missing_category_is_answered_with_those_there_are(make_store: MakeStore) -> None:
    with pytest.raises(UserError, match="has no walking, only boxing, running"):
        blocks_of(make_store(6), categories=("walking",))


def test_clips_longer_than_any_stretch_are_answered_with_the_longest(make_store: MakeStore) -> None:
    with pytest.raises(UserError, match="Set total_length to 30 or less"):
        blocks_of(make_store(6), total_length=31)


def test_a_frame_size_that_does_not_divide_is_refused(make_store: MakeStore) -> None:
    with pytest.raises(UserError, match=r"3 does not divide.*--size 3"):
        blocks_of(make_store(1), frame_size=3)


def test_an_epoch_walks_every_block_once_in_an_order_of_its_own() -> None:
    first, second = epoch_blocks(50, seed=3, epoch=0), epoch_blocks(50, seed=3, epoch=1)
    assert sorted(first) == sorted(second) == list(range(50))
    assert first != second
    assert first == epoch_blocks(50, seed=3, epoch=0)
    assert first != epoch_blocks(50, seed=4, epoch=0)


def test_a_frame_step_takes_every_nth_frame(make_store: MakeStore) -> None:
    store = make_store(2, num_frames=30)
    blocks = blocks_of(store, total_length=5, frame_step=3, stride={"default": 100})
    for name, clip in zip(blocks.clip_names(0), blocks.frames(0), strict=True):
        video, _, start = name.partition("@")
        number = next(n for n, entry in enumerate(store.videos) if entry.name == video)
        np.testing.assert_array_equal(clip, store.frames(number)[int(start) : int(start) + 13 : 3])


def test_a_clip_with_a_frame_step_stays_inside_its_stretch(make_store: MakeStore) -> None:
    blocks = blocks_of(make_store(1, num_frames=14), total_length=5, frame_step=3, stride={"default": 1})
    assert sorted(name.partition("@")[2] for name in blocks.clip_names(0)) == ["0", "1"]


def test_backward_leaves_frames_over_at_the_beginning_of_a_stretch(make_store: MakeStore) -> None:
    store = make_store(1, num_frames=30)
    for scan, starts in (("forward", {0, 12}), ("backward", {6, 18})):
        names = all_names(blocks_of(store, total_length=12, stride={}, scan=scan))
        assert {int(name.split("@")[1]) for name in names} == starts

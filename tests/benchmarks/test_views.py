"""What a clip shows of its stored frames: the same square, turned the same way, whenever it is asked for."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from platform.benchmarks.blocks import ClipBlocks
from platform.benchmarks.encoding import MISSING, RAIN, Encoding
from platform.benchmarks.recording import Found, Recording
from platform.benchmarks.resize import area_mean, area_mean_of_field
from platform.benchmarks.store import FrameStore
from platform.benchmarks.store_writer import write_store
from platform.config.clips import CropConfig
from platform.config.errors import UserError

SIZE = (24, 36)
TEN = 10  # videos, of three clips each
StoreOf = Callable[..., FrameStore]


def known_levels(number: int, size: tuple[int, int]) -> np.ndarray:
    draw = np.random.default_rng([3, number])
    frames = draw.integers(0, 255, (6, *size, 1), dtype=np.uint8)
    frames[draw.random(frames.shape) < 0.3] = MISSING
    return frames


@pytest.fixture
def store_of(tmp_path: Path) -> StoreOf:
    """`store_of(size=SIZE, encoding=None)`: ten videos of six frames, 30 % of whose bytes are 255."""

    def make(size: tuple[int, int] = SIZE, encoding: Encoding | None = None) -> FrameStore:
        recordings = [
            Recording(f"video{number}", "1", "rain", f"key{number}", partial(known_levels, number, size))
            for number in range(TEN)
        ]
        found = Found(recordings, frame_size=size, encoding=encoding)
        target = tmp_path / f"own_lab-{size[0]}-{encoding is None}"
        return write_store(target, found, dataset="own_lab", synthetic=False, reader_version="1")

    return make


def blocks_of(store: FrameStore, **options: Any) -> ClipBlocks:
    settings: dict[str, Any] = {
        "categories": None,
        "stride": {},
        "input_length": 1,
        "total_length": 2,
        "frame_size": 12,
        "block_clips": 7,
    }
    return ClipBlocks(store, ("1",), **(settings | options))


def all_clips(blocks: ClipBlocks, variant: int = 0) -> dict[str, np.ndarray]:
    return {
        name: clip
        for block in range(blocks.num_blocks)
        for name, clip in zip(blocks.clip_names(block), blocks.frames(block, variant), strict=True)
    }


def stored_clip(store: FrameStore, name: str) -> np.ndarray:
    """(T, H, W, C), whole frames."""
    video, _, start = name.partition("#")[0].partition("@")
    return store.frames(store.videos.names.index(video))[int(start) : int(start) + 2]


def test_without_a_crop_the_largest_square_in_the_middle_is_seen(store_of: StoreOf) -> None:
    store = store_of()
    for name, clip in all_clips(blocks_of(store)).items():
        np.testing.assert_array_equal(clip, area_mean(stored_clip(store, name)[:, :, 6:30], 2))


def test_a_crop_in_the_centre_is_cut_there(store_of: StoreOf) -> None:
    store = store_of()
    for name, clip in all_clips(blocks_of(store, crop=CropConfig(side=12))).items():
        np.testing.assert_array_equal(clip, stored_clip(store, name)[:, 6:18, 12:24])


def test_a_grid_yields_a_clip_for_every_square_that_fits(store_of: StoreOf) -> None:
    store = store_of((27, 40))
    blocks = blocks_of(store, crop=CropConfig(side=12, place="grid"))
    clips = all_clips(blocks)
    assert blocks.num_clips == len(clips) == TEN * 3 * 2 * 3
    for name, clip in clips.items():
        row, column = divmod(int(name.partition("#")[2]), 3)
        top, left = 1 + 12 * row, 2 + 12 * column  # 3 rows and 4 columns are left over
        np.testing.assert_array_equal(clip, stored_clip(store, name)[:, top : top + 12, left : left + 12])


def test_a_random_place_lies_in_the_frame_and_differs_by_clip_and_variant(store_of: StoreOf) -> None:
    store = store_of()
    blocks = blocks_of(store, crop=CropConfig(side=12, place="random"), variants=3)
    places = set()
    for variant in range(3):
        for name, clip in all_clips(blocks, variant).items():
            whole = np.lib.stride_tricks.sliding_window_view(stored_clip(store, name)[..., 0], (12, 12), (1, 2))
            (place,) = np.argwhere((whole == clip[:, None, None, ..., 0]).all(axis=(0, 3, 4))).tolist()
            places.add((variant, *place))
    assert len(places) > 0.8 * 3 * TEN * 3  # of 13 x 25 places
    assert {row for _, row, _ in places} == set(range(13))


@pytest.mark.parametrize(
    "options",
    [
        {"crop": CropConfig(side=12, place="random"), "variants": 4},
        {"augment": "symmetries", "variants": 4},
        {"crop": CropConfig(side=12, place="grid"), "augment": "mirror", "variants": 4},
    ],
    ids=["random", "symmetries", "grid"],
)
def test_a_variant_of_a_clip_is_the_same_in_every_split_and_block(store_of: StoreOf, options: dict[str, Any]) -> None:
    store = store_of()
    blocks, others = blocks_of(store, **options), blocks_of(store, block_clips=4, max_clips=11, **options)
    for variant in range(4):
        clips, some = all_clips(blocks, variant), all_clips(others, variant)
        assert len(some) == 11
        for name, clip in some.items():
            np.testing.assert_array_equal(clip, clips[name])


@pytest.mark.parametrize(("augment", "ways"), [("mirror", 2), ("symmetries", 8)])
def test_augmentation_turns_variants_and_never_variant_0(store_of: StoreOf, augment: str, ways: int) -> None:
    store = store_of()
    plain, turned = all_clips(blocks_of(store)), blocks_of(store, augment=augment, variants=9)
    for name, clip in all_clips(turned).items():
        np.testing.assert_array_equal(clip, plain[name])
    seen = []
    for variant in range(1, 9):
        for name, clip in all_clips(turned, variant).items():
            looks = [_turned(plain[name], way) for way in range(8)]
            (way,) = [way for way, look in enumerate(looks) if np.array_equal(look, clip)]
            seen.append(way)
    counts = np.bincount(seen)
    assert len(counts) == ways
    assert counts.min() > 0.5 * len(seen) / ways


def _turned(clip: np.ndarray, way: int) -> np.ndarray:
    """Written without looking at `Views.show`: the eight symmetries, those of a mirror first."""
    quarter_turns = np.rot90(clip, way // 2, axes=(1, 2))
    return quarter_turns[:, :, ::-1] if way % 2 else quarter_turns


def test_missing_places_of_a_field_stay_out_of_means_and_of_pictures_there_are_none(store_of: StoreOf) -> None:
    field, pictures = store_of(encoding=RAIN), store_of()
    assert blocks_of(field).holds_field
    assert not blocks_of(pictures).holds_field
    for name, clip in all_clips(blocks_of(field)).items():
        stored = stored_clip(field, name)[:, :, 6:30]
        np.testing.assert_array_equal(clip, area_mean_of_field(stored, 2))
        assert not np.array_equal(clip, area_mean(stored, 2))


def test_a_variant_that_is_not_there_is_an_index_error(store_of: StoreOf) -> None:
    with pytest.raises(IndexError, match="no variant 1; there are 1"):
        blocks_of(store_of()).frames(0, 1)


@pytest.mark.parametrize(
    ("frame_size", "crop", "repair"),
    [
        (10, None, r"24x36 pixels, whose middle square of 24 pixels 10 does not divide\. Set crop\.side to 20"),
        (32, None, r"Set frame_size to 24 or less"),
        (8, 32, r"into which crop\.side 32 does not fit\. Set crop\.side to 24"),
        (32, 32, r"does not fit\. Set frame_size and crop\.side to 24 or less"),
        (8, 20, r"crop\.side 20 is no multiple of frame_size 8.*Set crop\.side to 16, or frame_size to a divisor"),
        (8, 4, r"Set crop\.side to 8"),
    ],
)
def test_a_square_that_cannot_be_cut_or_shrunk_is_answered_with_one_that_can(
    store_of: StoreOf, frame_size: int, crop: int | None, repair: str
) -> None:
    store = store_of()
    with pytest.raises(UserError, match=repair):
        blocks_of(store, frame_size=frame_size, crop=None if crop is None else CropConfig(side=crop))

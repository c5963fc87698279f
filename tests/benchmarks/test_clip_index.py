"""Which clips there are, against a reference written the slow way, for many random stores and settings."""

from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from platform.benchmarks.blocks import list_clips, permuted
from platform.benchmarks.videos import VideoEntry, VideoTable

FINGERPRINT = "7f3a9c0d2b41e856" * 4
CATEGORIES = ("walking", "running", "boxing")


def random_videos(draw: np.random.Generator) -> list[VideoEntry]:
    """Up to twelve videos, of which some have several stretches, and some none that is long."""
    videos = []
    for number in range(draw.integers(1, 13)):
        num_frames = int(draw.integers(1, 60))
        cuts = np.sort(
            draw.choice(num_frames + 1, size=min(2 * int(draw.integers(1, 4)), num_frames + 1), replace=False)
        )
        ranges = tuple((int(a), int(b)) for a, b in zip(cuts[::2], cuts[1::2], strict=False)) or ((0, num_frames),)
        videos.append(
            VideoEntry(
                name=f"v{number}",
                group=str(draw.integers(1, 4)),
                category=str(draw.choice(CATEGORIES)),
                num_frames=num_frames,
                ranges=ranges,
                shard=0,
                batch=number,
                sha256="",
            )
        )
    return videos


def naive_clips(
    videos: Sequence[VideoEntry],
    groups: Sequence[str],
    categories: Sequence[str] | None,
    stride: Mapping[str, int],
    total_length: int,
    frame_step: int,
) -> list[tuple[int, int]]:
    clips = []
    for number, video in enumerate(videos):
        if video.group not in groups or (categories is not None and video.category not in categories):
            continue
        default = stride.get("default", (total_length - 1) * frame_step + 1)
        for first, end in video.ranges:
            start = first
            while all(start + t * frame_step < end for t in range(total_length)):
                clips.append((number, start))
                start += stride.get(video.category, default)
    return clips


@pytest.mark.parametrize("seed", range(40))
def test_the_clips_are_those_that_a_plain_loop_finds(seed: int) -> None:
    draw = np.random.default_rng(seed)
    for _ in range(10):
        compare_once(draw)


def compare_once(draw: np.random.Generator) -> None:
    videos = random_videos(draw)
    groups = [str(group) for group in draw.choice(3, size=draw.integers(1, 4), replace=False) + 1]
    chosen = draw.choice(CATEGORIES, size=draw.integers(1, 4), replace=False).tolist()
    categories = None if draw.random() < 0.5 else chosen
    named = draw.choice([*CATEGORIES, "default"], size=draw.integers(0, 5), replace=False)
    stride = {str(name): int(draw.integers(1, 25)) for name in named}
    total_length, frame_step = int(draw.integers(2, 12)), int(draw.integers(1, 5))
    clips = list_clips(
        VideoTable.of(videos),
        groups,
        categories=categories,
        stride=stride,
        total_length=total_length,
        frame_step=frame_step,
    )
    assert [tuple(clip) for clip in clips.tolist()] == naive_clips(
        videos, groups, categories, stride, total_length, frame_step
    )
    for number, start in clips.tolist():  # said again, for it is what matters: no clip leaves its stretch
        last = start + (total_length - 1) * frame_step
        assert any(first <= start and last < end for first, end in videos[number].ranges)


@pytest.mark.parametrize("seed", range(20))
def test_clips_keep_their_order_in_every_subset(seed: int) -> None:
    draw = np.random.default_rng(seed)
    all_clips = np.unique(draw.integers(0, 40, (60, 2)), axis=0)
    kept = all_clips[draw.random(len(all_clips)) < 0.5]
    whole = [tuple(clip) for clip in permuted(all_clips, FINGERPRINT).tolist()]
    part = [tuple(clip) for clip in permuted(kept[draw.permutation(len(kept))], FINGERPRINT).tolist()]
    assert sorted(part) == sorted(tuple(clip) for clip in kept.tolist())
    assert part == [clip for clip in whole if clip in set(part)]

"""The stream of blocks: the clips of a split, in a fixed order, cut into blocks that are the same in every search.

A clip is an index (video, first frame, and a place where frames are cut into a grid); its frames stay in the store
until its block is asked for. The order comes from the store's fingerprint alone, so that memories computed for a block
serve every trial and every later search; seeds only order blocks. What was left out on purpose: shuffling and batching,
which belong to training.
"""

import copy
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from platform.benchmarks.scatter import clip_keys
from platform.benchmarks.store import FrameStore
from platform.benchmarks.videos import VideoTable
from platform.benchmarks.views import Augment, Views
from platform.config.clips import CropConfig, Scan
from platform.config.errors import UserError

ORDER_VERSION = 2


class Sealed(RuntimeError):
    """Frames of the test split were asked for by who must not see them."""


def clip_span(total_length: int, frame_step: int) -> int:
    """Stored frames from a clip's first to its last."""
    return (total_length - 1) * frame_step + 1


def list_clips(
    videos: VideoTable,
    groups: Iterable[str],
    *,
    categories: Sequence[str] | None,
    stride: Mapping[str, int],
    total_length: int,
    frame_step: int = 1,
    scan: Scan = "forward",
) -> np.ndarray:
    """Every clip of these groups and categories, in the store's order: int64 (clips, 2) of video number, first frame.

    Clips start `stride` frames apart within a usable stretch and never leave it. The stride is looked up by category,
    then under "default"; where neither is given, clips touch and do not overlap. Frames that are left over lie at the
    end of a stretch, or at its beginning where `scan` is backward.
    """
    span = clip_span(total_length, frame_step)
    kept = videos.of_groups(groups)
    if categories is not None:
        kept &= videos.of_categories(categories)
    stretches = videos.stretches[kept[videos.stretches[:, 0]]]
    video, first, end = stretches.T
    step = videos.by_category(dict(stride), stride.get("default", span))[video]
    num_clips = np.maximum((end - span - first) // step + 1, 0)
    if scan == "backward":
        first = first + (end - span - first) % step
    place = np.arange(num_clips.sum()) - np.repeat(np.cumsum(num_clips) - num_clips, num_clips)  # within its stretch
    return np.column_stack(
        [np.repeat(video, num_clips), np.repeat(first, num_clips) + place * np.repeat(step, num_clips)]
    )


def groups_with_clips(
    videos: VideoTable, categories: Sequence[str] | None, total_length: int, frame_step: int
) -> set[str]:
    """Groups in which a clip fits somewhere."""
    video, first, end = videos.stretches.T
    long_enough = np.zeros(len(videos), bool)
    long_enough[video[end - first >= clip_span(total_length, frame_step)]] = True
    if categories is not None:
        long_enough &= videos.of_categories(categories)
    return videos.groups_of(long_enough)


def permuted(clips: np.ndarray, fingerprint: str) -> np.ndarray:
    """The clips in an order that looks random and follows from each clip and the store's fingerprint alone.

    So a split with fewer videos, or a smaller stride, keeps its clips in the order they had.
    """
    return clips[np.argsort(clip_keys(fingerprint, clips), kind="stable")]


class ClipBlocks:
    """The clips of one split as blocks of `block_clips`; the last block may be shorter.

    Each block comes in `variants` numbered variants, which differ in random crops and in augmentation (`views.py`).

    `fingerprint` covers everything that decides which frames are in a variant of block i: stored frames, the clips and
    their order, `total_length`, `frame_step`, `frame_size`, `block_clips`, crop and augmentation; and how many variants
    there are, for that decides what training on them sees. `input_length` is carried along and is not part of it: it
    changes no frame, and whoever keys memories by block adds it.

    Those of the test split are `sealed`: they can be counted and compared, and only `unsealed` shows their frames.
    """

    def __init__(
        self,
        store: FrameStore,
        groups: Sequence[str],
        *,
        categories: Sequence[str] | None,
        stride: Mapping[str, int],
        input_length: int,
        total_length: int,
        frame_step: int = 1,
        scan: Scan = "forward",
        frame_size: int,
        block_clips: int,
        max_clips: int | None = None,
        crop: CropConfig | None = None,
        augment: Augment = "none",
        variants: int = 1,
        sealed: bool = False,
    ) -> None:
        """Raises UserError where there is no clip, or `crop` and `frame_size` do not fit the stored frames."""
        manifest = store.manifest
        self.views = Views.of(store, frame_size, crop, augment)
        self.store = store
        self.groups = tuple(groups)
        self.input_length = input_length
        self.total_length = total_length
        self.frame_step = frame_step
        self.frame_size = frame_size
        self.block_clips = block_clips
        self.num_variants = variants
        self.sealed = sealed
        clips = list_clips(
            store.videos,
            groups,
            categories=categories,
            stride=stride,
            total_length=total_length,
            frame_step=frame_step,
            scan=scan,
        )
        if not len(clips):
            raise _no_clips(store, groups, categories, input_length, total_length, frame_step)
        if self.views.place == "grid":
            clips = _with_tiles(clips, self.views.num_tiles)
        kept = permuted(clips, manifest.fingerprint)[:max_clips]
        self.clips = kept[:, :2]
        self._tiles = kept[:, 2] if self.views.place == "grid" else np.zeros(len(kept), np.int64)
        self._keys = clip_keys(manifest.fingerprint, kept)
        decides: list[Any] = [ORDER_VERSION, manifest.fingerprint, total_length, frame_step, frame_size, block_clips]
        if crop is not None or augment != "none" or variants > 1:
            decides.append([None if crop is None else crop.model_dump(), augment, variants])
        self.fingerprint = hashlib.sha256(json.dumps(decides).encode() + kept.astype("<i8").tobytes()).hexdigest()

    def unsealed(self) -> "ClipBlocks":
        """The same clips to be looked at: by `platform.confirm`, which scores them once, and by people."""
        opened = copy.copy(self)
        opened.sealed = False
        return opened

    @property
    def num_clips(self) -> int:
        return len(self.clips)

    @property
    def num_blocks(self) -> int:
        return -(-len(self.clips) // self.block_clips)

    @property
    def channels(self) -> int:
        return self.store.manifest.channels

    def block_size(self, block: int) -> int:
        """Clips in the block."""
        return len(self.clips[self._slice(block)])

    def clip_names(self, block: int) -> list[str]:
        """`<video>@<first frame>` of each clip of the block, with `#<tile>` where frames are cut into a grid."""
        videos, these = self.store.videos, self._slice(block)
        names = [f"{videos[video].name}@{start}" for video, start in self.clips[these].tolist()]
        if self.views.place != "grid":
            return names
        return [f"{name}#{tile}" for name, tile in zip(names, self._tiles[these].tolist(), strict=True)]

    @property
    def holds_field(self) -> bool:
        """Are bytes the levels of a measured field (`encoding.py`), and 255 a missing pixel?"""
        return self.store.manifest.encoding is not None

    def frames(self, block: int, variant: int = 0) -> np.ndarray:
        """The block's clips, a contiguous uint8 (N, T, H, W, C) of its own; N is `block_clips`, less in the last.

        Raises IndexError for a block or a variant that is not there, and Sealed for the test split.
        """
        if self.sealed:
            raise Sealed("the frames of the test split are for platform.confirm alone")
        if not 0 <= variant < self.num_variants:
            raise IndexError(f"no variant {variant}; there are {self.num_variants}")
        these = self._slice(block)
        clips, span, step = self.clips[these].tolist(), clip_span(self.total_length, self.frame_step), self.frame_step
        shape = (len(clips), self.total_length, self.frame_size, self.frame_size, self.channels)
        block_NTHWC = np.empty(shape, np.uint8)
        # One by one: a clip stays in the processor's cache.
        if self.views.plain:
            for row, (video, start) in enumerate(clips):
                block_NTHWC[row] = self.store.frames(video, start, start + span)[::step]
            return block_NTHWC
        keys = self._keys[these]
        corners = self.views.corners(keys, self._tiles[these], variant).tolist()
        turns = self.views.turns(keys, variant).tolist()
        for row, (video, start) in enumerate(clips):
            stored = self.store.frames(video, start, start + span)[::step]
            block_NTHWC[row] = self.views.show(stored, corners[row], turns[row])
        return block_NTHWC

    def _slice(self, block: int) -> slice:
        if not 0 <= block < self.num_blocks:
            raise IndexError(f"no block {block}; there are {self.num_blocks}")
        return slice(block * self.block_clips, (block + 1) * self.block_clips)


def _with_tiles(clips: np.ndarray, num_tiles: int) -> np.ndarray:
    """Every clip once for each place of the grid: (clips * tiles, 3)."""
    return np.column_stack([np.repeat(clips, num_tiles, axis=0), np.tile(np.arange(num_tiles), len(clips))])


def epoch_blocks(num_blocks: int, seed: int, epoch: int) -> list[int]:
    """The order of blocks in one epoch: every block once, the same for all trials of a run that share the seed."""
    return np.random.default_rng([seed, epoch]).permutation(num_blocks).tolist()


def _no_clips(
    store: FrameStore,
    groups: Sequence[str],
    categories: Sequence[str] | None,
    input_length: int,
    total_length: int,
    frame_step: int,
) -> UserError:
    manifest, videos = store.manifest, store.videos
    there = videos.of_groups(groups)
    asked = ", ".join(groups)
    if not there.any():
        return UserError(
            f"{store.path} holds no video of group {asked}; it holds {', '.join(videos.groups)}. "
            f"Name some of these in split."
        )
    fitting = there if categories is None else there & videos.of_categories(categories)
    if not fitting.any():
        held = sorted({videos[number].category for number in np.flatnonzero(there).tolist()})
        return UserError(
            f"group {asked} of {manifest.dataset} has no {', '.join(categories or ())}, only {', '.join(held)}. "
            "Name some of these in categories, or other groups in split."
        )
    _, first, end = videos.stretches[fitting[videos.stretches[:, 0]]].T
    longest = int((end - first).max())
    possible = (longest - 1) // frame_step + 1
    repair = "Name other groups in split, or lower frame_step and the lengths."
    if possible > input_length:
        repair = f"Set total_length to {possible} or less."
    return UserError(
        f"no clip of {total_length} frames, {frame_step} apart, fits: the longest usable stretch of group {asked} has "
        f"{longest}. {repair}"
    )

"""A prepared data set under one configuration: its splits as blocks of clips, and the proof that they do not leak."""

from functools import cached_property
from itertools import combinations

import numpy as np

from platform.benchmarks.blocks import ClipBlocks, clip_span, groups_with_clips
from platform.benchmarks.overlap import refuse_shared_frames
from platform.benchmarks.store import FrameStore
from platform.benchmarks.videos import VideoTable
from platform.config.benchmark import BenchmarkConfig
from platform.config.errors import UserError
from platform.config.splits import SPLIT_NAMES, SplitName, matching


class Benchmark:
    """A prepared data set with the splits of one configuration."""

    def __init__(self, config: BenchmarkConfig, store: FrameStore) -> None:
        self.config = config
        self.store = store
        self._blocks: dict[SplitName, ClipBlocks] = {}

    @property
    def synthetic(self) -> bool:
        return self.store.manifest.synthetic

    @property
    def label(self) -> str:
        """`kth`, or `kth (synthetic)`: print this and never the bare name."""
        return f"{self.config.dataset} (synthetic)" if self.synthetic else self.config.dataset

    @property
    def channels(self) -> int:
        return self.store.manifest.channels

    def blocks(self, split: SplitName) -> ClipBlocks:
        """The clips of a split; those of test are sealed. Raises UserError when it has none, naming what the store does
        have."""
        if split not in self._blocks:
            config = self.config
            self._blocks[split] = ClipBlocks(
                self.store,
                self._groups[split],
                categories=config.categories,
                stride=config.stride,
                input_length=config.input_length,
                total_length=config.total_length,
                frame_step=config.frame_step,
                scan=config.scan,
                frame_size=config.frame_size,
                block_clips=config.block_clips,
                max_clips=getattr(config.max_clips, split),
                crop=config.crop,
                augment=config.augment,
                variants=config.variants,
                sealed=split == "test",
            )
        return self._blocks[split]

    def refuse_leaks(self) -> None:
        """Raises UserError where two splits share a group or a frame, naming both places.

        Compares a hash of every frame of every clip: a second for four million.
        """
        first_frames = self.store.first_frames
        frames_of: dict[str, np.ndarray] = {}
        for split in SPLIT_NAMES:
            blocks = self.blocks(split)
            video, start = blocks.clips[:, 0], blocks.clips[:, 1]
            steps = np.arange(blocks.total_length) * blocks.frame_step
            frames_of[split] = np.unique((first_frames[video] + start)[:, None] + steps)
        refuse_shared_frames(frames_of, self.store.hashes, self.store.videos.names, first_frames)

    @cached_property
    def _groups(self) -> dict[SplitName, tuple[str, ...]]:
        groups = split_groups(self.config, self.store.videos, self.label)
        if "%" in "".join(self.config.split.train) and not all(groups.values()):  # shares of what cannot be shared out
            raise UserError(self._too_few_groups())
        return {split: groups[split] or self.config.split.groups(split) for split in SPLIT_NAMES}

    def _too_few_groups(self) -> str:
        config, manifest, there = self.config, self.store.manifest, self.store.videos.groups
        held = f"{self.store.path} holds {len(there)} group{'s' if len(there) > 1 else ''} ({', '.join(there[:8])})"
        span = clip_span(config.total_length, config.frame_step)
        fitting = groups_with_clips(self.store.videos, config.categories, config.total_length, config.frame_step)
        if len(fitting) < len(there):
            held += f", and clips of {span} frames fit into {len(fitting)} of them"
        repair = "Add files of other days, persons or events, or shorten the clips"
        if manifest.step_s is not None:
            hours = -(-span * manifest.step_s // 3600)
            repair += f", or cut these into shorter events: prepare again with --event-hours {hours} --replace"
        elif config.is_own:
            repair += ", or name what tells them apart: prepare again with --group-by REGEX --replace"
        return f"{held}; train, validation and test need one each, for no group may be in two. {repair}."


def split_groups(config: BenchmarkConfig, videos: VideoTable, label: str) -> dict[SplitName, tuple[str, ...]]:
    """The groups that each split's names, ranges and shares mean among these videos.

    Shares are of groups in which a clip fits. Raises UserError where one group is in two splits.
    """
    there, asked = videos.groups, config.split
    shared = groups_with_clips(videos, config.categories, config.total_length, config.frame_step)
    groups = {split: matching(asked.groups(split), there, shared=shared) for split in SPLIT_NAMES}
    for one, other in combinations(SPLIT_NAMES, 2):
        if both := set(groups[one]) & set(groups[other]):
            here, there_too = (", ".join(asked.groups(split)) for split in (one, other))
            raise UserError(
                f"{', '.join(sorted(both)[:5])} of {label} stand in both {one} ({here}) and {other} ({there_too}); let "
                "the ranges in split end before they meet."
            )
    return groups

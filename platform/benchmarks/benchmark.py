"""A prepared data set under one configuration: its splits as blocks of clips, and the proof that they do not leak."""

from functools import cached_property
from itertools import combinations

import numpy as np

from platform.benchmarks.blocks import ClipBlocks
from platform.benchmarks.overlap import refuse_shared_frames
from platform.benchmarks.store import FrameStore
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
        """The clips of a split. Raises UserError when it has none, naming what the store does have."""
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
                frame_size=config.frame_size,
                block_clips=config.block_clips,
                max_clips=getattr(config.max_clips, split),
                crop=config.crop,
                augment=config.augment,
                variants=config.variants,
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
        """The groups that each split's names, ranges and shares mean here. Raises UserError where one is in two."""
        there, asked = self.store.videos.groups, self.config.split
        groups = {split: matching(asked.groups(split), there) for split in SPLIT_NAMES}
        for one, other in combinations(SPLIT_NAMES, 2):
            if shared := set(groups[one]) & set(groups[other]):
                here, there_too = (", ".join(asked.groups(split)) for split in (one, other))
                raise UserError(
                    f"{', '.join(sorted(shared)[:5])} of {self.label} stand in both {one} ({here}) and {other} "
                    f"({there_too}); let the ranges in split end before they meet."
                )
        if len(there) < len(SPLIT_NAMES) and "%" in "".join(asked.train):  # shares of what cannot be shared out
            raise UserError(self._too_few_groups(there))
        return {split: groups[split] or asked.groups(split) for split in SPLIT_NAMES}

    def _too_few_groups(self, there: tuple[str, ...]) -> str:
        held = f"{self.store.path} holds {len(there)} group{'s' if len(there) > 1 else ''} ({', '.join(there)})"
        repair = "Add files of other days, persons or events"
        if self.store.manifest.encoding is not None:
            repair += ", or cut these into shorter events: prepare again with --event-hours 2 --replace"
        elif self.config.is_own:
            repair += ", or name what tells them apart: prepare again with --group-by REGEX --replace"
        return f"{held}; train, validation and test need one each, for no group may be in two. {repair}."

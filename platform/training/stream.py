"""What training is fed: the batches of an epoch, made from blocks that are read ahead of their turn.

All that is costly happens once a block and off the training thread: frames are read, cut, augmented, turned into floats
and reversed, and what the sources remember of them is fetched. Order, variants and batches follow from (order_seed,
epoch), so they are the same at any number of readers, for every trial of a run, and after a break in the middle of an
epoch.
"""

import math
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from threading import Event

import numpy as np
import torch

from platform.benchmarks.blocks import ClipBlocks, epoch_blocks
from platform.benchmarks.tensors import ClipTensors, clips_to_tensors
from platform.config.training import TrainingConfig
from platform.memory.request import Direction, Shown
from platform.training.ahead import Stopped, work_ahead
from platform.training.imitation import Imitation
from platform.training.sampling import truth_mask

# N clips of a block, B of a batch, T frames, C channels, H W pixels, S memory channels, h w grid cells

VARIANTS = 1  # what `order_seed` is mixed with, to draw something else than an order


@dataclass(frozen=True)
class Batch:
    """What one training step takes."""

    frames: torch.Tensor  # float32 (B, T, C, H, W) in [0, 1]
    valid: torch.Tensor | None  # bool, of the same shape: False where a pixel is missing; None: nowhere
    memories: dict[str, torch.Tensor]  # of each source, (B, T-1, S, h, w); empty where nothing is imitated


@dataclass(frozen=True)
class Visit:
    """A block's turn in an epoch: with which variant, from which of the epoch's batches on, and how many it makes."""

    block: int
    variant: int
    first_batch: int
    num_batches: int


@dataclass(frozen=True)
class _Loaded:
    """A visited block, its clips in the order of its batches; memories as they were fetched, in the block's order.

    For a GPU memories are in the order of the batches too, copied to where it takes them from by itself.
    """

    visit: Visit
    order: np.ndarray
    clips: Mapping[Direction, ClipTensors]
    memories: Mapping[Direction, Mapping[str, np.ndarray | torch.Tensor]]
    fetched_s: float


def batches_per_epoch(plan: TrainingConfig, clips: ClipBlocks) -> int:
    """A batch never spans two blocks, so a block that batch_size does not divide ends in a smaller one."""
    in_split = sum(_num_batches(plan, clips, block) for block in range(clips.num_blocks))
    return min(in_split, plan.steps_per_epoch or in_split)


def directions(plan: TrainingConfig) -> tuple[Direction, ...]:
    """Each batch is one step in each of these."""
    return ("forward", "reverse") if plan.reverse else ("forward",)


def epoch_visits(plan: TrainingConfig, clips: ClipBlocks, order_seed: int, epoch: int) -> list[Visit]:
    """The blocks of an epoch in their order, as many as its batches need.

    A block goes through its variants epoch by epoch, from one of its own on, so that every epoch mixes them.
    """
    first_variants = np.random.default_rng([order_seed, VARIANTS]).integers(clips.num_variants, size=clips.num_blocks)
    left, visits, first = batches_per_epoch(plan, clips), [], 0
    for block in epoch_blocks(clips.num_blocks, order_seed, epoch):
        variant = int(first_variants[block] + epoch) % clips.num_variants
        num_batches = min(_num_batches(plan, clips, block), left - first)
        if num_batches == 0:
            break
        visits.append(Visit(block, variant, first, num_batches))
        first += num_batches
    return visits


def _num_batches(plan: TrainingConfig, clips: ClipBlocks, block: int) -> int:
    return math.ceil(clips.block_size(block) / plan.batch_size)


class ClipStream:
    """The batches of every epoch of one training run."""

    def __init__(
        self,
        clips: ClipBlocks,
        plan: TrainingConfig,
        *,
        order_seed: int,
        imitation: Imitation | None = None,
        mask_seed: int = 0,
        device: str | torch.device = "cpu",
    ) -> None:
        """`mask_seed` draws the sampling masks of the training run, which feed `scheduled` shows the sources too."""
        self.clips = clips
        self.plan = plan
        self.order_seed = order_seed
        self.imitation = imitation
        self.mask_seed = mask_seed
        self.device = torch.device(device)
        self.directions = directions(plan)
        self.steps_per_epoch = batches_per_epoch(plan, clips) * len(self.directions)
        self.waited_s = 0.0  # time in which training stood still
        self._copies = torch.cuda.Stream(self.device) if self.device.type == "cuda" else None

    def epoch(self, epoch: int, done: int = 0) -> Generator[Batch, None, None]:
        """A batch for every step of the epoch but the first `done`. Close it: that ends the readers' threads."""
        done_batches, done_directions = divmod(done, len(self.directions))
        visits = epoch_visits(self.plan, self.clips, self.order_seed, epoch)
        left = [visit for visit in visits if visit.first_batch + visit.num_batches > done_batches]
        if self.imitation is not None:
            imitated, began = [visit for visit in left if self._is_imitated(epoch, visit)], time.perf_counter()
            self.imitation.announce(
                (visit.block, direction, visit.variant) for visit in imitated for direction in self.directions
            )
            waited = time.perf_counter() - began
            self.waited_s += waited
            self.imitation.provider.counters.add(waited_s=waited)

        def load(visit: Visit, stop: Event) -> _Loaded:
            return self._load(epoch, visit, stop)

        with closing(work_ahead(load, left, self.plan.readers)) as blocks:
            while (block := self._next(blocks)) is not None:
                for batch in range(block.visit.num_batches):
                    number = block.visit.first_batch + batch
                    for place, direction in enumerate(self.directions):
                        if (number, place) >= (done_batches, done_directions):
                            yield self._batch(block, batch, direction)

    def _next(self, blocks: Iterator[_Loaded]) -> _Loaded | None:
        began = time.perf_counter()
        block = next(blocks, None)
        waited = time.perf_counter() - began
        self.waited_s += waited
        if block is not None and self.imitation is not None:
            # Fetching is the last that is done for a block, so what was waited for is that first of all.
            self.imitation.provider.counters.add(waited_s=min(waited, block.fetched_s))
        return block

    def _load(self, epoch: int, visit: Visit, stop: Event) -> _Loaded:
        """On a reader's thread. Raises Stopped between two parts of the work where nobody waits for it any more."""
        stored_NTHWC = self.clips.frames(visit.block, visit.variant)
        order = np.random.default_rng((self.order_seed, epoch, visit.block)).permutation(len(stored_NTHWC))
        order = order[: visit.num_batches * self.plan.batch_size]
        stored_NTHWC = stored_NTHWC[order]
        field = self.clips.holds_field
        clips = {
            direction: self._pinned(clips_to_tensors(stored_NTHWC, field=field, reverse=direction == "reverse"))
            for direction in self.directions
        }
        began, memories = time.perf_counter(), {}
        for direction in self.directions:
            if stop.is_set():
                raise Stopped
            memories[direction] = self._fetch(epoch, visit, direction, order)
        return _Loaded(visit, order, clips, memories, time.perf_counter() - began)

    def _fetch(
        self, epoch: int, visit: Visit, direction: Direction, order: np.ndarray
    ) -> Mapping[str, np.ndarray | torch.Tensor]:
        """What the sources remember of a block; nothing where nothing is imitated any more when its turn comes."""
        if self.imitation is None or not self._is_imitated(epoch, visit):
            return {}
        shown = self._shown(epoch, visit, direction, order) if self.imitation.feed == "scheduled" else None
        memories = self.imitation.fetch(visit.block, direction, visit.variant, shown)
        if self._copies is None:
            return memories
        return {name: torch.from_numpy(memory[order]).pin_memory() for name, memory in memories.items()}

    def _is_imitated(self, epoch: int, visit: Visit) -> bool:
        assert self.imitation is not None
        return self.imitation.strength(self._step(epoch, visit.first_batch) / self._total_steps) > 0

    def _step(self, epoch: int, batch: int, direction: Direction = "forward") -> int:
        """The number, over all of training, of the step that takes this batch of an epoch."""
        return epoch * self.steps_per_epoch + batch * len(self.directions) + self.directions.index(direction)

    @property
    def _total_steps(self) -> int:
        return self.plan.epochs * self.steps_per_epoch

    def _shown(self, epoch: int, visit: Visit, direction: Direction, order: np.ndarray) -> Shown:
        """The masks that the target will see of this block's clips, step by step, put in the block's order."""
        clips, size = self.clips, self.plan.batch_size
        block_mask: np.ndarray | None = None
        for batch in range(visit.num_batches):
            rows, step = (
                order[batch * size : (batch + 1) * size],
                self._step(epoch, visit.first_batch + batch, direction),
            )
            frames, mask = truth_mask(
                self.plan.sampling,
                step / self._total_steps,
                len(rows),
                clips.total_length,
                clips.input_length,
                (self.mask_seed, step),
            )
            if block_mask is None:
                block_mask = np.zeros((clips.block_size(visit.block), clips.total_length - 1 - frames), np.float32)
            if mask is not None:
                block_mask[rows] = mask
        assert block_mask is not None
        return Shown(frames, block_mask)

    def _batch(self, block: _Loaded, batch: int, direction: Direction) -> Batch:
        rows = slice(batch * self.plan.batch_size, (batch + 1) * self.plan.batch_size)
        frames, valid = block.clips[direction]
        # Without a GPU memory is copied only here: a block of it is tens of megabytes a source, in the page cache.
        memories = {
            name: memory[rows] if isinstance(memory, torch.Tensor) else torch.from_numpy(memory[block.order[rows]])
            for name, memory in block.memories[direction].items()
        }
        return self._on_device(Batch(frames[rows], None if valid is None else valid[rows], memories))

    def _pinned(self, clips: ClipTensors) -> ClipTensors:
        """In memory that a GPU copies from by itself; as they are where there is none."""
        if self._copies is None:
            return clips
        return ClipTensors(clips.frames.pin_memory(), None if clips.valid is None else clips.valid.pin_memory())

    def _on_device(self, batch: Batch) -> Batch:
        """On a GPU the copy goes through a stream of its own, while the step before is still computing.

        The step that takes the batch waits for the copy on the GPU, not here.
        """
        if self._copies is None:
            return Batch(
                batch.frames.to(self.device),
                None if batch.valid is None else batch.valid.to(self.device),
                {name: memory.to(self.device) for name, memory in batch.memories.items()},
            )
        computing = torch.cuda.current_stream(self.device)

        def copied(tensor: torch.Tensor) -> torch.Tensor:
            on_device = tensor.to(self.device, non_blocking=True)
            on_device.record_stream(computing)  # its memory is not given away before the step is done with it
            return on_device

        with torch.cuda.stream(self._copies):
            arriving = Batch(
                copied(batch.frames),
                None if batch.valid is None else copied(batch.valid),
                {name: copied(memory) for name, memory in batch.memories.items()},
            )
        computing.wait_stream(self._copies)
        return arriving

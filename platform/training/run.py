"""The training loop, the same for a source, a scratch target and a target that distils.

Reference: all T-1 predicted frames count, in patch space or pixels alike; Adam; each batch is also shown reversed in
time, as a second step; scheduled sampling draws one mask a clip and step. All that is random follows from (seed,
step), so a run continued from `state()` is the run that was not interrupted.
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from platform.benchmarks.blocks import ClipBlocks, epoch_blocks
from platform.benchmarks.tensors import clips_to_float
from platform.config.training import TrainingConfig
from platform.memory.request import Direction, Feed, MemoryProvider, Request
from tmu_models import VideoPredictor, distillation_loss, prediction_loss

# B clips, T frames, C channels, H W pixels, S memory channels, h w grid cells


WARM_UP = 0.05  # of all steps


class TrainingDiverged(RuntimeError):
    """The loss is no longer a number."""


@dataclass(frozen=True)
class Imitation:
    """What a target distils: whose memories, from where, how strongly."""

    provider: MemoryProvider
    sources: tuple[str, ...]
    weight: float
    source_weights: Mapping[str, float] = field(default_factory=dict)
    feed: Feed = "own"


@dataclass(frozen=True)
class EpochReport:
    """What one epoch of training came to. Losses are means over its steps."""

    epoch: int  # 1 after the first
    steps: int
    train_loss: float  # mean squared error a pixel
    distillation_loss: float | None  # before its weight; None where nothing is distilled
    seconds: float


def batches_per_epoch(plan: TrainingConfig, clips: ClipBlocks) -> int:
    """A batch never spans two blocks, so a block that batch_size does not divide ends in a smaller one."""
    sizes = (len(clips.clip_names(block)) for block in range(clips.num_blocks))
    in_split = sum(math.ceil(size / plan.batch_size) for size in sizes)
    return min(in_split, plan.steps_per_epoch or in_split)


def num_steps(plan: TrainingConfig, clips: ClipBlocks) -> int:
    """Optimiser steps of a whole training run."""
    return plan.epochs * batches_per_epoch(plan, clips) * (2 if plan.reverse else 1)


class TrainingRun:
    """A network in training. `epoch()` goes on by one epoch; `state()` and `restore()` carry it over a break."""

    def __init__(
        self,
        network: VideoPredictor,
        clips: ClipBlocks,
        plan: TrainingConfig,
        *,
        input_length: int,
        learning_rate: float,
        seed: int,
        order_seed: int = 0,
        imitation: Imitation | None = None,
        device: str | torch.device = "cpu",
    ) -> None:
        """`seed` draws the sampling masks; `order_seed` the order of clips, shared by all trials of a search."""
        self.network = network.to(device).train()
        self.clips = clips
        self.plan = plan
        self.input_length = input_length
        self.seed = seed
        self.order_seed = order_seed
        self.imitation = imitation
        self.device = device
        self.learning_rate = learning_rate
        self.optimizer = torch.optim.Adam(network.parameters(), lr=learning_rate)
        self.epochs_done = 0
        self.steps_done = 0

    @property
    def _directions(self) -> tuple[Direction, ...]:
        return ("forward", "reverse") if self.plan.reverse else ("forward",)

    def epoch(self, on_step: Callable[[int], None] | None = None) -> EpochReport:
        """Train one epoch. Raises TrainingDiverged when its mean loss is not finite."""
        began = time.perf_counter()
        # Sums stay on the device: reading them every step would make a GPU wait.
        loss_sum = torch.zeros((), device=self.device)
        imitation_sum = torch.zeros((), device=self.device)
        steps = 0
        for frames, memories in self._batches(self.epochs_done):
            loss, imitation = self.step(frames, memories)
            loss_sum += loss
            imitation_sum += imitation
            steps += 1
            if on_step is not None:
                on_step(self.steps_done)
        self.epochs_done += 1
        train_loss, imitated = loss_sum.item() / steps, imitation_sum.item() / steps
        if not math.isfinite(train_loss + imitated):
            raise TrainingDiverged(
                f"the loss became {train_loss + imitated} in epoch {self.epochs_done}; "
                "lower learning_rate or set training.gradient_clip"
            )
        return EpochReport(
            epoch=self.epochs_done,
            steps=steps,
            train_loss=train_loss,
            distillation_loss=imitated if self.imitation else None,
            seconds=time.perf_counter() - began,
        )

    def step(
        self, frames_BTCHW: torch.Tensor, memories: Mapping[str, torch.Tensor]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """One optimiser step; returns the two losses, on the device, without waiting for them.

        `memories` maps each source to (B, T-1, S, h, w); it is empty where nothing is distilled.
        """
        prediction = self.network(
            frames_BTCHW, input_length=self.input_length, truth_mask=self._truth_mask(frames_BTCHW)
        )
        loss = prediction_loss(prediction, frames_BTCHW)
        imitation = loss.new_zeros(())
        total = loss
        if self.imitation is not None:
            imitation = distillation_loss(prediction, memories, self.imitation.source_weights)
            total = loss + self.imitation.weight * imitation
        self.optimizer.zero_grad(set_to_none=True)
        total.backward()
        if self.plan.gradient_clip is not None:
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.plan.gradient_clip)
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate * self._learning_rate_factor()
        self.optimizer.step()
        self.steps_done += 1
        return loss.detach(), imitation.detach()

    def state(self) -> dict[str, Any]:
        """Everything needed to go on, as tensors and plain numbers."""
        return {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "epochs_done": self.epochs_done,
            "steps_done": self.steps_done,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.epochs_done = state["epochs_done"]
        self.steps_done = state["steps_done"]

    def _batches(self, epoch: int) -> Iterator[tuple[torch.Tensor, dict[str, torch.Tensor]]]:
        """Frames and memories of every step of the epoch. A block is read once; a batch never spans two blocks."""
        left = batches_per_epoch(self.plan, self.clips)
        for block in epoch_blocks(self.clips.num_blocks, self.order_seed, epoch):
            clips = self.clips.frames(block)
            memories = {direction: self._memories(block, direction) for direction in self._directions}
            order = np.random.default_rng((self.order_seed, epoch, block)).permutation(len(clips))
            for first in range(0, len(order), self.plan.batch_size):
                rows = order[first : first + self.plan.batch_size]
                for direction in self._directions:
                    frames = clips_to_float(clips[rows], self.device, reverse=direction == "reverse")
                    yield (
                        frames,
                        {
                            source: torch.from_numpy(states[rows]).to(self.device)
                            for source, states in memories[direction].items()
                        },
                    )
                left -= 1
                if left == 0:
                    return

    def _learning_rate_factor(self) -> float:
        """Cosine: up over the first twentieth of all steps, then down to 0, so that a short run settles."""
        if self.plan.schedule == "constant":
            return 1.0
        progress = self.steps_done / num_steps(self.plan, self.clips)
        return min((progress + 1e-3) / WARM_UP, 0.5 * (1 + math.cos(math.pi * progress)))

    def _truth_mask(self, frames_BTCHW: torch.Tensor) -> torch.Tensor | None:
        """1 where the true frame is shown after the observed ones, (B, T-1-input_length)."""
        sampling = self.plan.sampling
        progress = self.steps_done / (num_steps(self.plan, self.clips) * sampling.until)
        chance = sampling.start * max(0.0, 1.0 - progress)
        B, T = frames_BTCHW.shape[:2]
        if chance == 0 or self.input_length == T - 1:
            return None
        draws = np.random.default_rng((self.seed, self.steps_done)).random((B, T - 1 - self.input_length))
        return torch.from_numpy((draws < chance).astype(np.float32)).to(self.device)

    def _memories(self, block: int, direction: Direction) -> dict[str, np.ndarray]:
        """What the sources remember of a block, by source, (N, T-1, S, h, w)."""
        if self.imitation is None:
            return {}
        return {
            source: self.imitation.provider.states(Request(source, block, direction, self.imitation.feed))
            for source in self.imitation.sources
        }

"""The training loop, the same for a source, a scratch target and a target that distils.

Reference: all T-1 predicted frames count, in patch space or pixels alike; Adam; each batch is also shown reversed in
time, as a second step; scheduled sampling draws one mask a clip and step. All that is random follows from (seed,
step), so a run continued from `state()` is the run that was not interrupted.
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch

from platform.benchmarks.blocks import ClipBlocks, epoch_blocks
from platform.benchmarks.tensors import clips_to_float
from platform.config.training import TrainingConfig
from platform.memory.request import Direction
from platform.training.imitation import Imitation
from platform.training.sampling import truth_mask
from tmu_models import Moments, StartingPoint, VideoPredictor, prediction_loss

# B clips, T frames, C channels, H W pixels, S memory channels, h w grid cells


WARM_UP = 0.05  # of all steps


class TrainingDiverged(RuntimeError):
    """The loss is no longer a number."""


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
    sizes = (clips.block_size(block) for block in range(clips.num_blocks))
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
        starting_point: StartingPoint | None = None,
        l2_sp: float = 0.0,
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
        self.starting_point = starting_point if l2_sp > 0 else None
        self.l2_sp = l2_sp
        self.device = device
        self.learning_rate = learning_rate
        self.optimizer = torch.optim.Adam(network.parameters(), lr=learning_rate)
        self.total_steps = num_steps(plan, clips)
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
        """One optimiser step; returns prediction and imitation loss, on the device, without waiting for them.

        `memories` maps each source to (B, T-1, S, h, w); it is empty where nothing is imitated.
        """
        shown, mask = self._truth_mask(frames_BTCHW)
        teachers = memories if memories and self.imitation and self.imitation.way == "knowledge_flow" else None
        prediction = self.network(
            frames_BTCHW, input_length=shown, truth_mask=mask, keep_memories=(), teachers=teachers
        )
        loss = prediction_loss(prediction, frames_BTCHW)
        total, imitation = loss, loss.new_zeros(())
        if self.imitation is not None and memories:
            imitation = self.imitation.loss(self.network, prediction, memories, self._moments)
            if self.imitation.added:
                total = total + self.imitation.strength(self.progress) * imitation
        if prediction.decoupling is not None:
            total = total + self.plan.decoupling_weight * prediction.decoupling
        if self.starting_point is not None:
            total = total + self.l2_sp * self.starting_point.distance()
        self.optimizer.zero_grad(set_to_none=True)
        total.backward()
        if self.plan.gradient_clip is not None:
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.plan.gradient_clip)
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate * self._learning_rate_factor()
        self.optimizer.step()
        self.steps_done += 1
        return loss.detach(), imitation.detach()

    @property
    def progress(self) -> float:
        """The fraction of all steps that is done."""
        return self.steps_done / self.total_steps

    @cached_property
    def _moments(self) -> dict[str, Moments]:
        return self.imitation.moments() if self.imitation is not None else {}

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
            memories = {direction: self._fetch(block, direction) for direction in self._directions}
            order = np.random.default_rng((self.order_seed, epoch, block)).permutation(len(clips))
            for first in range(0, len(order), self.plan.batch_size):
                rows = order[first : first + self.plan.batch_size]
                for direction in self._directions:
                    frames = clips_to_float(
                        clips[rows], self.device, field=self.clips.holds_field, reverse=direction == "reverse"
                    )
                    fetched = memories[direction].items()
                    yield frames, {name: torch.from_numpy(m[rows]).to(self.device) for name, m in fetched}
                left -= 1
                if left == 0:
                    return

    def _fetch(self, block: int, direction: Direction) -> dict[str, np.ndarray]:
        """What the sources remember of a block; nothing where nothing is imitated any more."""
        if self.imitation is None or self.imitation.strength(self.progress) == 0:
            return {}
        return self.imitation.fetch(block, direction)

    def _learning_rate_factor(self) -> float:
        """Cosine: up over the first twentieth of all steps, then down to 0, so that a short run settles."""
        if self.plan.schedule == "constant":
            return 1.0
        progress = self.progress
        return min((progress + 1e-3) / WARM_UP, 0.5 * (1 + math.cos(math.pi * progress)))

    def _truth_mask(self, frames_BTCHW: torch.Tensor) -> tuple[int, torch.Tensor | None]:
        B, T = frames_BTCHW.shape[:2]
        seed = (self.seed, self.steps_done)
        shown, mask = truth_mask(self.plan.sampling, self.progress, B, T, self.input_length, seed)
        return shown, None if mask is None else torch.from_numpy(mask).to(self.device)

"""The training loop, the same for a source, a scratch target and a target that distils.

Reference: all T-1 predicted frames count, in patch space or pixels alike; Adam; each batch is also shown reversed in
time, as a second step; scheduled sampling draws one mask a clip and step. All that is random follows from (seed,
step), so a run continued from `state()`, taken between any two steps, is the run that was not interrupted.
"""

import math
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch

from platform.benchmarks.blocks import ClipBlocks
from platform.config.training import TrainingConfig
from platform.training.graphs import GraphedStep, StepInputs
from platform.training.imitation import Imitation
from platform.training.losses import Objective
from platform.training.precision import Computing, step_operations
from platform.training.sampling import truth_mask
from platform.training.stream import ClipStream, batches_per_epoch, directions
from tmu_models import Fused, Moments, StartingPoint, VideoPredictor

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


@dataclass
class _Sums:
    """Of the steps of an epoch so far. They stay on the device: reading them every step would make a GPU wait."""

    steps: int
    loss: torch.Tensor
    imitation: torch.Tensor

    @classmethod
    def at(cls, device: str | torch.device, steps: int = 0, loss: float = 0.0, imitation: float = 0.0) -> "_Sums":
        return cls(steps, torch.tensor(loss, device=device), torch.tensor(imitation, device=device))


def num_steps(plan: TrainingConfig, clips: ClipBlocks) -> int:
    """Optimiser steps of a whole training run."""
    return plan.epochs * batches_per_epoch(plan, clips) * len(directions(plan))


class TrainingRun:
    """A network in training. `epoch()` goes on to an epoch's end; `state()` and `restore()` carry it over a break."""

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
        device = torch.device(device)
        self.network = network.to(device).to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
        self.plan = plan
        self.stream = ClipStream(clips, plan, order_seed=order_seed, imitation=imitation, mask_seed=seed, device=device)
        self.input_length = input_length
        self.seed = seed
        self.imitation = imitation
        self.starting_point = starting_point if l2_sp > 0 else None
        if self.starting_point is not None:
            self.starting_point.follow()
        self.l2_sp = l2_sp
        self._objective = Objective(
            imitation, lambda: self._moments, plan.decoupling_weight, self.starting_point, l2_sp
        )
        self.device = device
        self.learning_rate = learning_rate
        on_gpu = device.type == "cuda"
        self.optimizer = torch.optim.Adam(
            network.parameters(),
            lr=torch.tensor(learning_rate, device=device) if on_gpu else learning_rate,
            fused=True,
            capturable=on_gpu,
        )
        self.total_steps = num_steps(plan, clips)
        cells = (clips.frame_size // network.patch_size) ** 2
        operations = step_operations(network, plan.batch_size, clips.total_length, cells)
        self.computing = Computing.of(plan, device, operations * self.total_steps)
        self._graphs = GraphedStep(self._compute) if on_gpu else None
        self.epochs_done = 0
        self.steps_done = 0
        self._sums = _Sums.at(device)

    def epoch(self, on_step: Callable[[int], None] | None = None) -> EpochReport:
        """Train to the end of the epoch that has begun. Raises TrainingDiverged when its mean loss is not finite.

        `on_step` is told the steps done, after each of them; the state can be taken there.
        """
        began = time.perf_counter()
        with closing(self.stream.epoch(self.epochs_done, self._sums.steps)) as batches:
            for batch in batches:
                loss, imitation = self.step(batch.frames, batch.memories, batch.valid)
                self._sums.loss += loss
                self._sums.imitation += imitation
                self._sums.steps += 1
                if on_step is not None:
                    on_step(self.steps_done)
        sums, self._sums = self._sums, _Sums.at(self.device)
        self.epochs_done += 1
        train_loss, imitated = sums.loss.item() / sums.steps, sums.imitation.item() / sums.steps
        if not math.isfinite(train_loss + imitated):
            raise TrainingDiverged(
                f"the loss became {train_loss + imitated} in epoch {self.epochs_done}; "
                "lower learning_rate or set training.gradient_clip"
            )
        return EpochReport(
            epoch=self.epochs_done,
            steps=sums.steps,
            train_loss=train_loss,
            distillation_loss=imitated if self.imitation else None,
            seconds=time.perf_counter() - began,
        )

    def step(
        self,
        frames_BTCHW: torch.Tensor,
        memories: Mapping[str, torch.Tensor],
        valid_BTCHW: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """One optimiser step; returns prediction and imitation loss, on the device, without waiting for them.

        `memories` maps each source to (B, T-1, S, h, w); it is empty where nothing is imitated. `valid_BTCHW` is False
        where a pixel is missing, None where none is.
        """
        shown, mask = self._truth_mask(frames_BTCHW)
        self._set_learning_rate()
        strength = self.imitation.strength(self.progress) if self.imitation is not None and memories else 0.0
        # `full` and not `tensor`, which would make a GPU wait.
        inputs = StepInputs(
            frames_BTCHW, valid_BTCHW, mask, dict(memories), torch.full((), strength, device=self.device), shown
        )
        losses = self._graphs(inputs) if self._graphs is not None else self._compute(inputs)
        self.steps_done += 1
        return losses

    def _compute(self, inputs: StepInputs) -> tuple[torch.Tensor, torch.Tensor]:
        """The part of a step that a GPU may replay: nothing in it depends on numbers of the host that change."""
        with self.computing():
            try:
                loss, imitation = self._gradients(inputs)
            except torch._dynamo.exc.TorchDynamoException as error:  # the way back is compiled when it is gone
                Fused.refuse(error)
                loss, imitation = self._gradients(inputs)
        if self.plan.gradient_clip is not None:
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.plan.gradient_clip)
        self.optimizer.step()
        return loss.detach(), imitation.detach()

    def _gradients(self, inputs: StepInputs) -> tuple[torch.Tensor, torch.Tensor]:
        loss, imitation, total = self._objective.of(self.network, inputs)
        self.optimizer.zero_grad(set_to_none=True)
        total.backward()
        return loss, imitation

    @property
    def notes(self) -> tuple[str, ...]:
        """What could not be made fast on this machine, and why."""
        graphs = self._graphs.refused if self._graphs is not None else None
        compiled = Fused.refused if self.computing.compiled else None
        return tuple(note for note in (graphs, compiled) if note is not None)

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
            "epoch": {
                "steps": self._sums.steps,
                "loss": self._sums.loss.item(),
                "imitation": self._sums.imitation.item(),
            },
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.epochs_done = state["epochs_done"]
        self.steps_done = state["steps_done"]
        self._sums = _Sums.at(self.device, **state["epoch"])
        if self._graphs is not None:  # the optimiser's state lies elsewhere now
            self._graphs = GraphedStep(self._compute)

    def _set_learning_rate(self) -> None:
        rate = self.learning_rate * self._learning_rate_factor()
        for group in self.optimizer.param_groups:
            if isinstance(group["lr"], torch.Tensor):
                group["lr"].fill_(rate)
            else:
                group["lr"] = rate

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
        if mask is None:
            return shown, None
        on_host = torch.from_numpy(mask)
        return shown, on_host.pin_memory().to(self.device, non_blocking=True) if self._graphs is not None else on_host

"""What a training step minimises: prediction, imitation, and what keeps weights and memories where they belong."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

from platform.training.graphs import StepInputs
from platform.training.imitation import Imitation
from tmu_models import Moments, StartingPoint, VideoPredictor, prediction_loss


@dataclass(frozen=True)
class Objective:
    """The terms of one training run's loss, each with its weight. `moments` is asked when something is imitated."""

    imitation: Imitation | None = None
    moments: Callable[[], Mapping[str, Moments]] = dict
    decoupling_weight: float = 0.0
    starting_point: StartingPoint | None = None
    l2_sp: float = 0.0

    def of(self, network: VideoPredictor, inputs: StepInputs) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Of prediction, of imitation before its weight, and what is minimised."""
        frames, memories, imitates = inputs.frames, inputs.memories, self.imitation
        teachers = memories if memories and imitates and imitates.way == "knowledge_flow" else None
        prediction = network(
            frames, input_length=inputs.shown, truth_mask=inputs.mask, keep_memories=(), teachers=teachers
        )
        loss = prediction_loss(prediction, frames, inputs.valid)
        total, imitation = loss, loss.new_zeros(())
        if imitates is not None and memories:
            imitation = imitates.loss(network, prediction, memories, self.moments(), inputs.valid)
            if imitates.added:
                total = total + inputs.strength * imitation
        if prediction.decoupling is not None:
            total = total + self.decoupling_weight * prediction.decoupling
        if self.starting_point is not None:
            total = total + self.l2_sp * self.starting_point.distance()
        return loss, imitation, total

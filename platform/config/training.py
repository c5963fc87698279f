"""How a network is trained: the same plan for a source's pretraining and for every target of a search."""

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt

from platform.config.model import Model


class SamplingConfig(Model):
    """Scheduled sampling: the chance of showing the true frame falls linearly from `start` to 0.

    `until` is a fraction of all training steps. The released code goes from 1 to 0 in 50,000 of 80,000 steps.
    """

    start: Annotated[float, Field(ge=0, le=1)] = 1.0
    until: Annotated[float, Field(gt=0, le=1)] = 0.625


class TrainingConfig(Model):
    """One training run. An epoch is the split once, or `steps_per_epoch` batches of it."""

    epochs: PositiveInt = 20
    steps_per_epoch: PositiveInt | None = None
    batch_size: PositiveInt = 8
    reverse: bool = True  # each batch also reversed in time, as a second step, as released
    sampling: SamplingConfig = SamplingConfig()
    schedule: Literal["constant", "cosine"] = "constant"  # of the learning rate; constant as released
    gradient_clip: PositiveFloat | None = None  # largest norm of the gradient; None as released


class PretrainingConfig(TrainingConfig):
    """How a source is made. The learning rate is fixed here; a target's is searched."""

    learning_rate: PositiveFloat = 1e-4
    seed: Annotated[int, Field(ge=0)] = 0

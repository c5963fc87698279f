"""How a network is trained: the same plan for a source's pretraining and for every target of a search."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from platform.config.model import Model

Precision = Literal["auto", "float32", "bfloat16"]


class SamplingConfig(Model):
    """How often the true frame is shown in training. Fractions are of all training steps.

    `scheduled`: after the observed frames the chance falls linearly from `start` to 0 at `until`; the released TMU code
    goes from 1 to 0 in 50,000 of 80,000 steps. `reverse` (PredRNN-v2): the chance among observed frames is 0.5 until
    `begin`, rises exponentially with the time `rise`, and is 1 from `until`; among later frames it falls from 0.5 at
    `begin` linearly to 0 at `until`. Its published numbers are 25,000, 5,000 and 50,000 of 80,000 steps.
    """

    kind: Literal["scheduled", "reverse"] = "scheduled"
    start: Annotated[float, Field(ge=0, le=1)] = 1.0
    begin: Annotated[float, Field(ge=0, lt=1)] = 0.3125
    rise: Annotated[float, Field(gt=0, le=1)] = 0.0625
    until: Annotated[float, Field(gt=0, le=1)] = 0.625

    @model_validator(mode="after")
    def _begins_before_it_ends(self) -> "SamplingConfig":
        if self.kind == "reverse" and self.begin >= self.until:
            raise ValueError(f"begin {self.begin:g} must lie below until {self.until:g}; lower begin, or raise until")
        return self


class TrainingConfig(Model):
    """One training run. An epoch is the split once, or `steps_per_epoch` batches of it."""

    epochs: PositiveInt = 20
    steps_per_epoch: PositiveInt | None = None
    batch_size: PositiveInt = 8
    reverse: bool = True  # each batch also reversed in time, as a second step, as released
    sampling: SamplingConfig = SamplingConfig()
    schedule: Literal["constant", "cosine"] = "constant"  # of the learning rate; constant as released
    decoupling_weight: NonNegativeFloat = 0.1  # of PredRNN-v2's loss, in networks with decoupling
    gradient_clip: PositiveFloat | None = None  # largest norm of the gradient; None as released
    precision: Precision = "auto"  # of convolutions; auto: bfloat16 where the hardware computes in it, else float32
    compile: Literal["auto"] | bool = "auto"  # what lies between convolutions, by torch; auto: where a run is long
    readers: NonNegativeInt = 1  # threads that prepare blocks ahead; 0: the training thread does. Changes no number


class PretrainingConfig(TrainingConfig):
    """How a source is made. The learning rate is fixed here; a target's is searched."""

    learning_rate: PositiveFloat = 1e-4
    seed: Annotated[int, Field(ge=0)] = 0

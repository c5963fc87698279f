"""How a search runs: how many trials, what they are judged by, when weak ones stop, what each may use."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, field_validator

from platform.config.model import Model
from platform.config.space import Parameter

# What can be optimised, and which way is better.
OBJECTIVES: dict[str, Literal["min", "max"]] = {
    "mse": "min",
    "ssim": "max",
    "psnr": "max",
    "parameters": "min",
    "seconds_per_clip": "min",
}
ObjectiveName = Literal["mse", "ssim", "psnr", "parameters", "seconds_per_clip"]


class AshaConfig(Model):
    """Asynchronous successive halving: after each rung the worse of `reduction` trials stop."""

    grace_epochs: PositiveInt = 1
    reduction: Annotated[int, Field(ge=2)] = 3


class SearchConfig(Model):
    """The search itself."""

    trials: PositiveInt = 100
    seed: Annotated[int, Field(ge=0)] = 0
    objectives: Annotated[tuple[ObjectiveName, ...], Field(min_length=1)] = ("mse",)
    startup_trials: PositiveInt = 10  # drawn at random before Optuna's TPE begins to learn
    asha: AshaConfig | None = AshaConfig()  # judges by the first objective; null trains every trial to its end
    seed_from_ranking: bool = False  # after the baselines try the sources ranked first, the first two, ...
    space: dict[str, Parameter] = {}

    @field_validator("objectives")
    @classmethod
    def _no_objective_twice(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) < len(value):
            raise ValueError(f"an objective stands twice in {list(value)}")
        return value


class ResourcesConfig(Model):
    """What one trial takes, and what the memory servers take before any trial does."""

    cpus_per_trial: PositiveFloat = 1.0
    gpus_per_trial: NonNegativeFloat | Literal["auto"] = "auto"  # auto: 1 where the cluster has GPUs, else 0
    trials_at_once: PositiveInt | None = None  # None: as many as fit
    server_cpus: PositiveFloat = 0.1  # all memory servers of a node together
    server_gpus: NonNegativeFloat = 0.0  # all memory servers of a node together
    threads_per_trial: PositiveInt = 1  # torch threads of a trial

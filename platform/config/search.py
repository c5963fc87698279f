"""How a search runs: how many trials, what they are judged by, when weak ones stop, what each may use."""

import re
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    ByteSize,
    Field,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    field_validator,
    model_validator,
)

from platform.config.errors import nearest
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
# Of a measured field also these, above a threshold in the field's unit: csi_16.
EVENT_OBJECTIVES: dict[str, Literal["min", "max"]] = {"csi": "max", "pod": "max", "far": "min"}
_EVENT = re.compile(rf"({'|'.join(EVENT_OBJECTIVES)})_([0-9.e+-]+)", re.ASCII)


def direction(objective: str) -> Literal["min", "max"]:
    """Which way is better. Raises ValueError for a name that is no objective."""
    if objective in OBJECTIVES:
        return OBJECTIVES[objective]
    if event := _EVENT.fullmatch(objective):
        return EVENT_OBJECTIVES[event[1]]
    known = f"{', '.join(OBJECTIVES)}, and csi_T, pod_T, far_T above a threshold of a measured field"
    raise ValueError(f"no objective {objective!r}{nearest(objective, OBJECTIVES)}; known: {known}")


def threshold_of(objective: str) -> float | None:
    """The 16 of `csi_16`; None for other objectives."""
    event = _EVENT.fullmatch(objective)
    return float(event[2]) if event else None


def _known(objective: str) -> str:
    direction(objective)
    threshold_of(objective)
    return objective


ObjectiveName = Annotated[str, AfterValidator(_known)]


class AshaConfig(Model):
    """Asynchronous successive halving: after each rung the worse of `reduction` trials stop."""

    grace_epochs: PositiveInt = 1
    reduction: Annotated[int, Field(ge=2)] = 3


def rungs(grace_epochs: int, reduction: int, epochs: int) -> tuple[int, ...]:
    """The epochs after which trials of `epochs` are judged."""
    found, rung = [], grace_epochs
    while rung < epochs:
        found.append(rung)
        rung *= reduction
    return tuple(found)


class BudgetConfig(Model):
    """What a search may use, all its drivers together; whichever runs out first ends it. Then no trial starts, and
    those that run get the grace to come to the end of their epoch, or their training."""

    hours: PositiveFloat | None = None  # by the clock
    # Held by trials and memory servers, not by pretraining; a share of a GPU counts as that.
    gpu_hours: PositiveFloat | None = None
    grace_minutes: NonNegativeFloat = 10.0


class SearchConfig(Model):
    """The search itself."""

    trials: PositiveInt = 100
    budget: BudgetConfig = BudgetConfig()
    # How long an epoch may take before its process counts as hanging and is killed; auto: 10 minutes, or ten times
    # the longest epoch seen, whichever is more, and 6 hours while none has been seen. null: for ever.
    epoch_minutes: PositiveFloat | Literal["auto"] | None = "auto"
    seed: Annotated[int, Field(ge=0)] = 0
    # Whose seed orders the clips: the search's, so that all trials see them in one order, or each trial's own.
    clip_order: Literal["search", "trial"] = "search"
    objectives: Annotated[tuple[ObjectiveName, ...], Field(min_length=1)] = ("mse",)
    startup_trials: PositiveInt = 10  # drawn at random before Optuna's TPE begins to learn
    asha: AshaConfig | None = AshaConfig()  # judges by the first objective; null trains every trial to its end
    warm_start: str | None = None  # an earlier run's folder, whose finished trials the study begins with
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
    # Whole GPUs, or 1/k of one that k trials share; auto: on each node the 1/k that has room for a trial's memory, as
    # foretold and then seen, a whole GPU where its memory is not known, 0 where the cluster has no GPU.
    gpus_per_trial: NonNegativeFloat | Literal["auto"] = "auto"
    # Of main memory, for a trial's whole process, about 300 MB of it for its imports: `4GB`. On Linux a trial that
    # wants more fails, and only that trial. None sets no limit.
    memory_per_trial: Annotated[ByteSize, Field(ge=500_000_000)] | None = None
    # None: as many as fit. A number is also what an autoscaler is asked to make room for.
    trials_at_once: PositiveInt | None = None
    wait_minutes: NonNegativeFloat = 0.0  # for a node that can run a trial, where the cluster has none yet
    server_cpus: PositiveFloat = 0.1  # all memory servers of a node together
    server_gpus: NonNegativeFloat = 0.0  # likewise, where a node has a GPU; 0 leaves them on its CPU
    servers_per_node: PositiveInt = 1  # among which the sources are dealt out; one takes them all, on one device
    threads_per_trial: PositiveInt = 1  # torch threads of a trial
    # Of all memories stored on a node, `200GB`; 0 stores none, None all that the disk takes but a reserve. What does
    # not fit is computed each time it is asked for.
    memory_budget: Annotated[ByteSize, Field(ge=0)] | None = None
    memory_dtype: Literal["float16", "float32"] = "float16"  # in which memories are stored and served

    @model_validator(mode="after")
    def _one_gpu_a_server(self) -> "ResourcesConfig":
        if self.server_gpus > self.servers_per_node:
            raise ValueError(
                f"server_gpus {self.server_gpus:g} is more than one GPU for each of servers_per_node "
                f"{self.servers_per_node}, and a server uses one; lower the first, or raise the second"
            )
        return self

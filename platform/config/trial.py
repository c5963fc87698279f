"""What may differ between trials: the choices a search makes about sources, gates and distillation."""

from functools import reduce
from operator import getitem
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, NonNegativeFloat, PositiveFloat, PositiveInt, field_validator

from platform.config.model import Model
from platform.config.network import odd

SCRATCH = "scratch"


class GateConfig(Model):
    """How a target cell mixes what its sources remember. Equations: `tmu_models/tmu.py`."""

    layers: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)] = (0,)  # which cells are TMUs
    gate: Literal["place", "channel", "none"] = "place"  # one for each channel and place, each channel, or fixed
    merge: Literal["mean", "softmax", "sum", "released"] = "mean"
    bias: float = 0.0  # added to every gate before training; negative starts closed
    kernel_size: Annotated[PositiveInt, AfterValidator(odd)] = 5  # of the convolution that computes the gates

    @field_validator("layers")
    @classmethod
    def _no_layer_twice(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(value)) < len(value):
            once = list(dict.fromkeys(value))
            raise ValueError(f"a layer stands twice in {list(value)}; write {once}")
        return value


class DistilConfig(Model):
    """The imitation loss: how strongly a target is held to what its sources remember, or predict."""

    weight: NonNegativeFloat = 0.1  # 0 switches it off: the same cell, and nothing is asked of a source
    what: Literal["memory", "frames"] = "memory"  # frames: output distillation, without transfer gates
    added: bool = True  # false: the loss is computed and logged, never added, as the public code does
    normalise: bool = True  # imitate each memory in its standard form, so that one weight means the same for all
    schedule: Literal["constant", "linear", "cosine"] = "constant"  # of the weight, down to 0 at `until`
    until: Annotated[float, Field(gt=0, le=1)] = 1.0  # fraction of training after which nothing is imitated
    source_weights: dict[str, PositiveFloat] = {}  # relative weight of a source; 1 where it is not named
    memories: dict[str, str] = {}  # which memory of a source, e.g. spatiotemporal/0; before every other `memory`


class TrialSettings(Model):
    """One choice of settings. `sources` may be empty: that is the scratch (or finetune) baseline.

    With sources and `distil.weight` 0 it is the control: the same cell, nothing imitated.
    """

    sources: tuple[str, ...] = ()
    start: str = SCRATCH  # or the name of a source whose weights fit
    transfer: Literal["tmu", "knowledge_flow"] = "tmu"
    memory: str | None = None  # which memory of every source, e.g. cell/1; None: what each source's own setting says
    l2_sp: NonNegativeFloat = 0.0  # pulls weights that came from `start` back to where they began
    tmu: GateConfig = GateConfig()
    distil: DistilConfig = DistilConfig()
    learning_rate: PositiveFloat = 3e-4
    # What the sources are shown after the observed frames: their own predictions, the true frames, or what the target
    # itself is shown, by its random mask; this last is computed anew for every trial and epoch.
    feed: Literal["own", "truth", "scheduled"] = "own"


def setting(settings: TrialSettings, name: str) -> Any:
    """What stands at the dotted `name`. Raises KeyError where nothing does."""
    data: Any = settings.model_dump()
    return reduce(getitem, name.split("."), data)


def with_setting(settings: TrialSettings, name: str, value: Any) -> TrialSettings:
    """A copy of `settings` with the dotted `name` set to `value`, validated. Raises pydantic's ValidationError."""
    data = settings.model_dump()
    place = data
    *parents, last = name.split(".")
    for parent in parents:
        place = place[parent]
    place[last] = value
    return TrialSettings.model_validate(data)

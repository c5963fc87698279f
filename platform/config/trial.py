"""What may differ between trials: the choices a search makes about sources, gates and distillation."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, NonNegativeFloat, PositiveFloat, PositiveInt

from platform.config.model import Model
from platform.config.network import odd

SCRATCH = "scratch"


class GateConfig(Model):
    """How a target cell mixes what its sources remember. Equations: `tmu_models/tmu.py`."""

    layers: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)] = (0,)  # which cells are TMUs
    merge: Literal["mean", "softmax", "sum"] = "mean"
    bias: float = 0.0  # added to every gate before training; negative starts closed
    kernel_size: Annotated[PositiveInt, AfterValidator(odd)] = 5  # of the convolution that computes the gates


class DistilConfig(Model):
    """The imitation loss: how strongly a distilled memory is held to the source's own."""

    weight: NonNegativeFloat = 0.1  # 0 switches it off: then no memory is asked for
    source_weights: dict[str, PositiveFloat] = {}  # relative weight of a source; 1 where it is not named


class TrialSettings(Model):
    """One choice of settings. `sources` may be empty: that is the scratch (or finetune) baseline."""

    sources: tuple[str, ...] = ()
    start: str = SCRATCH  # or the name of a source whose weights fit
    tmu: GateConfig = GateConfig()
    distil: DistilConfig = DistilConfig()
    learning_rate: PositiveFloat = 3e-4
    feed: Literal["own", "truth"] = "own"  # what the sources are shown after the observed frames


def with_setting(settings: TrialSettings, name: str, value: Any) -> TrialSettings:
    """A copy of `settings` with the dotted `name` set to `value`, validated. Raises pydantic's ValidationError."""
    data = settings.model_dump()
    place = data
    *parents, last = name.split(".")
    for parent in parents:
        place = place[parent]
    place[last] = value
    return TrialSettings.model_validate(data)

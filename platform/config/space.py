"""What a search may draw: one `Parameter` for each setting of a trial that the YAML frees.

Names are dotted paths into `TrialSettings`. Three are special: `sources` is drawn as one yes-or-no a source,
`distil.source_weight` as one number for each source that was drawn, and `sources.NAME.memory` where that source was.
"""

import re
from typing import Annotated, Any

from pydantic import Field, PositiveFloat, model_validator

from platform.config.model import Model
from platform.config.trial import TrialSettings

SPACE_NAMES = (
    "sources",
    "start",
    "feed",
    "memory",
    "transfer",
    "learning_rate",
    "l2_sp",
    "tmu.layers",
    "tmu.gate",
    "tmu.merge",
    "tmu.bias",
    "tmu.kernel_size",
    "distil.weight",
    "distil.what",
    "distil.schedule",
    "distil.until",
    "distil.normalise",
    "distil.source_weight",
)
# Drawn only when at least one source was: without sources they change nothing.
NEEDS_SOURCES = ("feed", "memory", "transfer", "tmu.", "distil.")
# Drawn before the others: they decide which of these change anything.
DECIDING = ("transfer", "distil.what", "tmu.merge")

_SOURCE_MEMORY = re.compile(r"^sources\.([^.]+)\.memory$")
_OF_GATES = ("tmu.gate", "tmu.bias", "tmu.kernel_size")
_OF_IMITATION = ("distil.what", "distil.schedule", "distil.until", "distil.normalise", "distil.source_weight")


def source_of(name: str) -> str | None:
    """The source whose memory the parameter `sources.NAME.memory` chooses; None for any other name."""
    found = _SOURCE_MEMORY.match(name)
    return found[1] if found else None


def is_idle(name: str, settings: TrialSettings) -> bool:
    """Would the parameter `name` change nothing beside the rest of `settings`?"""
    source = source_of(name)
    if source is not None and source not in settings.sources:
        return True
    if not settings.sources and name.startswith(NEEDS_SOURCES):
        return True
    if settings.transfer == "knowledge_flow":
        return name in (*_OF_GATES, "tmu.merge", *_OF_IMITATION)
    if settings.distil.what == "frames":
        return source is not None or name in ("memory", "transfer") or name.startswith("tmu.")
    return settings.tmu.merge == "released" and name in _OF_GATES


class Parameter(Model):
    """Exactly one of `subset`, `choice`, `float`, `int`, with bounds included."""

    subset: tuple[str, ...] | None = None  # `sources` only: any of these, none too
    choice: Annotated[tuple[Any, ...], Field(min_length=1)] | None = None
    float_bounds: tuple[float, float] | None = Field(default=None, alias="float")
    int_bounds: tuple[int, int] | None = Field(default=None, alias="int")
    log: bool = False
    step: PositiveFloat | None = None
    when: dict[str, tuple[Any, ...]] = {}  # drawn only when each named parameter has one of these values

    @model_validator(mode="after")
    def _one_kind(self) -> "Parameter":
        kinds = [kind for kind, value in self._kinds().items() if value is not None]
        if len(kinds) != 1:
            raise ValueError(
                f"give exactly one of subset, choice, float, int; found {', '.join(kinds) or 'none'} "
                "(for example `float: [0.01, 0.3]`)"
            )
        for bounds in (self.float_bounds, self.int_bounds):
            if bounds is not None and bounds[0] >= bounds[1]:
                raise ValueError(f"bounds [{bounds[0]}, {bounds[1]}] are empty; write the smaller number first")
            if bounds is not None and self.log and bounds[0] <= 0:
                raise ValueError(f"log needs bounds above 0, got {bounds[0]}; raise it or drop `log`")
        if (self.log or self.step) and kinds[0] not in ("float", "int"):
            raise ValueError(f"log and step go with float or int, not with {kinds[0]}")
        if self.log and self.step:
            raise ValueError("log and step exclude each other; drop one")
        self._check_step()
        self._check_subset()
        return self

    def _check_step(self) -> None:
        bounds = self.float_bounds or self.int_bounds
        if self.step is None or bounds is None:
            return
        low, high = bounds
        if self.step > high - low:
            raise ValueError(
                f"step {self.step:g} is larger than the range [{low:g}, {high:g}]; lower it to at most {high - low:g}"
            )
        if self.int_bounds is not None and self.step % 1:
            raise ValueError(f"step {self.step:g} between whole numbers; use a whole step, or `float` for `int`")

    def _check_subset(self) -> None:
        if self.subset is None:
            return
        if not self.subset:
            raise ValueError("subset is empty; name the sources that may be drawn, or drop `sources` from the space")
        if len(set(self.subset)) < len(self.subset):
            once = ", ".join(dict.fromkeys(self.subset))
            raise ValueError(f"a source stands twice in subset [{', '.join(self.subset)}]; write [{once}]")

    def _kinds(self) -> dict[str, Any]:
        return {
            "subset": self.subset,
            "choice": self.choice,
            "float": self.float_bounds,
            "int": self.int_bounds,
        }

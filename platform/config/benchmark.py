"""What a benchmark is to a search: which frames, cut into which clips, split how.

`prepare` stores every video it finds. Who trains, validates and tests is decided here, so that published protocols
are presets (`presets.py`, `splits.py`) and nine videos of six persons can be split too.
"""

from collections.abc import Mapping
from contextlib import suppress
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PositiveInt, field_validator, model_validator

from platform.config.clips import CropConfig, Scan
from platform.config.datasets import MOST_DIGITS, OWN, dataset_named
from platform.config.model import Model
from platform.config.presets import with_preset
from platform.config.splits import SplitConfig, split_from_preset


def _stride_by_category(value: Any) -> Any:
    return value if isinstance(value, Mapping) else {"default": value}


class MaxClips(Model):
    """At most this many clips of each split, the first of the fixed permutation. None takes all."""

    train: PositiveInt | None = None
    validation: PositiveInt | None = None
    test: PositiveInt | None = None


class BenchmarkConfig(Model):
    """A named set of clips with its splits."""

    preset: str | None = None  # a published protocol: what it says holds where this mapping says nothing
    name: str  # a data set of `datasets.DATASETS`, or own_NAME
    digits: Annotated[int, Field(ge=1, le=MOST_DIGITS)] | None = None  # flying_digits only
    categories: tuple[str, ...] | None = None  # actions, radars, kinds of storm; None takes all
    frame_size: Annotated[int, Field(ge=8, le=512)] = 64  # square, pixels a side
    input_length: PositiveInt = 10
    total_length: Annotated[int, Field(ge=2)] = 20
    frame_step: PositiveInt = 1  # every how many stored frames a clip takes one
    split: Annotated[SplitConfig, BeforeValidator(split_from_preset)] = None  # type: ignore[assignment]
    # Stored frames from one clip's first to the next one's, by category or "default"; {}: clips touch.
    stride: Annotated[dict[str, PositiveInt], BeforeValidator(_stride_by_category)] = {}
    scan: Scan = "forward"  # from which end of a stretch clips are counted off
    # Pixels of the prepared frames to use, of a radar's the shorter side; None: the smallest that fits.
    stored_size: PositiveInt | None = None
    crop: CropConfig | None = None  # the part of a stored frame that is seen; None: the largest square in its middle
    augment: Literal["none", "mirror", "symmetries"] = "none"
    variants: PositiveInt = 1  # how many crops and augmentations of a clip there are: its memories are stored for each
    thresholds: tuple[float, ...] = ()  # of a measured field, in its unit: what counts as an event to csi, pod, far
    max_clips: MaxClips = MaxClips()
    block_clips: PositiveInt = 32  # clips a block: what a source computes in one go
    on_missing: Literal["error", "synthetic"] = "error"

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, data: Any) -> Any:
        """What the preset and the data set say where the YAML does not."""
        if not isinstance(data, dict):
            return data
        filled = dict(data)
        with suppress(ValueError):
            filled = with_preset(data)
        try:
            dataset = dataset_named(str(filled.get("name")))
        except ValueError:
            return {"split": "in_order", **filled}  # the fault of a name or preset is told where it stands
        if filled.get("split") is None:
            filled["split"] = dataset.split
        if "thresholds" not in filled:
            filled["thresholds"] = dataset.thresholds
        return filled

    @field_validator("preset")
    @classmethod
    def _known_preset(cls, value: str | None) -> str | None:
        with_preset({"preset": value})
        return value

    @field_validator("name")
    @classmethod
    def _known_name(cls, value: str) -> str:
        dataset_named(value)
        return value

    @model_validator(mode="after")
    def _parts_agree(self) -> "BenchmarkConfig":
        if self.input_length >= self.total_length:
            raise ValueError(
                f"input_length {self.input_length} leaves nothing to predict in total_length {self.total_length}; "
                f"set total_length to at least {self.input_length + 1}"
            )
        if (self.name == "flying_digits") != (self.digits is not None):
            wanted = "needs digits: 1, 2 or 3" if self.name == "flying_digits" else "has no digits; remove that key"
            raise ValueError(f"benchmark {self.name} {wanted}")
        known = dataset_named(self.name).categories
        for category in self.categories or ():
            if known is not None and category not in known:
                raise ValueError(f"{category!r} is no category of {self.name}; known: {', '.join(known)}")
        if self.name == "flying_digits" and self.categories is not None:
            raise ValueError("flying_digits has no categories; remove that key")
        side, name = (self.stored_size, "stored_size") if self.crop is None else (self.crop.side, "crop.side")
        if side is not None and side % self.frame_size:
            larger = max(side // self.frame_size, 1) * self.frame_size
            raise ValueError(
                f"{name} {side} is no multiple of frame_size {self.frame_size}, to which it is shrunk; set {name} to "
                f"{larger}, or frame_size to a divisor of it"
            )
        if self.crop is not None and self.stored_size is not None and self.crop.side > self.stored_size:
            raise ValueError(f"crop.side {self.crop.side} does not fit into stored_size {self.stored_size}; lower it")
        if self.augment != "none" and self.variants == 1:
            raise ValueError(f"augment: {self.augment} with one variant changes nothing; set variants to 2 or more")
        if self.variants > 1 and self.augment == "none" and (self.crop is None or self.crop.place != "random"):
            raise ValueError(
                f"all {self.variants} variants would be the same; set augment or crop.place: random, or drop variants"
            )
        return self

    @property
    def dataset(self) -> str:
        """The name under which it is prepared: `kth`, `flying_digits_2`, `own_lab`."""
        return self.name if self.digits is None else f"{self.name}_{self.digits}"

    @property
    def is_own(self) -> bool:
        """Data that the user brought, of which nothing is known before it is read."""
        return self.name.startswith(OWN)

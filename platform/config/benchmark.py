"""What a benchmark is to a search: which frames, cut into which clips, split how.

`prepare` stores every video it finds. Who trains, validates and tests is decided here, so that published
protocols are presets and nine videos of six persons can be split too.
"""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PositiveInt, model_validator

from platform.config.model import Model

KTH_ACTIONS = ("boxing", "handclapping", "handwaving", "jogging", "running", "walking")
SplitName = Literal["train", "validation", "test"]
SPLIT_NAMES: tuple[SplitName, ...] = ("train", "validation", "test")

# Validation is cut from the published training persons, never from the test persons.
SPLIT_PRESETS: dict[str, dict[str, Any]] = {
    "persons_1_16": {"train": "1-14", "validation": "15-16", "test": "17-25"},
    "persons_1_20": {"train": "1-18", "validation": "19-20", "test": "21-25"},
    "pools": {"train": ["train"], "validation": ["validation"], "test": ["test"]},
}


def parse_groups(value: Any) -> Any:
    """`"1-3, 7"` or `[1, 2, 3, 7]` -> `("1", "2", "3", "7")`: groups are persons, days or pools, by name."""
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, (list, tuple)):
        parts = [parts]
    names: list[str] = []
    for part in parts:
        text = str(part).strip()
        first, dash, last = text.partition("-")
        if dash and first.strip().isdigit() and last.strip().isdigit():
            low, high = int(first), int(last)
            if high < low or high - low > 10_000:
                raise ValueError(f"{text!r} is not a range of groups; write the smaller number first")
            names += [str(number) for number in range(low, high + 1)]
        elif text:
            names.append(text)
    return tuple(dict.fromkeys(names))


Groups = Annotated[tuple[str, ...], BeforeValidator(parse_groups), Field(min_length=1)]


class SplitConfig(Model):
    """Groups (persons, pools) of each split. A group belongs to one split only."""

    train: Groups
    validation: Groups
    test: Groups

    @model_validator(mode="after")
    def _no_group_twice(self) -> "SplitConfig":
        for one, other in (("train", "validation"), ("train", "test"), ("validation", "test")):
            if shared := set(getattr(self, one)) & set(getattr(self, other)):
                raise ValueError(
                    f"{', '.join(sorted(shared))} stand in both {one} and {other}; a group may be in one split only"
                )
        return self

    def groups(self, split: SplitName) -> tuple[str, ...]:
        return getattr(self, split)


def _split_from_preset(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if value in SPLIT_PRESETS:
        return SPLIT_PRESETS[value]
    near = get_close_matches(value, SPLIT_PRESETS, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"no split preset {value!r}; known: {', '.join(SPLIT_PRESETS)}.{hint}")


def _stride_by_category(value: Any) -> Any:
    return value if isinstance(value, Mapping) else {"default": value}


class MaxClips(Model):
    """At most this many clips of each split, the first of the fixed permutation. None takes all."""

    train: PositiveInt | None = None
    validation: PositiveInt | None = None
    test: PositiveInt | None = None


class BenchmarkConfig(Model):
    """A named set of clips with its splits."""

    name: Literal["kth", "flying_digits"]
    digits: Annotated[int, Field(ge=1, le=3)] | None = None  # flying_digits only
    categories: tuple[str, ...] | None = None  # kth: which actions; None takes all six
    frame_size: Annotated[int, Field(ge=8, le=512)] = 64  # square, pixels a side
    input_length: PositiveInt = 10
    total_length: Annotated[int, Field(ge=2)] = 20
    frame_step: PositiveInt = 1  # every how many stored frames a clip takes one
    split: Annotated[SplitConfig, BeforeValidator(_split_from_preset)] = None  # type: ignore[assignment]
    stride: Annotated[dict[str, PositiveInt], BeforeValidator(_stride_by_category)] = {"default": 20}
    max_clips: MaxClips = MaxClips()
    block_clips: PositiveInt = 32  # clips a block: what a source computes in one go
    on_missing: Literal["error", "synthetic"] = "error"

    @model_validator(mode="before")
    @classmethod
    def _default_split(cls, data: Any) -> Any:
        if isinstance(data, dict) and data.get("split") is None:
            preset = {"kth": "persons_1_16", "flying_digits": "pools"}.get(str(data.get("name")), "pools")
            return {**data, "split": preset}
        return data

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
        if self.categories is not None:
            known = KTH_ACTIONS if self.name == "kth" else ()
            if unknown := [name for name in self.categories if name not in known]:
                raise ValueError(f"{unknown[0]!r} is no category of {self.name}; known: {', '.join(known) or 'none'}")
        return self

    @property
    def dataset(self) -> str:
        """The name under which it is prepared: `kth`, `flying_digits_2`."""
        return self.name if self.digits is None else f"{self.name}_{self.digits}"

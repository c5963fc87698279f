"""Who trains, who validates, who tests: groups by name, by ranges, or by shares of all there are.

A group is a person, a day, an event or a pool of glyphs: what must not be cut in two, for the next second of the same
walk is no test. Validation is always cut from the published training part, never from the test part.
"""

import re
from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from platform.config.errors import nearest
from platform.config.model import Model

SplitName = Literal["train", "validation", "test"]
SPLIT_NAMES: tuple[SplitName, ...] = ("train", "validation", "test")

SPLIT_PRESETS: dict[str, dict[str, Any]] = {
    "persons_1_16": {"train": "1-14", "validation": "15-16", "test": "17-25"},
    "persons_1_20": {"train": "1-18", "validation": "19-20", "test": "21-25"},
    "weizmann_actors": {"train": "daria, denis, eli, ido, ira", "validation": "lena, lyova", "test": "moshe, shahar"},
    "subjects_9_11": {"train": "1, 5, 6, 7", "validation": "8", "test": "9, 11"},
    "pools": {"train": "train", "validation": "validation", "test": "test"},
    "sevir_dates": {"train": "..2018-12-31", "validation": "2019-01-01..2019-05-31", "test": "2019-06-01.."},
    "cikm_files": {
        "train": [f"train_{thousand}" for thousand in range(1, 9)],
        "validation": "train_9, train_10",
        "test": "testA, testB",
    },
    "in_order": {"train": "0%..60%", "validation": "60%..80%", "test": "80%..100%"},
}

_SHARE = re.compile(r"([0-9]{1,3})%\.\.([0-9]{1,3})%", re.ASCII)
_NUMBERS = re.compile(r"([0-9]+)\s*-\s*([0-9]+)", re.ASCII)
_MOST_NUMBERS = 10_000
_MOST_GROUPS = 1_000_000
_MOST_SHARES = 300
_DIGITS = re.compile(r"([0-9]+)", re.ASCII)


def parse_groups(value: Any) -> Any:
    """`"1-3, 7"` or `[1, 2, 3, 7]` -> `("1", "2", "3", "7")`; `"2019-06-01.."` and `"60%..80%"` stay as they are."""
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, (list, tuple)):
        parts = [parts]
    names: list[str] = []
    for part in parts:
        text = str(part).strip()
        if numbers := _NUMBERS.fullmatch(text):
            low, high = (int(number) for number in numbers.groups())
            if high < low or high - low > _MOST_NUMBERS:
                raise ValueError(f"{text!r} is not a range of groups; write the smaller number first")
            names += [str(number) for number in range(low, high + 1)]
            if len(names) > _MOST_GROUPS:
                raise ValueError(f"more than {_MOST_GROUPS} groups are named; name ranges a..b or shares instead")
        elif text:
            _check_range(text)
            names.append(text)
    return tuple(dict.fromkeys(names))


def matching(patterns: Sequence[str], groups: Iterable[str], *, shared: Iterable[str] | None = None) -> tuple[str, ...]:
    """Those of `groups` that one of the patterns names, in their natural order.

    A range `a..b` holds both ends, and the parts of its last: `..2018-12-31` has `2018-12-31T18`. A share `60%..80%`
    counts groups in that order; of `shared` alone where it is given.
    """
    ordered = sorted(set(groups), key=natural)
    countable = ordered if shared is None else sorted(set(shared), key=natural)
    kept: set[str] = set()
    for pattern in patterns:
        if share := _SHARE.fullmatch(pattern):
            first, end = (int(percent) * len(countable) // 100 for percent in share.groups())
            kept.update(countable[first:end])
        elif ".." in pattern:
            low, high = pattern.split("..")
            kept.update(
                group
                for group in ordered
                if (not low or natural(low) <= natural(group))
                and (not high or natural(group) <= natural(high) or _is_part(group, high))
            )
        elif pattern in ordered:
            kept.add(pattern)
    return tuple(group for group in ordered if group in kept)


def natural(group: str) -> tuple[int | str, ...]:
    """The key that sorts numbers as numbers, within texts too: 2, 10, mouse9, mouse10."""
    return tuple(int(part) if place % 2 else part for place, part in enumerate(_DIGITS.split(group)))


def _is_part(group: str, whole: str) -> bool:
    """An hour of a day, a day of a month; not person 20 of person 2."""
    return group.startswith(whole) and group[len(whole) :][:1] in ("-", "T")


def _check_range(text: str) -> None:
    if "%" in text:
        share = _SHARE.fullmatch(text)
        if share is None or not int(share[1]) < int(share[2]) <= 100:
            raise ValueError(f"{text!r} is no share of the groups; write for example 60%..80%")
    elif ".." in text:
        low, _, high = text.partition("..")
        if ".." in high or not (low or high) or (low and high and natural(high) < natural(low)):
            raise ValueError(f"{text!r} is not a range of groups; write for example 2019-01-01..2019-05-31")


Groups = Annotated[tuple[str, ...], BeforeValidator(parse_groups), Field(min_length=1)]


class SplitConfig(Model):
    """Groups of each split. A group belongs to one split only; ranges are compared when the groups are known."""

    train: Groups
    validation: Groups
    test: Groups

    @model_validator(mode="after")
    def _no_share_twice(self) -> "SplitConfig":
        shares = [
            (name, pattern, int(share[1]), int(share[2]))
            for name in SPLIT_NAMES
            for pattern in self.groups(name)
            if (share := _SHARE.fullmatch(pattern))
        ]
        if len(shares) > _MOST_SHARES:
            raise ValueError(f"{len(shares)} shares are named; {_MOST_SHARES} are enough, write longer ones")
        for (one, here, first, end), (other, there, begin, stop) in combinations(shares, 2):
            if one != other and first < stop and begin < end:
                raise ValueError(f"{here} of {one} and {there} of {other} overlap; a group may be in one split only")
        return self

    @model_validator(mode="after")
    def _no_group_twice(self) -> "SplitConfig":
        for one, other in (("train", "validation"), ("train", "test"), ("validation", "test")):
            if shared := set(getattr(self, one)) & set(getattr(self, other)):
                raise ValueError(
                    f"{', '.join(sorted(shared))} stand in both {one} and {other}; a group may be in one split only"
                )
        return self

    def groups(self, split: SplitName) -> tuple[str, ...]:
        """Names, ranges and shares; `matching` tells which groups they mean."""
        return getattr(self, split)


def split_from_preset(value: Any) -> Any:
    """The preset of that name; anything but a text as it is. Raises ValueError."""
    if not isinstance(value, str):
        return value
    if value in SPLIT_PRESETS:
        return SPLIT_PRESETS[value]
    raise ValueError(f"no split preset {value!r}{nearest(value, SPLIT_PRESETS)}; known: {', '.join(SPLIT_PRESETS)}")

"""A hostile YAML file is refused in a sentence, soon, and in little memory; so is a hostile `--set`."""

import os
from functools import partial
from pathlib import Path

import pytest

from platform.config.errors import UserError
from platform.config.load import load_run
from tests.security.limits import refusal

SMALL = """
name: small
benchmark: {name: flying_digits, digits: 2, frame_size: 16, input_length: 3, total_length: 6, on_missing: synthetic}
network: {hidden: [8], kernel_size: 3, patch_size: 4}
"""
LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 10)
)
MERGES = "a0: &a0 {x: 1}\n" + "".join(f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}\n" for n in range(1, 10))
SHARES = ", ".join(f"{first}%..{end}%" for end in range(1, 101) for first in range(end))
BY_RECIPE = "{benchmark: {name: flying_digits, digits: 1}}"


def named(count: int, value: str, between: str = ", ") -> str:
    return between.join(f"k{n}: {value}" for n in range(count))


HOSTILE = {
    "a thousand million laughs": (LAUGHS, "more than 100000 values, anchors included"),
    "merges that double": (MERGES, "more than 100000 values, anchors included"),
    "a long text a thousand times": (f"a: &a {'x' * 500_000}\nb: [{'*a, ' * 1000}*a]\n", "more than 100000 values"),
    "an anchor within itself": ("a: &a [*a]\n", "an anchor that holds itself"),
    "a mapping within itself": ("a: &a {b: *a}\n", "an anchor that holds itself"),
    "lists within lists": ("a: " + "[" * 100_000, "more than 64 values within each other"),
    "mappings within mappings": ("a: " + "{b: " * 100_000, "more than 64 values within each other"),
    "keys within keys": ("? " * 100_000, "more than 64 values within each other"),
    "too many values": (f"a: [{'1, ' * 100_000}1]\n", "more than 100000 values"),
    "too long a file": ("#" * (2 << 20), "has more than 1 MiB"),
    "a number in base 60": (f"a: 1{':59' * 200_000}\n", "a number of 600001 digits"),
    "a fraction in base 60": (f"a: 1{':59' * 2_000}.5\n", "a number of 6003 digits"),
    "a number of a million digits": (f"a: {'9' * 900_000}\n", "a number of 900000 digits"),
    "a date that is none": ("a: 2026-99-99\n", "no value of its kind"),
    "a number that is none": ("a: !!int x\n", "no value of its kind"),
    "half of a character": ('a: "\\ud800"\n', "half of a character"),
    "half of a character in a key": ('"\\udfff": 1\n', "half of a character"),
    "a truth that is none": ("a: !!bool x\n", "no value of its kind"),
    "an object": ("a: !!python/object/apply:os.system [ls]\n", "could not determine a constructor"),
    "a module": ("a: !!python/module:os\n", "could not determine a constructor"),
    "faults without end": (SMALL + named(9_000, "1", "\n"), "200 faults in"),
    "faults without end in a profile": (
        f"{SMALL}profiles: {{full: {{{named(9_000, '1')}}}}}\n",
        "200 faults in",
    ),
    "sources that inherit too much": (
        SMALL.replace("hidden: [8]", f"hidden: [{'8, ' * 5_000}8]") + f"sources: {{{named(500, BY_RECIPE)}}}\n",
        "500 are too many to inherit so much; drop some",
    ),
    "more sources than any bank has": (
        SMALL + f"sources: {{{named(500, BY_RECIPE)}}}\n",
        "should have at most 256 items",
    ),
    "settings that inherit too much": (
        f"{SMALL}trial: {{junk: [{'1, ' * 5_000}1]}}\ncompare: {{settings: {{{named(5_000, '{}')}}}}}\n",
        "5000 are too many to compare; drop some",
    ),
    "ranges of groups without end": (
        SMALL.replace("digits: 2", f"digits: 2, split: {{train: '{'1-10000,' * 10_000}', validation: 1, test: 2}}"),
        "more than 1000000 groups",
    ),
    "shares of groups without end": (
        SMALL.replace("digits: 2", f"digits: 2, split: {{train: '{SHARES}', validation: 1, test: 2}}"),
        "5050 shares are named",
    ),
    "a preset that is a list": (SMALL.replace("digits: 2", "digits: 2, preset: [kth]"), "preset"),
    "a network that is a list": (SMALL + "sources: {one: {benchmark: {}, network: [1]}}\n", "sources.one.network"),
    "a threshold that is none": (SMALL + "search: {objectives: [csi_1.2.3]}\n", "search.objectives"),
    "a source out of the bank": (SMALL + "sources: {one: {bank: ../../elsewhere}}\n", "sources.one.bank"),
    "a name with a folder": (SMALL.replace("name: small", "name: ../small"), "String should match pattern"),
    "a data set with a folder": (SMALL.replace("name: flying_digits, digits: 2", "name: own_../../x"), "benchmark"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_yaml_is_refused_within_bounds(kind: str, tmp_path: Path) -> None:
    text, told = HOSTILE[kind]
    (tmp_path / "hostile.yaml").write_text(text)
    assert told in refusal(partial(load_run, str(tmp_path / "hostile.yaml")))


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    assert "no search space" in refusal(partial(load_run, str(tmp_path / "pipe.yaml")))


@pytest.mark.parametrize(
    "value",
    ["[" * 100_000, LAUGHS.replace("\n", ", "), "9" * 100_000, "1" + ":59" * 100_000, "2026-99-99", "&a [*a]"],
    ids=["lists within lists", "laughs", "digits", "base 60", "no date", "within itself"],
)
def test_a_hostile_override_is_refused_within_bounds(value: str, tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(SMALL)
    read = partial(load_run, str(tmp_path / "small.yaml"), overrides=[f"search.trials={value}"])
    assert "is not a YAML value" in refusal(read)


def test_anchors_and_merges_that_stay_small_are_as_before(tmp_path: Path) -> None:
    path = tmp_path / "small.yaml"
    path.write_text(
        SMALL + "compare: {settings: {a: &a {sources: &none []}, b: {sources: *none}, c: {<<: *a, l2_sp: 0}}}\n"
    )
    assert [settings.sources for settings in load_run(str(path)).compare.settings.values()] == [(), (), ()]


def test_a_yaml_names_families_and_never_code(tmp_path: Path) -> None:
    path = tmp_path / "small.yaml"
    path.write_text(SMALL.replace("{hidden", "{family: 'os:system', hidden"))
    with pytest.raises(UserError, match="no family 'os:system'"):
        load_run(str(path))

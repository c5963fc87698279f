"""What is done to a file: as bytes, and as what they mean, where a value becomes another one, or none."""

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

import yaml
from hypothesis import strategies as st

Damage = Callable[[bytes], bytes]

ODD_BYTES = [
    *(b"[", b"{", b"}", b"]", b":", b",", b'"', b"&a ", b"*a", b"<<: ", b"!!int ", b"? ", b"- ", b"\n", b"\t", b"#"),
    *(b"\0", b"\xff", b"\x80", b"-1", b"null", b"NaN", b"1e999", b"9" * 400, b".inf", b"2026-99-99", b"1:59", b"0x1F"),
    *(b"\\ud800", b"[" * 300, b"{a: " * 100, b"x" * 5000, b"\xef\xbb\xbf", b"---\n", b"%YAML 9.9\n"),
]
ODD_VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([0, -1, 1 << 31, 1 << 63, 10**30, 10**400, -(10**400)]),
    st.floats(),
    st.sampled_from(["", "../x", "/etc/passwd", "a\0b", "a\n", "${X}", "1-9", "0%..50%", "\ud800", "é" * 300, "auto"]),
    st.text(max_size=8),
    st.lists(st.integers() | st.text(max_size=3), max_size=3),
    st.dictionaries(st.text(max_size=3), st.integers() | st.none(), max_size=3),
)


@st.composite
def damaged_bytes(draw: st.DrawFn) -> Damage:
    """A few pieces of the content put in, taken out, doubled or replaced."""
    place = st.floats(0, 1)
    steps = draw(
        st.lists(
            st.tuples(place, st.integers(0, 40), st.sampled_from(ODD_BYTES) | st.binary(max_size=8)),
            min_size=1,
            max_size=4,
        )
    )

    def damage(content: bytes) -> bytes:
        for where, length, instead in steps:
            begin = int(where * len(content))
            content = content[:begin] + instead + content[begin + length :]
        return content

    return damage


@st.composite
def damaged_values(draw: st.DrawFn) -> Callable[[Any], Any]:
    """One or a few values of a tree become others, are left out, or get another name."""
    steps = draw(
        st.lists(st.tuples(st.integers(0, 1 << 16), st.sampled_from("vvvdr"), ODD_VALUES), min_size=1, max_size=3)
    )

    def damage(tree: Any) -> Any:
        holder = {"": tree}
        for number, what, value in steps:
            if not (places := list(_places(holder))):
                break
            inside, key = places[number % len(places)]
            if what == "v" or isinstance(inside, list):
                inside[key] = deepcopy(value)
            else:
                held = inside.pop(key)
                if what == "r":
                    inside[str(value)] = held
        return holder.get("")

    return damage


def _places(tree: Any) -> Iterator[tuple[Any, Any]]:
    for key in list(tree) if isinstance(tree, dict) else range(len(tree)) if isinstance(tree, list) else ():
        yield tree, key
        yield from _places(tree[key])


@st.composite
def damaged_json(draw: st.DrawFn) -> Damage:
    damage = draw(damaged_values())
    return lambda content: json.dumps(damage(json.loads(content))).encode()


@st.composite
def damaged_yaml(draw: st.DrawFn) -> Damage:
    damage = draw(damaged_values())
    return lambda content: yaml.safe_dump(damage(yaml.safe_load(content)), allow_unicode=False).encode()


ANY_JSON, ANY_YAML, ANY_BYTES = damaged_bytes() | damaged_json(), damaged_bytes() | damaged_yaml(), damaged_bytes()

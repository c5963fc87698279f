"""`constraints.txt` pins the whole of what was tested, in a form that any package index can serve."""

import importlib.metadata
import re
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

CONSTRAINTS = Path(__file__).parents[2] / "constraints.txt"


def pins() -> dict[str, str]:
    lines = [line for line in CONSTRAINTS.read_text().splitlines() if not line.startswith("#")]
    matches = [re.fullmatch(r"([A-Za-z0-9._-]+)==([0-9A-Za-z.!]+)", line) for line in lines]
    odd = [line for line, match in zip(lines, matches, strict=True) if match is None]
    assert odd == [], "only name==version: no path, no address, no local version such as +cpu"
    return {canonicalize_name(match[1]): match[2] for match in matches if match}


def needed(name: str, extras: frozenset[str], seen: dict[tuple[str, frozenset[str]], None]) -> None:
    """Add what `name` with these extras installs here, itself included, to `seen`."""
    key = (canonicalize_name(name), extras)
    if key in seen:
        return
    seen[key] = None
    for line in importlib.metadata.requires(name) or []:
        requirement = Requirement(line)
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in extras | {""}):
            needed(requirement.name, frozenset(requirement.extras), seen)


def test_every_package_that_an_install_brings_is_pinned() -> None:
    seen: dict[tuple[str, frozenset[str]], None] = {}
    needed("transferable-memory", frozenset({"test"}), seen)
    names = {name for name, _ in seen} - {"transferable-memory"}

    assert {"torch", "ray", "aiohttp"} <= names
    assert names - set(pins()) == set()


def test_the_project_does_not_pin_itself() -> None:
    assert "transferable-memory" not in pins()


def test_the_pins_lie_within_the_ranges_that_we_promise() -> None:
    pinned = pins()
    for line in importlib.metadata.requires("transferable-memory") or []:
        requirement = Requirement(line)
        assert requirement.specifier.contains(pinned[canonicalize_name(requirement.name)]), line

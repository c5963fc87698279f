"""Reading YAML so that every value remembers its line, and a key written twice is a fault (PyYAML keeps the last)."""

from pathlib import Path
from typing import Any

import yaml

from platform.config.bounded import Refused, read_bounded
from platform.config.errors import UserError
from platform.config.safe_yaml import MOST_BYTES, parse_yaml

Place = tuple[str | int, ...]


def read_yaml(path: Path) -> tuple[dict[str, Any], dict[Place, str], list[str]]:
    """The mapping in the file, where each of its values stands (`kth.yaml:12`), and the faults of its form.

    Raises UserError where the file cannot be read or is no mapping.
    """
    try:
        text = read_bounded(path, MOST_BYTES).decode()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read {path}: {error}. Give the path of a readable YAML file.") from None
    except Refused as fault:
        raise UserError(f"{path} {fault}. Give the path of a YAML file.") from None
    try:
        data, root = parse_yaml(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path.name}:{mark.line + 1}:{mark.column + 1}" if mark else path.name
        raise UserError(f"{where}: not valid YAML: {getattr(error, 'problem', error)}. Mend this line.") from None
    if not isinstance(data, dict):
        raise UserError(f"{path.name}: expected a mapping (`name: ...`), found {type(data).__name__}.")
    places: dict[Place, str] = {}
    faults: list[str] = []
    assert root is not None
    _walk(root, (), path.name, places, faults)
    return data, places, faults


def _walk(node: yaml.Node, place: Place, file: str, places: dict[Place, str], faults: list[str]) -> None:
    places.setdefault(place, f"{file}:{node.start_mark.line + 1}")
    if isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key_node, value_node in node.value:
            key, line = str(key_node.value), key_node.start_mark.line + 1
            if key in seen:
                faults.append(f"{file}:{line}: {dotted((*place, key))}: written twice (first on line {seen[key]})")
            seen[key] = line
            places[(*place, key)] = f"{file}:{line}"
            _walk(value_node, (*place, key), file, places, faults)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            _walk(item, (*place, index), file, places, faults)


def dotted(place: Place) -> str:
    return ".".join(str(part) for part in place) or "the file"

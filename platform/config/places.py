"""Reading YAML so that every value remembers its line.

PyYAML's safe loader, with two repairs: a key written twice is a fault (PyYAML keeps the last), and `1e-4` is a
number (YAML 1.1 reads it as a text).
"""

import re
from pathlib import Path
from typing import Any

import yaml

from platform.config.errors import UserError

Place = tuple[str | int, ...]


class _Loader(yaml.SafeLoader):
    """Safe, and with YAML 1.2's floats."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:\d[\d_]*)(?:\.\d*)?[eE][-+]?\d+$|^[-+]?\.\d+[eE][-+]?\d+$"),
    list("-+0123456789."),
)


def read_yaml(path: Path) -> tuple[dict[str, Any], dict[Place, str], list[str]]:
    """The mapping in the file, where each of its values stands (`kth.yaml:12`), and the faults of its form.

    Raises UserError where the file cannot be read or is no mapping.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read {path}: {error}. Give the path of a readable YAML file.") from None
    loader = None
    try:
        loader = _Loader(text)
        root = loader.get_single_node()
        data = loader.construct_document(root) if root is not None else None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path.name}:{mark.line + 1}:{mark.column + 1}" if mark else path.name
        raise UserError(f"{where}: not valid YAML: {getattr(error, 'problem', error)}. Mend this line.") from None
    except RecursionError:
        raise UserError(f"{path.name}: nested too deeply to be a configuration.") from None
    finally:
        if loader is not None:
            loader.dispose()
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

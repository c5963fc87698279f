"""Files that anybody may have written, read within bounds of memory and time.

What is wrong with one is a `Refused`, in words that follow the file's name; whoever reads it adds that name and the
repair. Some kinds have bounds of their own: YAML (`safe_yaml.py`), weights (`bank/weights.py`), Arrow files
(`benchmarks/arrow_file.py`), tables of trials (`results/record.py`), checkpoints of public codes
(`tmu_models/torch_file.py`).
"""

import os
import re
import stat
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

SMALL_BYTES = 1 << 20  # a card, a label, what a run says of itself
LARGE_BYTES = 64 << 20  # what has an entry for each file of a data set, or each trial

# Ten bytes of JSON may become a kilobyte of objects. A manifest of 200,000 skipped files has a million signs.
MOST_SIGNS = 2_000_000
MOST_KEYS = 10_000  # of one mapping
MOST_FAULTS = 100  # that are looked at

# A plain name that every file system can hold: within its folder, of one byte a letter.
FILE_NAME = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$")

AnyModel = TypeVar("AnyModel", bound=BaseModel)


class Refused(ValueError):
    """What is wrong with a file, in words that follow its name: `is a pipe or a device, not a file`."""


def read_bounded(path: Path, most_bytes: int) -> bytes:
    """The whole file. Raises OSErrors as they come, and Refused for what is no file, or a larger one.

    A pipe is not waited for, and a device not read.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as file:
        _check_is_file(os.fstat(handle))
        content = file.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise Refused(f"has more than {most_bytes >> 20} MiB, which no such file has")
    return content


def check_is_file(path: Path) -> None:
    """Raises OSErrors as they come, and Refused for what is no file: opening a pipe would wait for ever."""
    _check_is_file(path.stat())


def _check_is_file(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise Refused("is a folder, a pipe or a device, not a file")


def check_stays_within(path: Path, folder: Path) -> None:
    """Raises Refused for a link that leads out of the folder. The folder itself may be a link."""
    if path.is_symlink() and not path.resolve().is_relative_to(folder.resolve()):
        raise Refused("is a link that leads out of its folder; put the file itself there")


def parse_json(content: bytes | str, model: type[AnyModel]) -> AnyModel:
    """Raises Refused for what is no JSON, too much of it, or not what the model says."""
    if (signs := num_signs(content)) > MOST_SIGNS:
        raise Refused(f"has more than {MOST_SIGNS:,} entries, which no such file has")
    try:
        found = from_json(content)
        if signs > MOST_KEYS:
            _check_keys(found)
        # Values of Python, for every fault found in JSON itself holds a copy of what is around it.
        return model.model_validate(found)
    except ValidationError as fault:
        raise Refused(f"is damaged ({first_fault(fault)})") from None
    except ValueError as fault:
        raise fault if isinstance(fault, Refused) else Refused(f"is damaged ({str(fault)[:200]})") from None


def _check_keys(tree: Any) -> None:
    """Raises Refused for a mapping with more keys than any of ours: each could be a fault."""
    waiting = [tree]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict) and len(value) > MOST_KEYS:
            raise Refused(f"has a mapping of more than {MOST_KEYS:,} keys, which no such file has")
        waiting += value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def read_json(path: Path, model: type[AnyModel], most_bytes: int = SMALL_BYTES) -> AnyModel:
    """Raises as `read_bounded` and `parse_json` do."""
    return parse_json(read_bounded(path, most_bytes), model)


def first_fault(fault: ValidationError) -> str:
    """`channels: Input should be greater than 0`; where there are very many, their number."""
    if fault.error_count() > MOST_FAULTS:  # each becomes a kilobyte
        return f"{fault.error_count():,} faults"
    first = fault.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part)[:40] for part in first["loc"])
    return f"{place}: {first['msg']}"[:300] if place else first["msg"][:300]


def num_signs(content: bytes | str) -> int:
    """Of JSON: what begins a mapping or a list, or stands between their entries. Texts with such signs count too."""
    data = content.encode(errors="replace") if isinstance(content, str) else content
    return sum(map(data.count, (b"{", b"[", b":", b",")))

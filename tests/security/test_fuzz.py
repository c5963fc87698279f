"""Whatever is done to a valid file, its reader returns a value or raises UserError, and never anything else.

Files are damaged as bytes, and as what they mean: a value becomes another one, or none. Every reader goes through it
in a process that may take so much memory and time (`limits.py`); the file that it fell over is left in its folder.
"""

import time
import traceback
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from platform.config.errors import UserError
from tests.security.damaged_files import READERS
from tests.security.damages import Damage
from tests.security.limits import ending_of

SECONDS = 5.0
AT_ONCE = 50  # examples of one seed


def fuzz(read: Callable[[], object], file: Path, damages: st.SearchStrategy[Damage], first: int, end_s: float) -> None:
    """Reads the file, damaged ever otherwise, for `end_s`. Raises what is neither a value nor UserError."""
    whole, ends = file.read_bytes(), time.monotonic() + end_s
    faults: list[Exception] = []

    def one(damage: Damage) -> None:
        if faults or time.monotonic() > ends:
            return
        file.write_bytes(damage(whole))
        try:
            read()
        except UserError:
            return
        except Exception as fault:  # any other is what is looked for
            faults.append(fault)

    for number in count(first):
        if faults or time.monotonic() > ends:
            break
        settled = settings(
            max_examples=AT_ONCE,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        seed(number)(settled(given(damages)(one)))()
    if faults:
        raise faults[0]
    file.write_bytes(whole)
    read()


def run_fuzz(kind: str, folder: Path, first: int, seconds: float) -> None:
    """All files of the kind, for an equal share of the seconds."""
    files = list(READERS[kind](folder))
    for number, (file, read, damages) in enumerate(files):
        try:
            fuzz(read, file, damages, first + number, seconds / len(files))
        except Exception as fault:
            where = "".join(traceback.format_exception(fault)[-3:])
            raise AssertionError(f"{file} made {type(fault).__name__}: {fault}\n{where}") from fault


@pytest.mark.parametrize("kind", READERS)
def test_a_damaged_file_is_read_or_refused(kind: str, tmp_path: Path) -> None:
    ending = ending_of(partial(run_fuzz, kind, tmp_path, 0, SECONDS))
    assert ending.error == "", ending.text


@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.parametrize("kind", READERS)
def test_damaged_files_are_read_or_refused_for_as_long_as_a_soak_goes_on(
    kind: str, tmp_path: Path, soak_s: float
) -> None:
    ends = time.monotonic() + soak_s / len(READERS)
    for number in count():
        (folder := tmp_path / str(number)).mkdir()
        seconds = min(2 * SECONDS, max(1.0, ends - time.monotonic()))
        ending = ending_of(partial(run_fuzz, kind, folder, time.time_ns() % (1 << 32), seconds))
        assert ending.error == "", ending.text
        if time.monotonic() > ends:
            break

"""Pickled dates are read by every protocol, and nothing else that a pickle can say is done."""

import os
import pickle
import random
import tracemalloc
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from platform.benchmarks.formats.pickled_times import MOST_BYTES, pickled_times
from platform.benchmarks.recording import UnusableFile

TIMES = [datetime(2016, 8, 21) + timedelta(minutes=5 * number) for number in range(6)]


def pickled(values: Any, protocol: int = 4) -> bytes:
    array = np.empty(len(values), object)
    array[:] = values
    return pickle.dumps(array, protocol=protocol)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_dates_of_every_protocol_come_back(protocol: int) -> None:
    times = pickled_times(pickled(TIMES, protocol), 6)
    assert times.tolist() == TIMES
    assert times.dtype == "datetime64[s]"


def test_eleven_days_a_repeated_object_and_none_at_all_come_back() -> None:
    many = [TIMES[0] + timedelta(minutes=5 * number) for number in range(3168)]
    assert len(pickled(many, 2)) < MOST_BYTES / 4
    assert pickled_times(pickled(many), 3168).tolist() == many
    assert pickled_times(pickled([TIMES[0]] * 3), 3).tolist() == [TIMES[0]] * 3
    assert not len(pickled_times(pickled([]), 0))


def test_older_numpys_name_is_known_too() -> None:
    content = pickled(TIMES, 2)
    assert b"numpy._core.multiarray" in content
    assert pickled_times(content.replace(b"numpy._core.multiarray", b"numpy.core.multiarray"), 6).tolist() == TIMES


class Runs:
    """Pickles as a call of `os.system`."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (self.command,)


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_program_in_a_pickle_is_refused_by_name_and_not_run(tmp_path: Path, protocol: int) -> None:
    proof = tmp_path / "ran"
    content = pickled([Runs(f"touch {proof}")], protocol)
    with pytest.raises(UnusableFile, match=r"mention (posix|nt)\.system, which no date needs"):
        pickled_times(content, 1)
    assert not proof.exists()


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (["2016-08-21"] * 6, "no array of 6 datetimes"),
        ([*TIMES[:5], None], "no array of 6 datetimes"),
        (TIMES[:5], "no array of 6 datetimes"),
        ([date(2016, 8, 21)] * 6, r"mention datetime\.date,"),
        ([one.replace(tzinfo=UTC) for one in TIMES], r"mention datetime\.timezone,"),
        ([{}] * 6, "but use EMPTY_DICT"),
        ([np.datetime64("2016-08-21")] * 6, r"mention numpy\._core\.multiarray\.scalar,"),
    ],
    ids=["texts", "none", "fewer", "dates", "zones", "dictionaries", "numpy's"],
)
def test_an_array_of_anything_else_is_refused(values: list[Any], says: str) -> None:
    with pytest.raises(UnusableFile, match=says):
        pickled_times(pickled(values), 6)


@pytest.mark.parametrize("content", [b"", b"x", pickled(TIMES)[:-30], pickle.dumps(TIMES), pickle.dumps(7), b"."])
def test_what_is_cut_off_or_no_array_is_refused(content: bytes) -> None:
    with pytest.raises(UnusableFile, match="its dates are"):
        pickled_times(content, 6)


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x04N" + b"r\xff\xff\xff\x7f" + b".",  # remembers thing number 2 billion
        b"\x80\x05\x96" + (1 << 40).to_bytes(8, "little") + b".",  # a bytearray of a terabyte
        b"\x80\x04\x8e" + (1 << 40).to_bytes(8, "little") + b".",  # bytes of a terabyte
        b"\x80\x02c_codecs\nencode\nX\xff\xff\x00\x00" + b"a" * 65535 + b"q\x00" + b"h\x00N\x86R" * 9999 + b".",
        bytes(MOST_BYTES + 1),
    ],
    ids=["memory", "bytearray", "bytes", "doubling", "size"],
)
def test_a_pickle_that_asks_for_memory_gets_none(content: bytes) -> None:
    tracemalloc.start()
    with pytest.raises(UnusableFile, match="its dates"):
        pickled_times(content, 6)
    assert tracemalloc.get_traced_memory()[1] < 10 << 20
    tracemalloc.stop()


def test_whatever_bytes_change_dates_come_out_or_a_refusal() -> None:
    rng = random.Random(0)
    whole = [pickled(TIMES, protocol) for protocol in (0, 2, 3, 4)]
    read = 0
    for _ in range(4000):
        content = bytearray(rng.choice(whole))
        for _ in range(rng.randint(1, 4)):
            place = rng.randrange(len(content))
            content[place : place + rng.randint(0, 2)] = rng.randbytes(rng.randint(0, 2))
        try:
            assert pickled_times(bytes(content), 6).dtype == "datetime64[s]"
            read += 1
        except UnusableFile:
            pass
    assert 0 < read < 1000

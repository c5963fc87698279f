"""Times out of a pickled array of `datetime.datetime`, without running what a pickle may say.

MeteoNet's npz files hold their dates as Python objects, which numpy reads by `pickle.loads`: a program that a file
brings along. Here every instruction is looked at first, and only those pass that put plain things together; the few
names that such an array mentions stand for harmless stand-ins, anything else is refused by name. No array is made
before it is known to hold as many times as its header says.
"""

import pickle
import pickletools
import warnings
from datetime import datetime
from io import BytesIO
from typing import Any

import numpy as np

from platform.benchmarks.recording import UnusableFile

MOST_BYTES = 1 << 20  # eleven days of dates, the most that a real file has, are 140 thousand
LONGEST_TEXT = 64  # of bytes written as text: a date has 10

# Instructions that put numbers, texts, tuples, lists and calls of what `find_class` knows together.
_NUMBERED = frozenset(("PUT", "BINPUT", "LONG_BINPUT", "GET", "BINGET", "LONG_BINGET"))
_PLAIN = _NUMBERED | frozenset(
    instruction
    for line in (
        "PROTO FRAME STOP MARK POP POP_MARK NONE NEWTRUE NEWFALSE INT BININT BININT1 BININT2 LONG1",
        "UNICODE BINUNICODE SHORT_BINUNICODE STRING BINSTRING SHORT_BINSTRING BINBYTES SHORT_BINBYTES",
        "EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 EMPTY_LIST LIST APPEND APPENDS",
        "GLOBAL STACK_GLOBAL REDUCE BUILD MEMOIZE",
    )
    for instruction in line.split()
)

# What a wrong order of instructions or wrong arguments raise.
_WRONG = (
    pickle.UnpicklingError,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    EOFError,
    OverflowError,
    DeprecationWarning,
)


def pickled_times(content: bytes, num_times: int) -> np.ndarray:
    """datetime64[s] (num_times,). Raises UnusableFile for anything but a pickled array of that many datetimes."""
    if len(content) > MOST_BYTES:
        raise UnusableFile(f"its dates take {len(content)} bytes; a list of dates has less than {MOST_BYTES}")
    try:
        _check_instructions(content)
        array = _Times(BytesIO(content), encoding="latin1").load()
        held = array.held if isinstance(array, _Array) else None
        if not isinstance(held, list) or len(held) != num_times or not all(type(one) is datetime for one in held):
            raise UnusableFile(f"its dates are no array of {num_times} datetimes")
        return np.array(held, "datetime64[s]")
    except _WRONG as fault:
        raise UnusableFile(f"its dates are not readable without trusting the file: {fault}") from fault


def _check_instructions(content: bytes) -> None:
    argument: Any
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # about odd escapes in texts: no date has any
        for instruction, argument, _ in pickletools.genops(content):
            if instruction.name not in _PLAIN:
                raise UnusableFile(f"its dates are no plain pickled datetimes but use {instruction.name}")
            if instruction.name in _NUMBERED and int(argument) > len(content):  # would set so much memory aside
                raise UnusableFile(f"its dates are damaged: they remember a thing number {argument}")


class _Array:
    """Stands for numpy's array: keeps the list of objects that it would be filled with."""

    held: object = None

    def __init__(self, *arguments: object) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        self.held = state[4] if isinstance(state, tuple) and len(state) == 5 else None


class _Kind:
    """Stands for numpy's dtype, which says *object* here."""

    def __init__(self, *arguments: object) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass


def _encode(text: str, _: object) -> bytes:
    """How protocol 2 writes bytes."""
    if not isinstance(text, str) or len(text) > LONGEST_TEXT:
        raise ValueError("a text that is no date")
    return text.encode("latin1")


_STAND_INS = {
    ("datetime", "datetime"): datetime,
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Kind,
    ("numpy.core.multiarray", "_reconstruct"): _Array,
    ("numpy._core.multiarray", "_reconstruct"): _Array,
    ("_codecs", "encode"): _encode,
}


class _Times(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _STAND_INS:
            return _STAND_INS[module, name]
        raise UnusableFile(f"its dates mention {module}.{name}, which no date needs; they were not opened")

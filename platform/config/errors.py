"""Exceptions that a user is meant to read: commands print their text and exit, without a traceback."""

import errno
from collections.abc import Iterable
from difflib import get_close_matches


class UserError(Exception):
    """Something the user can repair. The text names the thing, the values, and the next keystroke."""


class DiskFull(Exception):
    """The disk was full and what could be kept was kept; the text says how to go on."""


def nearest(name: str, known: Iterable[str]) -> str:
    """` (did you mean 'kernel_size'?)` for the known name most like this one, or nothing."""
    matches = get_close_matches(name, list(known), n=1)
    return f" (did you mean {matches[0]!r}?)" if matches else ""


def is_full_disk(error: BaseException | None) -> bool:
    """Is a full disk behind this error, however libraries wrapped it?"""
    while error is not None:
        if isinstance(error, DiskFull):
            return True
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        if "database or disk is full" in str(error) or "No space left on device" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False

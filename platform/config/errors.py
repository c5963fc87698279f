"""The one exception a user is meant to read: commands print its text and exit, without a traceback."""

from collections.abc import Iterable
from difflib import get_close_matches


class UserError(Exception):
    """Something the user can repair. The text names the thing, the values, and the next keystroke."""


def nearest(name: str, known: Iterable[str]) -> str:
    """` (did you mean 'kernel_size'?)` for the known name most like this one, or nothing."""
    matches = get_close_matches(name, list(known), n=1)
    return f" (did you mean {matches[0]!r}?)" if matches else ""

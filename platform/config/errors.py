"""The one exception a user is meant to read: commands print its text and exit, without a traceback."""


class UserError(Exception):
    """Something the user can repair. The text names the thing, the values, and the next keystroke."""

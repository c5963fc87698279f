"""`study.db`, opened to be read: nothing is written, and nothing in it is carried out.

A database may hold programs: views that never come to an end, columns that are computed when they are read. Optuna's
have neither, and any other is refused.
"""

import re
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

from platform.config.bounded import Refused

MOST_BYTES = 256 << 20
MOST_ROWS = 1_000_000  # of all tables: 10,000 trials of 100 epochs. Each becomes an object of a kilobyte or two
MOST_LETTERS = 32 << 20  # of all JSON, which grows fiftyfold
LONGEST_VALUE = 256 << 10  # bytes of a text, or of a whole row
MOST_S = 60.0  # of all queries of a connection
STEPS = 100_000  # of SQLite's own machine, between looks at the clock

_JSON = {
    "trial_params": "distribution_json",
    "trial_user_attributes": "value_json",
    "trial_system_attributes": "value_json",
    "study_user_attributes": "value_json",
    "study_system_attributes": "value_json",
}
_COMPUTED = re.compile(r"\b(as|virtual|generated)\b", re.IGNORECASE)


def connecting(path: Path) -> Callable[[], sqlite3.Connection]:
    """What opens the file. Raises Refused, and sqlite3.Error, where it is no plain database."""
    if path.stat().st_size > MOST_BYTES:
        raise Refused(f"has more than {MOST_BYTES >> 20} MiB")
    connection = _connect(path)
    try:
        _check(connection)
    finally:
        connection.close()
    return lambda: _connect(path)


def _check(connection: sqlite3.Connection) -> None:
    tables = []
    for kind, name, text in connection.execute("SELECT type, name, sql FROM sqlite_master"):
        if kind not in ("table", "index") or (kind == "table" and _COMPUTED.search(str(text))):
            raise Refused("computes what it holds")
        if kind == "table":
            tables.append(name.replace('"', '""'))

    def total(what: str, table: str) -> int:
        return int(connection.execute(f'SELECT {what} FROM "{table}"').fetchone()[0] or 0)

    if sum(total("count(*)", table) for table in tables) > MOST_ROWS:
        raise Refused(f"has more than {MOST_ROWS:,} rows")
    if sum(total(f"sum(length({column}))", table) for table, column in _JSON.items()) > MOST_LETTERS:
        raise Refused(f"has more than {MOST_LETTERS >> 20} MiB of JSON")


def _connect(path: Path) -> sqlite3.Connection:
    url = f"file:{quote(str(path.resolve()))}?mode=ro"
    connection = sqlite3.connect(url, uri=True, check_same_thread=False)
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST_VALUE)
    ends = time.monotonic() + MOST_S
    connection.set_progress_handler(lambda: int(time.monotonic() > ends), STEPS)
    return connection

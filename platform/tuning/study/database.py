"""The database of a study, opened: which of its faults pass, and what is told of them, without a word of its URL."""

import errno
import functools
import logging
import os
import re
import shutil
import textwrap
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy
from optuna.storages import RDBStorage
from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError, ProgrammingError
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random

LOCKED_S = 2.0  # how long SQLite waits by itself for another process, deaf to Ctrl-C
MOST_LOCKED_S = 30.0  # in PostgreSQL
# Primary result codes (https://sqlite.org/rescode.html): busy, locked, input or output, cannot open, locking protocol.
PASSING_IN_SQLITE = {5, 6, 10, 14, 15}
FULL_IN_SQLITE = 13
SQLITE_NEEDS_BYTES = 100_000
FULL_IN_POSTGRESQL = "53100"
LONGEST_REASON = 300


class Gone(Exception):
    """The database does not answer now, and may later."""


# Two runs that begin at once in an empty database both make its tables, and one of them fails.
@retry(
    retry=retry_if_exception_type((IntegrityError, ProgrammingError)),
    wait=wait_random(0, 1),
    stop=stop_after_attempt(4),
    reraise=True,
)
def open_database(url: sqlalchemy.URL, **options: Any) -> RDBStorage:
    """Raises Gone where the database does not answer, from here on as well."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    logging.getLogger("alembic").setLevel(logging.ERROR)
    in_file = url.drivername.startswith("sqlite")
    options |= {"connect_args": {"timeout": LOCKED_S}} if in_file else {"pool_pre_ping": True}
    try:
        storage = RDBStorage(url.render_as_string(hide_password=False), options)
    except (DBAPIError, optuna.exceptions.StorageInternalError) as error:
        cause = error if isinstance(error, DBAPIError) else error.__cause__
        if isinstance(cause, DBAPIError) and _passes(cause):
            raise Gone(reason(cause, url)) from None
        raise
    sqlalchemy.event.listen(storage.engine, "handle_error", functools.partial(_raise_gone, url=url))
    if url.get_backend_name() == "postgresql":
        sqlalchemy.event.listen(storage.engine, "begin", _bound_locks)
    return storage


def _bound_locks(connection: sqlalchemy.Connection) -> None:
    """For this transaction: a server whose client is cut off would keep its locks for hours."""
    settings = {"lock_timeout": MOST_LOCKED_S, "idle_in_transaction_session_timeout": 2 * MOST_LOCKED_S}
    for name, seconds in settings.items():
        connection.exec_driver_sql(f"SET LOCAL {name} = '{seconds:.0f}s'")


def _raise_gone(context: sqlalchemy.engine.ExceptionContext, url: sqlalchemy.URL) -> None:
    """Before Optuna, which would repeat some calls by itself, hears of it."""
    error = context.sqlalchemy_exception
    if not isinstance(error, DBAPIError) or context.is_pre_ping:
        return
    if _disk_is_full(error, context):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    if _passes(error):
        raise Gone(reason(error, url))


def _disk_is_full(error: DBAPIError, context: sqlalchemy.engine.ExceptionContext) -> bool:
    """SQLite may say no more than that it cannot open its journal."""
    if getattr(error.orig, "sqlstate", None) == FULL_IN_POSTGRESQL:
        return True
    code = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF
    file = context.engine.url.database if context.engine is not None else None
    if code not in PASSING_IN_SQLITE or file is None:
        return code == FULL_IN_SQLITE
    try:
        return shutil.disk_usage(Path(file).parent).free < SQLITE_NEEDS_BYTES
    except OSError:  # the folder itself is away
        return False


def _passes(error: DBAPIError) -> bool:
    """Can it be waited for?"""
    if (code := getattr(error.orig, "sqlite_errorcode", None)) is not None:
        return code & 0xFF in PASSING_IN_SQLITE
    return error.connection_invalidated or isinstance(error, (OperationalError, InterfaceError))


def reason(error: BaseException, url: sqlalchemy.URL) -> str:
    """What the database's driver said, in one line, without a word of the URL."""
    cause = error.__cause__ if isinstance(error, optuna.exceptions.StorageInternalError) else error
    text = str(cause.orig if isinstance(cause, DBAPIError) else cause)
    if not url.drivername.startswith("sqlite"):
        text = _without(url, text)
    return textwrap.shorten(text, LONGEST_REASON).rstrip(". ") or type(cause).__name__


def _without(url: sqlalchemy.URL, text: str) -> str:
    """What is quoted goes, for psycopg quotes what it was given; so do addresses, and each part of the URL."""
    text = re.sub(r"""(["'])(?:(?!\1).)*\1""", "…", text)
    text = re.sub(r" \([0-9a-f.:]+\)", "", text)
    query = [value for given in url.query.values() for value in ([given] if isinstance(given, str) else given)]
    parts = [url.password or "", url.host or "", url.username or "", url.database or "", str(url.port or ""), *query]
    for part in sorted({str(part) for part in parts} - {""}, key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(part)}(?!\w)", "…", text)
    return text

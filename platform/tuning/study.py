"""The study's storage: a file in the run folder, or a database that a team shares. Either may be gone for a while.

Whatever Optuna asks of it waits until the database answers again. What an answer that was lost leaves open is looked up
before it is asked once more, so that it counts once.
"""

import contextlib
import errno
import functools
import logging
import os
import re
import shlex
import shutil
import signal
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import optuna
import sqlalchemy
from optuna.storages import RDBStorage
from optuna.storages._rdb.models import TrialSystemAttributeModel
from optuna.storages._rdb.storage import _create_scoped_session
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError, ProgrammingError
from sqlalchemy.pool import NullPool
from tenacity import (
    Retrying,
    retry,
    retry_if_exception_type,
    stop_after_attempt,
    stop_after_delay,
    wait_exponential,
    wait_random,
)

from platform.config.errors import UserError
from platform.config.study import StudyConfig, study_url
from platform.results.run_folder import RunFolder
from platform.results.scores import readable_time
from platform.results.shared_study import SharedStudy, read_shared_study
from platform.tuning.one_driver import Drawn, OneDriverStorage

STUDY = "search"  # the study's name where it has a file of its own
PATIENCE_S = 600.0
LONGEST_PAUSE_S = 10.0
LOCKED_S = 2.0  # how long SQLite waits by itself for another process, deaf to Ctrl-C
MOST_LOCKED_S = 30.0  # in PostgreSQL
# Primary result codes (https://sqlite.org/rescode.html): busy, locked, input or output, cannot open, locking protocol.
PASSING_IN_SQLITE = {5, 6, 10, 14, 15}
FULL_IN_SQLITE = 13
SQLITE_NEEDS_BYTES = 100_000
FULL_IN_POSTGRESQL = "53100"
LONGEST_REASON = 300
Answer = TypeVar("Answer")


class Gone(Exception):
    """The database does not answer now, and may later."""


class WaitEnded(Exception):
    """The user pressed Ctrl-C while the database was waited for."""


class NoAnswer(UserError):
    """It was waited for long enough."""


def study_name(config: StudyConfig, folder: RunFolder, run_name: str) -> str:
    """A shared database has the studies of many runs, so there each has a name of its own, kept in the run folder."""
    return STUDY if config.storage is None else SharedStudy.of_run(folder, config.storage, run_name).name


def check_study(config: StudyConfig, folder: RunFolder) -> None:
    """Raises UserError where the team's database cannot be used, or the study of a run to go on with is not there."""
    has_begun = folder.running.is_file()
    if config.storage is None:
        if has_begun and not folder.study.is_file():
            raise UserError(f"{folder.study} is gone, without which the search cannot go on. {_begin_anew(folder)}")
        return
    url = study_url(config.storage)
    try:
        names = optuna.get_all_study_names(_open(url, poolclass=NullPool))
    except (Gone, sqlalchemy.exc.SQLAlchemyError, optuna.exceptions.OptunaError, RuntimeError) as error:
        raise UserError(
            f"study.storage: the database of {config.storage} cannot be used: {_reason(error, url)}. Correct the "
            "variable, or start the database, or leave study.storage out: the study is then a file in the run folder."
        ) from None
    shared = read_shared_study(folder)
    if has_begun and (shared is None or shared.name not in names):
        raise UserError(
            f"the database of {config.storage} has no study {shared.name if shared else 'of this run'}. Let the "
            f"variable name the database that the run was begun with. {_begin_anew(folder)}"
        )


@contextlib.contextmanager
def open_study_storage(
    folder: RunFolder, config: StudyConfig | None = None, told: Callable[[str], None] = lambda what: None
) -> Iterator[optuna.storages.BaseStorage]:
    """For the duration. `told` hears when the database does not answer, and when it does again."""
    reference = None if config is None else config.storage
    url = file_url(folder) if reference is None else study_url(reference)
    patience = Patience(told, f"python -m platform.search --resume {shlex.quote(str(folder.path))}", PATIENCE_S)
    storage = patience(functools.partial(_open, url))
    try:
        yield OneDriverStorage(PatientStorage(storage, patience))
    finally:
        storage.engine.dispose()


def file_url(folder: RunFolder) -> sqlalchemy.URL:
    """Of the study that no team shares."""
    return sqlalchemy.URL.create("sqlite", database=str(folder.study.absolute()))


class Patience:
    """Calls something until the database answers."""

    def __init__(self, told: Callable[[str], None], go_on: str, most_s: float) -> None:
        """`go_on`: the command with which the search can be gone on with after `most_s`."""
        self._told = told
        self._go_on = go_on
        self._most_s = most_s
        self._ended: Exception | None = None
        self._retrying = Retrying(
            retry=retry_if_exception_type(Gone),
            wait=wait_exponential(multiplier=0.5, max=LONGEST_PAUSE_S),
            stop=stop_after_delay(most_s),
            reraise=True,
        )

    def __call__(self, call: Callable[[], Answer], again: Callable[[], Answer] | None = None) -> Answer:
        """What `call` returns, or `again` after an outage. Raises NoAnswer or WaitEnded, and from then on always."""
        if self._ended is not None:
            raise self._ended
        with _CtrlC() as ctrl_c:
            try:
                return call()
            except Gone as gone:
                began = time.monotonic()
                self._told(f"the study's database does not answer ({gone}); the search waits for it")
            try:
                with ctrl_c.ending_it():
                    answer = self._retrying(again or call)
            except Gone as gone:
                reason = f"the study's database has not answered for {readable_time(self._most_s)} ({gone})"
                self._ended = NoAnswer(f"{reason}. What was finished is kept. When it answers: {self._go_on}")
                raise self._ended from None
            except WaitEnded as ended:
                self._ended = ended
                raise
        self._told(f"the study's database answers again, after {readable_time(time.monotonic() - began)}")
        return answer


class PatientStorage:
    """Stands in for an RDBStorage. Only one driver writes to a study: what is new there after an outage is its own."""

    def __init__(self, storage: RDBStorage, patience: Patience) -> None:
        self._storage = storage
        self._patience = patience
        self._num_trials: dict[int, int] = {}  # of each study

    def __reduce__(self) -> tuple[Any, ...]:
        """Tune pickles its searcher into the run folder. Nobody reads that, and the URL must not be in it."""
        return type(None), ()

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._storage, name)
        return lambda *args, **options: self._patience(functools.partial(method, *args, **options))

    def _create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> FrozenTrial:
        if study_id not in self._num_trials:
            self._num_trials[study_id] = self.get_n_trials(study_id)

        def create() -> FrozenTrial:
            return self._storage._create_new_trial(study_id, template_trial)

        def create_unless_there() -> FrozenTrial:
            self._wait_for_what_is_under_way(study_id)
            try:
                number = self._num_trials[study_id]
                return self._storage.get_trial(self._storage.get_trial_id_from_study_id_trial_number(study_id, number))
            except KeyError:
                return create()

        created = self._patience(create, create_unless_there)
        self._num_trials[study_id] = created.number + 1
        return created

    def set_trial_state_values(self, trial_id: int, state: TrialState, values: Any = None) -> bool:
        def change() -> bool:
            return self._storage.set_trial_state_values(trial_id, state, values)

        def change_unless_done() -> bool:
            try:
                return change() or self._storage.get_trial(trial_id).state == state
            except optuna.exceptions.UpdateFinishedTrialError:
                if self._storage.get_trial(trial_id).state == state:
                    return True
                raise

        return self._patience(change, change_unless_done)

    def set_drawn(self, trial_id: int, drawn: Drawn) -> None:
        """One transaction. Done once more after an outage it changes nothing."""

        def write() -> None:
            with _create_scoped_session(self._storage.scoped_session, ignore_integrity_error=True) as session:
                for name, param in drawn.params.items():
                    self._storage._set_trial_param_without_commit(session, trial_id, name, *param)
                for key, attribute in drawn.system_attrs.items():
                    self._storage._set_trial_attr_without_commit(
                        session, TrialSystemAttributeModel, trial_id, key, attribute
                    )

        self._patience(write)

    def _wait_for_what_is_under_way(self, study_id: int) -> None:
        """A server may still be at what a broken connection asked for; whoever makes a trial holds this row."""
        row = sqlalchemy.table("studies", sqlalchemy.column("study_id"))
        with self._storage.engine.begin() as connection:
            connection.execute(sqlalchemy.select(row).where(row.c.study_id == study_id).with_for_update())


# Two runs that begin at once in an empty database both make its tables, and one of them fails.
@retry(
    retry=retry_if_exception_type((IntegrityError, ProgrammingError)),
    wait=wait_random(0, 1),
    stop=stop_after_attempt(4),
    reraise=True,
)
def _open(url: sqlalchemy.URL, **options: Any) -> RDBStorage:
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
            raise Gone(_reason(cause, url)) from None
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
        raise Gone(_reason(error, url))


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


def _reason(error: BaseException, url: sqlalchemy.URL) -> str:
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


class _CtrlC:
    """Hears of Ctrl-C after whoever handles it otherwise: Tune only takes note of it, to end later."""

    def __init__(self) -> None:
        self._heard = False
        self._ends = False
        self._before: Any = None

    def __enter__(self) -> "_CtrlC":
        before = signal.getsignal(signal.SIGINT)
        if callable(before) and threading.current_thread() is threading.main_thread():
            self._before = before
            signal.signal(signal.SIGINT, self._hear)
        return self

    def __exit__(self, *failure: Any) -> None:
        if signal.getsignal(signal.SIGINT) == self._hear:  # Tune puts back what was there before it
            signal.signal(signal.SIGINT, self._before)

    @contextlib.contextmanager
    def ending_it(self) -> Iterator[None]:
        """Raises WaitEnded within, also where Ctrl-C was pressed before."""
        self._ends = True
        try:
            if self._heard:
                raise WaitEnded
            yield
        finally:
            self._ends = False

    def _hear(self, number: int, frame: Any) -> None:
        self._heard = True
        self._before(number, frame)
        if self._ends:
            raise WaitEnded


def _begin_anew(folder: RunFolder) -> str:
    return f"Or begin a new search with what this one found out: --warm-start {shlex.quote(str(folder.path))}"

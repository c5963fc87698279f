"""The study's storage: a file in the run folder, or a database that a team shares. Either may be gone for a while.

Whatever Optuna asks of it waits until the database answers again. What an answer that was lost leaves open is looked up
before it is asked once more, so that it counts once.
"""

import contextlib
import functools
import shlex
from collections.abc import Callable, Iterator
from typing import Any

import optuna
import sqlalchemy
from optuna.storages import RDBStorage
from optuna.storages._rdb.models import TrialSystemAttributeModel
from optuna.storages._rdb.storage import _create_scoped_session
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.pool import NullPool

from platform.config.errors import UserError
from platform.config.study import StudyConfig, study_url
from platform.results.run_folder import RunFolder
from platform.results.shared_study import SharedStudy, read_shared_study
from platform.tuning.study.database import Gone, open_database, reason
from platform.tuning.study.one_driver import Drawn, OneDriverStorage
from platform.tuning.study.patience import Patience

STUDY = "search"  # the study's name where it has a file of its own


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
        names = optuna.get_all_study_names(open_database(url, poolclass=NullPool))
    except (Gone, sqlalchemy.exc.SQLAlchemyError, optuna.exceptions.OptunaError, RuntimeError) as error:
        raise UserError(
            f"study.storage: the database of {config.storage} cannot be used: {reason(error, url)}. Correct the "
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
    patience = Patience(told, f"python -m platform.search --resume {shlex.quote(str(folder.path))}")
    storage = patience(functools.partial(open_database, url))
    try:
        yield OneDriverStorage(PatientStorage(storage, patience))
    finally:
        storage.engine.dispose()


def file_url(folder: RunFolder) -> sqlalchemy.URL:
    """Of the study that no team shares."""
    return sqlalchemy.URL.create("sqlite", database=str(folder.study.absolute()))


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


def _begin_anew(folder: RunFolder) -> str:
    return f"Or begin a new search with what this one found out: --warm-start {shlex.quote(str(folder.path))}"

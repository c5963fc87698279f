"""A run's Optuna study, opened to be read: a running search is not disturbed, a strange file carries nothing out."""

from typing import TYPE_CHECKING, Any

from platform.config.study import study_url
from platform.results.run_folder import RunFolder
from platform.results.shared_study import SharedStudy, read_shared_study
from platform.results.study_file import connecting

if TYPE_CHECKING:
    from optuna.storages import RDBStorage


def read_storage(folder: RunFolder) -> "tuple[RDBStorage, str]":
    """The storage, and the study's name in it.

    Raises UserError as `study_url`, Refused and sqlite3.Error as `connecting`, FileNotFoundError where there is no
    study, and what Optuna and SQLAlchemy raise over a database that they did not write.
    """
    import optuna

    shared = read_shared_study(folder)
    storage = optuna.storages.RDBStorage(*_opened(folder, shared), skip_table_creation=True)
    names = optuna.get_all_study_names(storage)[:1] if shared is None else [shared.name]
    if not names:
        raise FileNotFoundError(folder.study)
    return storage, names[0]


def _opened(folder: RunFolder, shared: SharedStudy | None) -> tuple[str, dict[str, Any]]:
    """A database, and how it is opened."""
    from sqlalchemy.pool import NullPool

    if shared is not None:
        return study_url(shared.storage).render_as_string(hide_password=False), {"poolclass": NullPool}
    return "sqlite://", {"poolclass": NullPool, "creator": connecting(folder.study)}

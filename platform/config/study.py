"""Where a search keeps its study. A database's URL may hold a password, so it stays in the environment."""

import os
import re
from typing import TYPE_CHECKING

from pydantic import field_validator

from platform.config.errors import UserError
from platform.config.model import Model

if TYPE_CHECKING:
    from sqlalchemy import URL

REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
FORM = "postgresql://USER:PASSWORD@HOST:5432/DATABASE"
PSYCOPG = "postgresql+psycopg"
# Of libpq, so that a server that has gone without a word is noticed within seconds instead of hours.
NOTICES_SILENCE = {"connect_timeout": "10", "keepalives_idle": "20", "tcp_user_timeout": "30000"}


class StudyConfig(Model):
    """`storage` is `${NAME}`, the environment variable with the URL of a team's database; None: a file in the run
    folder."""

    storage: str | None = None

    @field_validator("storage")
    @classmethod
    def _only_a_reference(cls, value: str | None) -> str | None:
        if value is not None and not REFERENCE.fullmatch(value):
            raise ValueError(
                "put the database's URL into an environment variable and name that here, as ${TMU_STUDY_URL}: this "
                "value is written to config.yaml in the run folder, and a URL may hold a password"
            )
        return value


def study_url(reference: str) -> "URL":
    """What the variable in `${NAME}` holds. Raises UserError where that is nothing, no URL, or lacks its driver."""
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    match = REFERENCE.fullmatch(reference)
    assert match is not None, "StudyConfig lets nothing else through"
    name = match[1]
    text = os.environ.get(name, "").strip()
    if not text:
        raise UserError(f"study.storage: the environment variable {name} is not set. export {name}={FORM}")
    try:
        url = make_url(text)
        if "@" in (url.host or ""):
            raise ValueError  # a plain @ in the password: the rest of it would be taken for the host, and told
        if url.drivername in ("postgres", "postgresql"):
            url = url.set(drivername=PSYCOPG)
        dialect = url.get_dialect()
    except (ArgumentError, ValueError):  # whose texts may quote the URL
        raise UserError(
            f"study.storage: what {name} holds is not the URL of a database. export {name}={FORM}, with %40 for each @ "
            "in the password"
        ) from None
    try:
        dialect.import_dbapi()
    except ImportError:
        package = "'psycopg[binary]'" if url.drivername == PSYCOPG else dialect.driver
        raise UserError(
            f"study.storage: the database that {name} names needs a package that is missing here: pip install {package}"
        ) from None
    if url.drivername == PSYCOPG:
        url = url.update_query_dict({key: value for key, value in NOTICES_SILENCE.items() if key not in url.query})
    return url

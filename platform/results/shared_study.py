"""Which study of a shared database is a run's: `study.json`. A run whose study is a file of its own has none."""

import uuid
from typing import Annotated

from pydantic import Field

from platform.config.bounded import Refused, read_json
from platform.config.model import Model
from platform.config.study import REFERENCE
from platform.results.replacing import replace_text
from platform.results.run_folder import RunFolder


class SharedStudy(Model):
    """`storage` is the `${NAME}` of the variable that holds the database's URL."""

    storage: Annotated[str, Field(pattern=f"^{REFERENCE.pattern}$")]
    name: str

    @classmethod
    def of_run(cls, folder: RunFolder, storage: str, run_name: str) -> "SharedStudy":
        """The run's own, named now where it has none: no other run of the same name shares it."""
        if (known := read_shared_study(folder)) is not None:
            return known
        study = cls(storage=storage, name=f"{run_name}-{uuid.uuid4().hex[:12]}")
        replace_text(folder.shared_study, study.model_dump_json(indent=2))
        return study


def read_shared_study(folder: RunFolder) -> SharedStudy | None:
    """None where the run's study is a file, or `study.json` cannot be read."""
    try:
        return read_json(folder.shared_study, SharedStudy)
    except (OSError, Refused):
        return None

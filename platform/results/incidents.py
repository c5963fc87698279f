"""What befell a search and was survived: a line each in `incidents.jsonl`, for the report and for whoever debugs."""

import contextlib
import datetime
import os
from pathlib import Path
from typing import Any, Literal

from pydantic import AwareDatetime, NonNegativeInt
from rich.console import Console
from rich.text import Text

from platform.config.bounded import Refused, parse_json, read_bounded
from platform.config.errors import UserError
from platform.config.model import Model

MOST_BYTES = 8 << 20  # a line has 150

IncidentKind = Literal["resumed", "trial", "hung", "node", "study", "budget", "look", "storage"]


class Incident(Model):
    """`what` is a sentence for people; `trial` its number where it befell one."""

    at: AwareDatetime
    kind: IncidentKind
    what: str
    trial: NonNegativeInt | None = None


class Journal:
    """Where a search notes incidents: in its run folder, and for whoever watches the terminal."""

    def __init__(self, path: Path, console: Console | None = None) -> None:
        self._path = path
        self._console = console

    def __getstate__(self) -> dict[str, Any]:
        """Tune pickles its callbacks; a terminal is not something to restore."""
        return {**self.__dict__, "_console": None}

    def note(self, kind: IncidentKind, what: str, trial: int | None = None) -> None:
        """Append a line in one write, so that a kill leaves it whole or not at all."""
        incident = Incident(at=datetime.datetime.now(datetime.UTC), kind=kind, what=what, trial=trial)
        file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(file, f"{incident.model_dump_json()}\n".encode())
        finally:
            os.close(file)
        if self._console is not None:
            self._console.print(Text.assemble(("note: ", "yellow"), what), soft_wrap=True)


def read_incidents(path: Path) -> list[Incident]:
    """In their order; a line that was cut short, as by a full disk, is left out.

    Raises UserError where the file cannot be read, or is larger than any search makes it.
    """
    try:
        lines = read_bounded(path, MOST_BYTES).splitlines()
    except FileNotFoundError:
        return []
    except (OSError, Refused) as fault:
        raise UserError(f"{path} cannot be shown ({fault}). Delete it to see the rest of the run.") from None
    incidents = []
    for line in lines:
        with contextlib.suppress(Refused):
            incidents.append(parse_json(line, Incident))
    return incidents

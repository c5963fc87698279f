"""`plan.json` of a confirmation: which settings are trained again, where each comes from, and what it is there for."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from platform.config.bounded import FILE_NAME, Refused, read_json
from platform.config.errors import UserError
from platform.config.model import Model
from platform.results.record import Settings, TrialNumber

SCHEMA_VERSION = 1

# best: one of the search's best. What it must beat: scratch, nothing is transferred; control, the same network with
# nothing imitated; finetune, it starts from a source's weights; all, every source; single, one source.
Role = Literal["best", "scratch", "control", "finetune", "all", "single"]


class PlannedSetting(Model):
    """One setting. `trial` is the search's whose settings these are, but for what `changed` says; None where no trial
    had them."""

    name: Annotated[str, Field(pattern=FILE_NAME.pattern)]
    role: Role
    trial: TrialNumber
    changed: str = ""
    settings: Settings

    @property
    def origin(self) -> str:
        """`trial 17`, `trial 17, without its sources`."""
        return f"trial {self.trial}" + (f", {self.changed}" if self.changed else "")


class ConfirmPlan(Model):
    """The file. `left_out` are roles that nobody plays, with the reason."""

    schema_version: int = SCHEMA_VERSION
    settings: Annotated[tuple[PlannedSetting, ...], Field(min_length=1, max_length=1000)]
    left_out: dict[str, str] = {}

    def of(self, roles: Iterable[Role]) -> tuple[PlannedSetting, ...]:
        return tuple(planned for planned in self.settings if planned.role in set(roles))


def read_plan(path: Path) -> ConfirmPlan:
    """Raises FileNotFoundError as it comes, and UserError for a file that is damaged or of a later release."""
    try:
        plan = read_json(path, ConfirmPlan, most_bytes=16 << 20)
    except FileNotFoundError:
        raise
    except (OSError, Refused) as fault:
        raise UserError(f"{path} cannot be read ({fault}). Move its folder away and confirm again.") from None
    if plan.schema_version > SCHEMA_VERSION:
        raise UserError(f"{path} was written by a later release. Update with `pip install -U transferable-memory`.")
    return plan

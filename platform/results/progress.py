"""`running.json`: the trials that run now, so that a search whose driver dies can go on with them."""

import contextlib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, FailFast, NonNegativeFloat, NonNegativeInt, ValidationError

from platform.config.bounded import LARGE_BYTES, Refused, parse_json, read_bounded
from platform.config.errors import UserError
from platform.config.model import Model
from platform.results.record import GpuUse, Scores, Settings, TrialId, TrialNumber, TrialRecord, TrialState
from platform.results.replacing import replace_text
from platform.results.scores import shown

SCHEMA_VERSION = 1
METRICS = ("mse_openstl", "parameters", "seconds_per_clip", "train_loss", "distillation_loss")  # beside the scores


class RunningTrial(Model):
    """A trial that has started and not ended. `curve` has an entry an epoch, as in its record."""

    model_config = ConfigDict(allow_inf_nan=True, ser_json_inf_nan="constants")

    trial: TrialNumber
    id: TrialId
    seed: int
    settings: Settings
    curve: Annotated[tuple[Scores, ...], FailFast()] = ()
    row: Scores = {}  # all numbers of its last epoch
    spent_s: NonNegativeFloat = 0.0  # of wall time, in all the drivers that ran it
    restarts: NonNegativeInt = 0

    @property
    def gpu(self) -> GpuUse | None:
        """None where its row has none, or none that can be."""
        with contextlib.suppress(ValidationError):
            return GpuUse.model_validate(_below("gpu.", self.row))
        return None

    def as_record(
        self, state: TrialState, reason: str | None = None, started: AwareDatetime | None = None
    ) -> TrialRecord:
        """As it stands in the results when it ends here."""
        scores = [name for name in (*shown(self.row), *METRICS) if name in self.row]
        return TrialRecord(
            trial=self.trial,
            id=self.id,
            state=state,
            reason=reason,
            seed=self.seed,
            settings=self.settings,
            metrics={name: self.row[name] for name in scores},
            last_frame=_below("last_frame.", self.row),
            curve=self.curve,
            epochs=int(max((point.get("epoch", 0.0) for point in self.curve), default=0.0)),
            started=started,
            duration_s=self.spent_s,
            restarts=self.restarts,
            memory=_below("memory.", self.row),
            gpu=self.gpu,
        )


def _below(prefix: str, row: Scores) -> Scores:
    return {name.removeprefix(prefix): value for name, value in row.items() if name.startswith(prefix)}


class Running(Model):
    """The file: all of them, with what the search has used so far, by all the drivers that ran it."""

    schema_version: int = SCHEMA_VERSION
    trials: Annotated[tuple[RunningTrial, ...], FailFast()] = ()
    wall_s: NonNegativeFloat = 0.0
    gpu_s: NonNegativeFloat = 0.0  # each GPU, or share of one, for as long as it was held


class _Version(BaseModel):
    """What the files of all releases say."""

    schema_version: int = 0


def write_running(path: Path, running: Running, others: Iterable[str] = ()) -> None:
    """A reader sees the old file or the new one, and so does whoever comes after a loss of power.

    `others`: trials beside those of `running`, as JSON, which change no more.
    """
    trials = ",".join((*others, *(trial.model_dump_json() for trial in running.trials)))
    rest = running.model_dump_json(exclude={"trials"})
    replace_text(path, f'{rest[:-1]},"trials":[{trials}]}}')


def read_running(path: Path) -> Running:
    """Nothing, where there is no file; trials come by their numbers.

    Raises UserError for one that is damaged or of a later release.
    """
    try:
        content = read_bounded(path, LARGE_BYTES)
        version = parse_json(content, _Version).schema_version
        running = parse_json(content, Running) if version <= SCHEMA_VERSION else None
    except FileNotFoundError:
        return Running()
    except (OSError, Refused) as fault:
        raise UserError(f"{path} cannot be read ({fault}). Delete it: its trials then begin anew.") from None
    if running is None:
        raise UserError(f"{path} was written by a later release. Update with `pip install -U transferable-memory`.")
    trials = sorted(running.trials, key=lambda trial: trial.trial)
    return running.model_copy(update={"trials": tuple(trials)})

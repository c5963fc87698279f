"""One trial, as it is written and read: the only way a result enters or leaves a run folder.

`results.parquet` has a row a trial. Its flat columns (`settings.tmu.merge`, `metric.mse`, `source.digits_2`)
are for people and their tools (pandas, DuckDB, a spreadsheet); the column `record` holds the same trial exactly,
because a table cannot tell an empty mapping from a missing one, or 0 from 0.0. `read_results` reads that column.
"""

import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import (
    AwareDatetime,
    BeforeValidator,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    ValidationError,
)

from platform.config.errors import UserError
from platform.config.model import Model

SCHEMA_VERSION = 1
_VERSION_KEY = b"tmu.results.schema_version"

TrialState = Literal["finished", "stopped", "failed", "interrupted"]  # stopped: by ASHA, on purpose


def _without_nan(values: Any) -> Any:
    """A number that is none is left out; the trial's `reason` says what happened. Infinity is a number here:
    the psnr of identical frames."""
    if not isinstance(values, Mapping):
        return values
    return {key: v for key, v in values.items() if not (v is None or (isinstance(v, float) and math.isnan(v)))}


def _plain(value: Any) -> Any:
    """Tuples become lists, as in the file, so that what is read equals what was written."""
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    return value


Scores = Annotated[dict[str, float], BeforeValidator(_without_nan)]


class TrialRecord(Model):
    """What is known about one trial. Scores are named by protocol (`mse`, `ssim`, `psnr`) and are those of the
    validation split at the last epoch; `last_frame` holds the same protocols for copying the last observed frame."""

    model_config = ConfigDict(allow_inf_nan=True, ser_json_inf_nan="constants")

    trial: NonNegativeInt  # the number in the study, from 0
    id: str  # the name of the folder below `trials/`
    state: TrialState
    reason: str | None = None  # why it failed, was stopped or interrupted
    seed: int
    settings: Annotated[dict[str, Any], BeforeValidator(_plain)]  # a dumped TrialSettings
    metrics: Scores = {}
    last_frame: Scores = {}
    curve: tuple[Scores, ...] = ()  # an entry an epoch: epoch, train_loss, and the validation scores
    epochs: NonNegativeInt = 0  # ended, not planned
    started: AwareDatetime | None = None
    duration_s: NonNegativeFloat = 0.0
    memory: Scores = Field(default={}, description="ready and computed blocks, waited_s, bytes")

    @property
    def sources(self) -> tuple[str, ...]:
        """The sources it distilled from; empty for the baselines without any."""
        return tuple(self.settings.get("sources", ()))

    def source_columns(self) -> set[str]:
        """Every source it names: distilled from or started from."""
        start = self.settings.get("start", "scratch")
        return set(self.sources) | ({start} - {"scratch"})


def flatten(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """`{"tmu": {"merge": "mean"}}` -> `{"tmu.merge": "mean"}`. Empty mappings vanish; lists stay whole."""
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        flat |= flatten(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {prefix + key: value}
    return flat


def write_results(path: Path, records: Iterable[TrialRecord], *, sources: Sequence[str] = ()) -> None:
    """Writes the whole table, a row a trial in order of their numbers. A reader sees the old file or the new one.

    `sources`: those the run offers, so that one which no trial drew has its column too.
    """
    rows = sorted(records, key=lambda record: record.trial)
    names = sorted(set(sources).union(*(record.source_columns() for record in rows)))
    columns: dict[str, list[Any]] = {}
    for index, record in enumerate(rows):
        for column, value in _row(record, names).items():
            columns.setdefault(column, [None] * len(rows))[index] = value
    table = pa.table({name: _column(values) for name, values in columns.items()})
    if not rows:
        table = pa.table({"record": pa.array([], pa.string())})
    table = table.replace_schema_metadata({_VERSION_KEY: str(SCHEMA_VERSION).encode()})
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        pq.write_table(table, unfinished)
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def read_results(path: Path) -> list[TrialRecord]:
    """The trials in order of their numbers, equal to what was written.

    Raises UserError if the file is missing, damaged, no table of trials, or written by a later release.
    """
    if not path.is_file():
        raise UserError(f"{path} does not exist; give the folder that platform.search printed as its run folder.")
    try:
        table = pq.read_table(path, columns=["record"])
    except (pa.ArrowException, OSError) as error:
        raise UserError(
            f"{path} cannot be read as a table of trials ({str(error).splitlines()[0]}). Copy it again from where "
            "the search ran, or run the search again with --run-dir set to a new folder."
        ) from None
    version = (table.schema.metadata or {}).get(_VERSION_KEY, b"")
    if not version.isdigit():
        raise UserError(f"{path} was not written by platform.search: it carries no schema version. Give a run folder.")
    if int(version) > SCHEMA_VERSION:
        raise UserError(
            f"{path} has schema version {int(version)}, this release reads up to {SCHEMA_VERSION}. "
            "Update with `pip install -U transferable-memory`."
        )
    try:
        return [TrialRecord.model_validate_json(text) for text in table["record"].to_pylist()]
    except ValidationError as error:
        raise UserError(f"{path} holds a trial that cannot be read: {error.errors()[0]['msg']}.") from None


def _row(record: TrialRecord, sources: Sequence[str]) -> dict[str, Any]:
    return {
        "trial": record.trial,
        "id": record.id,
        "state": record.state,
        "reason": record.reason,
        "seed": record.seed,
        **{f"source.{name}": name in record.sources for name in sources},
        **{f"settings.{key}": value for key, value in flatten(record.settings).items()},
        **{f"metric.{key}": value for key, value in record.metrics.items()},
        **{f"last_frame.{key}": value for key, value in record.last_frame.items()},
        "epochs": record.epochs,
        "started": record.started,
        "duration_s": record.duration_s,
        **{f"memory.{key}": value for key, value in record.memory.items()},
        "curve": [dict(point) for point in record.curve],
        "record": record.model_dump_json(),
    }


def _column(values: list[Any]) -> pa.Array:
    """Arrow's own type where all values share one; JSON text where they do not (a depth of 3 or "full")."""
    try:
        array = pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.array([None if value is None else json.dumps(value) for value in values])
    if pa.types.is_list(array.type) and pa.types.is_null(array.type.value_type):
        return array.cast(pa.list_(pa.string()))  # only empty lists
    return array

"""One trial, as it is written and read: the only way a result enters or leaves a run folder.

`results.parquet` has a row a trial. Its flat columns (`settings.tmu.merge`, `metric.mse`, `source.digits_2`)
are for people and their tools (pandas, DuckDB, a spreadsheet); the column `record` holds the same trial exactly,
because a table cannot tell an empty mapping from a missing one, or 0 from 0.0. `read_results` reads that column.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BeforeValidator,
    ConfigDict,
    FailFast,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
)

from platform.config.bounded import FILE_NAME, Refused, num_signs, parse_json
from platform.config.errors import UserError
from platform.config.model import Model
from platform.results.replacing import replacing

SCHEMA_VERSION = 1
_VERSION_KEY = b"tmu.results.schema_version"

MOST_BYTES = 256 << 20  # of the file, and of all records in it
MOST_SIGNS = 16_000_000  # of all records: 10,000 trials of 80 epochs with ten scores
MOST_FOOTER_BYTES = 4 << 20  # a column takes about 200
MOST_TRIALS = 1_000_000
PACKINGS = ("SNAPPY", "UNCOMPRESSED")  # the first makes nothing grow by more than twenty times
_THRIFT = {"thrift_string_size_limit": 16 << 20, "thrift_container_size_limit": 100_000}

TrialState = Literal["finished", "stopped", "failed", "interrupted"]  # stopped: by ASHA, on purpose


def _without_nan(values: Any) -> Any:
    """A number that is none is left out; the trial's `reason` says what happened. Infinity is a number here:
    the psnr of identical frames."""
    if not isinstance(values, Mapping):
        return values
    return {key: v for key, v in values.items() if not (v is None or (isinstance(v, float) and math.isnan(v)))}


def _plain(value: Any) -> Any:
    """Tuples become lists, as in the file, so that what is read equals what was written."""
    if isinstance(value, int) and not -(1 << 63) <= value < 1 << 63:
        raise ValueError("a number of more than 64 bits")
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    return value


def _checked(settings: dict[str, Any]) -> dict[str, Any]:
    """What is read of every trial is what it should be; all else is only shown."""
    sources, start = settings.get("sources", []), settings.get("start", "")
    if not isinstance(sources, list) or not all(isinstance(name, str) for name in sources):
        raise ValueError("sources are no list of names")
    if not isinstance(start, str):
        raise ValueError("start is no name")
    return settings


Scores = Annotated[dict[str, float], BeforeValidator(_without_nan)]
Settings = Annotated[dict[str, Any], BeforeValidator(_plain), AfterValidator(_checked)]  # a dumped TrialSettings
MemoryBytes = Annotated[float, Field(ge=1, le=1 << 50)]
TrialNumber = Annotated[int, Field(ge=0, lt=1 << 63)]
TrialId = Annotated[str, Field(pattern=FILE_NAME.pattern)]  # a folder below `trials/`, and none elsewhere


class GpuUse(Model):
    """Of a GPU's memory, the most that a trial took, and what was foretold of it."""

    taken_bytes: MemoryBytes
    foretold_bytes: MemoryBytes


class TrialRecord(Model):
    """What is known about one trial. Scores are named by protocol (`mse`, `ssim`, `psnr`) and are those of the
    validation split at the last epoch; `last_frame` holds the same protocols for copying the last observed frame."""

    model_config = ConfigDict(allow_inf_nan=True, ser_json_inf_nan="constants")

    trial: TrialNumber  # in the study, from 0
    id: TrialId
    state: TrialState
    reason: str | None = None  # why it failed, was stopped or interrupted
    seed: int
    settings: Settings
    metrics: Scores = {}
    last_frame: Scores = {}
    curve: Annotated[
        tuple[Scores, ...], FailFast()
    ] = ()  # an entry an epoch: epoch, train_loss, and the validation scores
    epochs: NonNegativeInt = 0  # ended, not planned
    started: AwareDatetime | None = None
    duration_s: NonNegativeFloat = 0.0
    restarts: NonNegativeInt = 0  # times its process died, and another went on from its checkpoint
    memory: Scores = Field(default={}, description="ready and computed blocks, waited_s, bytes")
    gpu: GpuUse | None = None  # where its share of a GPU follows from the memory that it needs

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
    table = trials_table(records, sources=sources).replace_schema_metadata({_VERSION_KEY: str(SCHEMA_VERSION).encode()})
    with replacing(path) as unfinished:
        pq.write_table(table, unfinished)


def trials_table(records: Iterable[TrialRecord], *, sources: Sequence[str] = ()) -> pa.Table:
    """The same table in memory. Columns that people read come first; `curve` and `record`, a JSON text, come last."""
    rows = sorted(records, key=lambda record: record.trial)
    if not rows:
        return pa.table({"record": pa.array([], pa.string())})
    names = sorted(set(sources).union(*(record.source_columns() for record in rows)))
    columns: dict[str, list[Any]] = {}
    for index, record in enumerate(rows):
        for column, value in _row(record, names).items():
            columns.setdefault(column, [None] * len(rows))[index] = value
    last = {name: columns.pop(name) for name in ("curve", "record")}
    return pa.table({name: _column(values) for name, values in (columns | last).items()})


Known = dict[str, TrialRecord]  # by their texts


def read_results(path: Path, known: Known | None = None) -> list[TrialRecord]:
    """The trials in order of their numbers, equal to what was written. `known`, from an earlier reading, spares the
    work for trials that have not changed; new ones are put into it.

    Raises UserError if the file is missing, damaged, no table of trials, larger than any search makes it, or written
    by a later release.
    """
    if not path.is_file():
        raise UserError(f"{path} does not exist; give the folder that platform.search printed as its run folder.")
    try:
        texts = _read_texts(path)
        if sum(len(text) for text in texts) > MOST_BYTES or sum(map(num_signs, texts)) > MOST_SIGNS:
            raise Refused("holds more than any search records")
        if known is None:
            return [parse_json(text, TrialRecord) for text in texts]
        known |= {text: parse_json(text, TrialRecord) for text in texts if text not in known}
        return [known[text] for text in texts]
    except Refused as fault:
        raise UserError(
            f"{path} cannot be read as a table of trials: it {fault}. Copy it again from where the search ran, or run "
            "the search again with --run-dir set to a new folder."
        ) from None


def _read_texts(path: Path) -> list[str]:
    """The column `record`. Nothing is unpacked that could grow much, and a text that many rows share is there once."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise Refused(f"has more than {MOST_BYTES >> 20} MiB")
        _check_footer(path)
        with pq.ParquetFile(path, read_dictionary=["record"], pre_buffer=False, **_THRIFT) as file:
            _check_version(path, (file.schema_arrow.metadata or {}).get(_VERSION_KEY, b""))
            _check_packing(file.metadata)
            column = file.read(columns=["record"], use_threads=False)["record"]
        if column.type != pa.dictionary(pa.int32(), pa.string()):
            raise Refused("has no texts in its column record")
        column.validate(full=True)
        if column.null_count:
            raise Refused("has a row without its record")
        return [text for chunk in column.chunks for text in _shared_texts(chunk)]
    except PermissionError:
        raise UserError(f"{path} may not be read by you. Ask its owner: chmod -R a+rX {path.parent}") from None
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        if isinstance(error, Refused):
            raise
        raise Refused(f"is damaged ({(str(error).splitlines() or [''])[0][:200]})") from None


def _check_footer(path: Path) -> None:
    """Raises Refused where it is longer than that of any table of trials: its parts become objects."""
    with path.open("rb") as file:
        file.seek(max(path.stat().st_size - 8, 0))
        if int.from_bytes(file.read(4), "little") > MOST_FOOTER_BYTES:
            raise Refused("does not end as a table of trials does")


def _check_version(path: Path, version: bytes) -> None:
    if not version.isdigit() or len(version) > 9:
        raise UserError(f"{path} was not written by platform.search: it carries no schema version. Give a run folder.")
    if int(version) > SCHEMA_VERSION:
        raise UserError(
            f"{path} has schema version {int(version)}, this release reads up to {SCHEMA_VERSION}. "
            "Update with `pip install -U transferable-memory`."
        )


def _check_packing(told: pq.FileMetaData) -> None:
    """Raises Refused for what could become more than MOST_BYTES, whatever it says of its length."""
    if told.num_rows > MOST_TRIALS:
        raise Refused(f"has more than {MOST_TRIALS:,} rows")
    paths = [told.schema.column(number).path for number in range(told.num_columns)]
    if [path for path in paths if path.partition(".")[0] == "record"] != ["record"]:
        raise Refused("has no one column record")
    place = paths.index("record")
    chunks = [told.row_group(group).column(place) for group in range(told.num_row_groups)]
    if any(chunk.compression not in PACKINGS for chunk in chunks):
        raise Refused(f"is packed by something else than {' or '.join(PACKINGS)}")
    if sum(chunk.total_uncompressed_size for chunk in chunks) > MOST_BYTES:
        raise Refused("holds more than any search records")


def _shared_texts(chunk: pa.DictionaryArray) -> list[str]:
    texts = chunk.dictionary.to_pylist()
    return [texts[number] for number in chunk.indices.to_pylist()]


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
        "restarts": record.restarts,
        **{f"memory.{key}": value for key, value in record.memory.items()},
        **({} if record.gpu is None else {f"gpu.{key}": value for key, value in record.gpu}),
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

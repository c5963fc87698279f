"""The rows of a table of trials, and which of them changed since a browser last asked."""

import math
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from platform.reporting.tables import cell
from platform.results.progress import RunningTrial
from platform.results.record import TrialRecord
from platform.results.scores import score, shown
from platform.results.settings_text import effective
from platform.results.summary import RunSummary
from platform.viewing.watched import View

Row = dict[str, Any]


@dataclass(frozen=True)
class Column:
    """`is_number` tells how it is sorted and filtered."""

    field: str
    name: str
    is_number: bool
    tip: str = ""


@dataclass(frozen=True)
class Changes:
    """What a table needs that shows an earlier version. `is_whole`: none of that still holds, `added` are all rows."""

    version: int
    columns: tuple[Column, ...]
    added: tuple[Row, ...]
    updated: tuple[Row, ...]
    is_whole: bool


class RowLog:
    """The rows of one run by trial, each with the version in which it came and in which it last changed.

    Where a trial is gone, as from a run that was replaced, the log begins anew.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._began = self._version = 0
        self._rows: dict[int, tuple[Row, int, int]] = {}
        self._columns: tuple[Column, ...] = ()

    def since(self, version: int, view: View) -> Changes:
        """`version` 0: a table that shows nothing yet; one left open over a restart has one older than any here."""
        with self._lock:
            if view.version > self._version:
                self._take(view)
            is_whole = version < self._began
            version = 0 if is_whole else version
            added = tuple(row for row, came, _ in self._rows.values() if came > version)
            changed = ((row, came, at) for row, came, at in self._rows.values() if came <= version < at)
            return Changes(self._version, self._columns, added, tuple(row for row, *_ in changed), is_whole)

    def _take(self, view: View) -> None:
        self._version = view.version
        self._columns, rows = trial_rows(view)
        if not self._began or not self._rows.keys() <= {row["trial"] for row in rows}:
            self._began, self._rows = view.version, {}
        for row in rows:
            before = self._rows.get(row["trial"])
            if before is None:
                self._rows[row["trial"]] = (row, view.version, view.version)
            elif before[0] != row:
                self._rows[row["trial"]] = (row, before[1], view.version)


def trial_rows(view: View) -> tuple[tuple[Column, ...], list[Row]]:
    """Running trials and those that ended, and the columns that say something: a setting that all share has none."""
    summary = view.summary
    rows = [_ended(summary, record) for record in summary.records]
    rows += [_running(trial) for trial in view.progress.running]
    rows.sort(key=lambda row: int(row["trial"]))
    named = dict.fromkeys(key for row in rows for key in row)
    measured = [objective.name for objective in summary.objectives]
    measured += [name for name in shown(named) if name not in measured]
    settings = [name for name in named if name.startswith("settings.")]
    varying = [name for name in settings if len({row.get(name) for row in rows} - {None}) > 1]
    columns = [Column("trial", "trial", True), Column("state", "state", False)]
    columns += [Column(name, name, True, score(name).axis) for name in measured if name in named]
    columns += [Column(name, name.removeprefix("settings."), _all_numbers(rows, name)) for name in varying]
    columns += [Column("epochs", "epochs", True), Column("time", "time", True, "seconds of training")]
    columns += [Column("restarts", "restarts", True)] if any(row.get("restarts") for row in rows) else []
    columns += [Column("reason", "why it ended", False)] if any(row.get("reason") for row in rows) else []
    return tuple(columns), rows


def _ended(summary: RunSummary, record: TrialRecord) -> Row:
    return {
        "id": str(record.trial),
        "trial": record.trial,
        "state": record.state,
        "is_best": record is summary.best,
        **_finite(record.metrics),
        **_settings(record.settings),
        "epochs": record.epochs,
        "time": round(record.duration_s, 1),
        "restarts": record.restarts,
        "reason": record.reason,
    }


def _running(trial: RunningTrial) -> Row:
    last = trial.curve[-1] if trial.curve else {}
    scores = {name: value for name, value in last.items() if name not in ("epoch", "train_loss")}
    return {
        "id": str(trial.trial),
        "trial": trial.trial,
        "state": "running",
        "is_best": False,
        **_finite(scores),
        **_settings(trial.settings),
        "epochs": int(last.get("epoch", 0)),
        "time": round(trial.spent_s, 1),
        "restarts": trial.restarts,
    }


def _finite(scores: Mapping[str, float]) -> Row:
    """JSON knows no other numbers."""
    return {name: value for name, value in scores.items() if math.isfinite(value)}


def _settings(settings: Mapping[str, Any]) -> Row:
    """Numbers stay numbers, all else becomes text; what has no effect is left out."""
    return {
        f"settings.{name}": value if _is_number(value) else cell(value) or "no source"
        for name, value in effective(settings).items()
        if value is not None
    }


def _all_numbers(rows: Iterable[Row], name: str) -> bool:
    return all(_is_number(row[name]) for row in rows if row.get(name) is not None)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)

"""What a comparison came to: a row a setting, with means and intervals over its seeds.

Everything is read from the run folder, also of a comparison that was cut short. Trials come seed by seed in the order
of the settings, which is how a trial's number tells its setting.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, Field, ValidationError
from scipy import stats

from platform.config.bounded import first_fault
from platform.config.errors import UserError
from platform.results.record import TrialRecord
from platform.results.run_folder import RunFolder
from platform.results.scores import SHOWN_FIRST
from platform.results.summary import RunSummary

MOMENTS = (1 / 3, 2 / 3)  # of training, at which a table without a picture shows the curve


def interval_halves(values: np.ndarray) -> np.ndarray:
    """Half the width of the 95 % interval (Student's t) of the mean over the first axis, which holds two or more."""
    n = len(values)
    return np.asarray(stats.t.ppf(0.975, n - 1) * values.std(axis=0, ddof=1) / np.sqrt(n))


@dataclass(frozen=True)
class Interval:
    """A mean and half the width of its 95 % interval (Student's t).

    The latter is None below two values, and where one is infinite: the psnr of identical frames.
    """

    mean: float
    half: float | None

    @classmethod
    def of(cls, values: Sequence[float]) -> "Interval":
        told = len(values) > 1 and bool(np.isfinite(values).all())
        return cls(float(np.mean(values)), float(interval_halves(np.array(values))) if told else None)

    def text(self, digits: int, *, signed: bool = False) -> str:
        """`31.20 ± 0.41`."""
        if math.isinf(self.mean):
            return "infinite"
        mean = f"{self.mean:+.{digits}f}" if signed else f"{self.mean:.{digits}f}"
        return mean if self.half is None else f"{mean} ± {self.half:.{digits}f}"


@dataclass(frozen=True)
class Row:
    """One setting. `beside_first` is the mse's difference to the first setting, paired by seed: both saw the same
    clips in the same order. `levelled_off` is None where it cannot be told: too short a curve, or a learning rate that
    falls to 0 and flattens every curve."""

    setting: str
    trials: tuple[TrialRecord, ...]  # those that finished
    num_failed: int
    scores: dict[str, Interval]
    beside_first: Interval | None
    moments: tuple[float, ...]  # mse after the parts of training in MOMENTS
    levelled_off: bool | None
    parameters: float | None
    seconds: float | None

    def dumped(self) -> dict[str, Any]:
        """As `comparison.json` has it."""
        row: dict[str, Any] = {"setting": self.setting, "n": len(self.trials), "failed": self.num_failed}
        for name, interval in self.scores.items():
            mean = "infinite" if math.isinf(interval.mean) else interval.mean  # JSON has no infinity
            row |= {name: mean, f"{name}_interval": interval.half}
        if self.beside_first is not None:
            row |= {"difference": self.beside_first.mean, "difference_interval": self.beside_first.half}
        row |= {"mse_at": dict(zip((f"{moment:.2f}" for moment in MOMENTS), self.moments, strict=False))}
        return row | {"levelled_off": self.levelled_off, "parameters": self.parameters, "seconds": self.seconds}


def is_comparison(path: Path) -> bool:
    """Whether the run folder is a comparison's: its YAML may name a search too, but only a search has a study."""
    folder = RunFolder(path)
    if not folder.results.is_file() or folder.study.exists() or folder.shared_study.exists():
        return False
    return bool(_settings(RunSummary.read(path)))


def _settings(summary: RunSummary) -> list[str]:
    compare = summary.config.get("compare")
    settings = compare.get("settings") if isinstance(compare, Mapping) else None
    return [str(name) for name in settings] if isinstance(settings, Mapping) else []


class _Training(BaseModel):
    """As much of the configuration as a comparison is read by."""

    epochs: Annotated[int, Field(gt=0, lt=1 << 31)]
    schedule: str


def _training(summary: RunSummary) -> _Training:
    """Raises UserError where the configuration does not tell."""
    try:
        return _Training.model_validate(summary.config.get("training"))
    except ValidationError as fault:
        raise UserError(
            f"{summary.folder.config} has no training to compare ({first_fault(fault)}). Copy it again from where the "
            "comparison ran."
        ) from None


@dataclass(frozen=True)
class Comparison:
    """A comparison's rows, in the order of its settings, and the floor: copying the last frame."""

    summary: RunSummary
    rows: tuple[Row, ...]
    floor: float | None

    @classmethod
    def read(cls, path: Path) -> "Comparison":
        """Raises UserError if `path` is no run folder, or that of a search."""
        if not is_comparison(path):
            raise UserError(
                f"{path} is not a comparison's run folder. For a search's: python -m platform.report {path}"
            )
        summary = RunSummary.read(path)
        names = _settings(summary)
        constant = _training(summary).schedule == "constant"
        by_name = {name: [r for r in summary.records if names[r.trial % len(names)] == name] for name in names}
        first = {r.seed: r.metrics["mse"] for r in _finished(by_name[names[0]])}
        rows = tuple(_row(name, by_name[name], first if name != names[0] else {}, constant) for name in names)
        floors = [r.last_frame["mse"] for r in summary.records if "mse" in r.last_frame]
        return cls(summary, rows, floors[0] if floors else None)

    @property
    def first(self) -> str:
        return self.rows[0].setting

    @property
    def epochs(self) -> int:
        return _training(self.summary).epochs

    @property
    def num_planned(self) -> int:
        """Trials: a setting and seed each."""
        seeds = self.summary.config["compare"].get("seeds")
        return len(self.rows) * seeds if isinstance(seeds, int) else len(self.summary.records)


def _finished(records: Sequence[TrialRecord]) -> tuple[TrialRecord, ...]:
    return tuple(r for r in records if r.state == "finished" and "mse" in r.metrics)


def _row(name: str, records: Sequence[TrialRecord], first: dict[int, float], constant: bool) -> Row:
    finished = _finished(records)
    values = {s: [r.metrics[s] for r in finished if s in r.metrics] for s in SHOWN_FIRST}
    pairs = [r.metrics["mse"] - first[r.seed] for r in finished if r.seed in first]
    curve = mean_curve(finished)
    return Row(
        setting=name,
        trials=finished,
        num_failed=sum(record.state == "failed" for record in records),
        scores={s: Interval.of(found) for s, found in values.items() if found},
        beside_first=Interval.of(pairs) if pairs else None,
        moments=tuple(float(curve[max(round(moment * len(curve)) - 1, 0)]) for moment in MOMENTS) if len(curve) else (),
        levelled_off=_levelled_off(curve) if constant else None,
        parameters=finished[0].metrics.get("parameters") if finished else None,
        seconds=float(np.mean([record.duration_s for record in finished])) if finished else None,
    )


def curves_of(records: Sequence[TrialRecord]) -> np.ndarray:
    """mse after each epoch, (num_trials, num_epochs); as many epochs as all of them have."""
    curves = [[point["mse"] for point in record.curve if "mse" in point] for record in records]
    shortest = min(map(len, curves), default=0)
    return np.array([curve[:shortest] for curve in curves]).reshape(len(curves), shortest)


def mean_curve(records: Sequence[TrialRecord]) -> np.ndarray:
    return curves_of(records).mean(axis=0) if records else np.empty(0)


def _levelled_off(curve: np.ndarray) -> bool | None:
    """Did the mean curve gain less than 2 % in its last fifth? Else longer training may change the order."""
    if len(curve) < 5:
        return None
    return bool(curve[-1 - len(curve) // 5] - curve[-1] < 0.02 * curve[-1])

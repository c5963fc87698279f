"""The settings in which the finished trials of a search differ, as charts need them."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from scipy import stats

from platform.reporting.tables import cell
from platform.results.record import TrialRecord, flatten
from platform.results.settings_text import ONLY_WITH_SOURCES
from platform.results.summary import RunSummary

LOG_ABOVE = 30.0  # largest over smallest, from which an axis is logarithmic
SOURCE = "source "  # before its name: whether it was drawn
NOWHERE = "–"  # where a setting has no effect


@dataclass(frozen=True)
class Axis:
    """One of parallel coordinates: where each trial passes, from 0 to 1, and what stands there."""

    name: str
    heights: Sequence[float]
    ticks: Sequence[tuple[float, str]]


class Trend(NamedTuple):
    """Spearman's rank correlation with the score, and how seldom chance alone gives one as strong."""

    rho: float
    p: float


@dataclass(frozen=True)
class DrawnSetting:
    """One setting, with the trials in which it has an effect, and its value in all trials that have one."""

    name: str
    kind: Literal["number", "choice"]
    records: tuple[TrialRecord, ...]
    values: Mapping[int, Any]  # by trial

    def of(self, record: TrialRecord) -> Any:
        return self.values.get(record.trial)

    @property
    def shown(self) -> list[Any]:
        """A number or a text for each of the trials."""
        values = [self.of(record) for record in self.records]
        return values if self.kind == "number" else [_text(value) for value in values]

    @property
    def axis(self) -> str:
        if self.kind == "choice":
            return "category"
        values = self.shown
        return "log" if min(values) > 0 and max(values) / min(values) >= LOG_ABOVE else "linear"

    @property
    def rarest(self) -> tuple[str, int] | None:
        """The value that the fewest trials have, and how many; None for numbers that hardly repeat."""
        counted = Counter(_text(self.of(record)) for record in self.records)
        if self.kind == "number" and len(counted) > len(self.records) / 2:
            return None
        return min(counted.items(), key=lambda value: value[1])

    def trend(self, summary: RunSummary) -> Trend | None:
        """None for choices, below five trials, and where all scores are the same."""
        values = [summary.value(record) for record in self.records]
        if self.kind == "choice" or len(values) < 5:
            return None
        found = stats.spearmanr(self.shown, values)
        return Trend(float(found.statistic), float(found.pvalue)) if math.isfinite(found.statistic) else None

    def axis_of(self, records: Sequence[TrialRecord]) -> Axis:
        """Of parallel coordinates, for all `records`; where the setting has no effect, at the lowest mark."""
        there = {record.trial for record in self.records}
        everywhere = len(there) == len(records)
        if self.kind == "choice":
            texts = sorted({_text(self.of(record)) for record in self.records})
            marks = texts if everywhere else [NOWHERE, *texts]
            last = max(1, len(marks) - 1)
            heights = [marks.index(_text(self.of(r)) if r.trial in there else NOWHERE) / last for r in records]
            return Axis(self.name, heights, [(number / last, text) for number, text in enumerate(marks)])
        log = self.axis == "log"
        numbers = {r.trial: math.log10(self.of(r)) if log else float(self.of(r)) for r in self.records}
        low, high, begin = min(numbers.values()), max(numbers.values()), 0.0 if everywhere else 0.15
        heights = [
            begin + (1 - begin) * (numbers[r.trial] - low) / (high - low) if r.trial in there else 0.0 for r in records
        ]
        middle = (low + high) / 2
        ticks = [
            (begin + (1 - begin) * part, cell(10.0**value if log else value))
            for part, value in ((0.0, low), (0.5, middle), (1.0, high))
        ]
        return Axis(self.name, heights, ticks if everywhere else [(0.0, NOWHERE), *ticks])


def drawn_settings(
    summary: RunSummary, by_importance: Sequence[str], *, each_source: bool = False
) -> list[DrawnSetting]:
    """What mattered most first, as far as it is known. Which sources were drawn is left out, or, where `each_source`
    asks for it, a setting for each of them."""
    records = summary.finished
    flat = [flatten(record.settings) for record in records]
    found = []
    if each_source:
        drawn = [source for source in summary.sources if 0 < sum(source in r.sources for r in records) < len(records)]
        for source in drawn:
            there = {record.trial: source in record.sources for record in records}
            found.append(DrawnSetting(SOURCE + source, "choice", records, there))
    for name in dict.fromkeys(key for settings in flat for key in settings):
        if name == "sources" or name.startswith(("distil.source_weights", "distil.memories")):
            continue
        all_values = {record.trial: settings.get(name) for record, settings in zip(records, flat, strict=True)}
        effective = tuple(r for r in records if all_values[r.trial] is not None and not _idle(name, r))
        values = [all_values[record.trial] for record in effective]
        if len({_text(value) for value in values}) < 2:
            continue
        is_number = all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values)
        found.append(DrawnSetting(name, "number" if is_number else "choice", effective, all_values))
    order = {name.replace("source.", SOURCE): place for place, name in enumerate(by_importance)}
    return sorted(found, key=lambda setting: order.get(setting.name, len(order)))


def _idle(name: str, record: TrialRecord) -> bool:
    return not record.sources and name.startswith(ONLY_WITH_SOURCES)


def _text(value: Any) -> str:
    return cell(value) or "no source"

"""The tables of a report as rows of text, ready for any page: nothing here knows HTML."""

from collections.abc import Mapping, Sequence
from typing import Any

from platform.results.drawn import DrawnSource
from platform.results.effects import MIN_FOR_INTERVAL, SourceEffect
from platform.results.ranking_file import RankedSource
from platform.results.record import TrialRecord
from platform.results.scores import (
    NARROW,
    SHOWN_FIRST,
    as_number,
    plain_number,
    readable_time,
    score,
    shown,
    signed_number,
)
from platform.results.serving import read_totals, serving_rows
from platform.results.settings_text import effective
from platform.results.summary import RunSummary


def setting_rows(settings: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Those that have an effect."""
    names = {"sources": "distils from", "start": "starts from"}
    return [(names.get(key, key), text) for key, text in _texts_of(settings).items() if text != "–"]


def _texts_of(settings: Mapping[str, Any]) -> dict[str, str]:
    """A dash where a setting has no effect."""
    return {key: cell(value) or "no source" for key, value in effective(settings).items()}


def cell(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "–"}[value]
    if isinstance(value, float):
        return plain_number(value)
    if isinstance(value, (list, tuple)):
        return ", ".join(cell(inner) for inner in value)
    return str(value)


def effect_row(summary: RunSummary, effect: SourceEffect) -> dict[str, str]:
    measure = summary.score
    row = {
        "source": effect.source,
        "difference": "–",
        "interval": f"too few trials ({MIN_FOR_INTERVAL} on each side needed)",
    }
    for name, group in (("with", effect.inside), ("without", effect.outside)):
        stopped = f", {group.num_stopped} more stopped early" if group.num_stopped else ""
        row[name] = f"{measure.text(group.mean)} (n = {len(group.scores)}{stopped})"
    if effect.difference is not None:
        row["difference"] = signed_number(effect.difference)
    if effect.interval is not None:
        low, high = effect.interval
        row["interval"] = _span(low, high, is_clear=effect.is_clear)
    return row


def _span(low: float, high: float, *, is_clear: bool) -> str:
    return f"{signed_number(low)} to {signed_number(high)}{'' if is_clear else ' (unclear)'}"


def drawn_rows(drawn: Sequence[DrawnSource], ranking: Sequence[RankedSource]) -> list[dict[str, str]]:
    """Sources by what was drawn from them, beside their place before the search, where it ranked them."""
    places = {ranked.source: f"{place} (LogME {ranked.log_me:.3f})" for place, ranked in enumerate(ranking, start=1)}
    rows = []
    for place, source in enumerate(drawn, start=1):
        interval = "–"
        if source.interval is not None:
            low, high = source.interval
            interval = _span(low, high, is_clear=source.is_clear)
        rows.append(
            {
                "place": str(place),
                "source": source.source,
                "drawn": f"{100 * source.drawn:.1f}{NARROW}%",
                "openness": f"{source.openness:.2f}",
                "worth": signed_number(source.worth),
                "interval": interval,
                "before": places.get(source.source, "–"),
            }
        )
    return rows


def trials_table(summary: RunSummary) -> dict[str, Any]:
    """Columns that differ between trials; what all share stands once, below the table."""
    if not summary.records:
        return {"columns": [], "rows": [], "shared": []}
    cells = [_texts_of(record.settings) for record in summary.records]
    keys = list(dict.fromkeys(key for row in cells for key in row))
    values = {key: {row.get(key, "–") for row in cells} for key in keys}
    varying = [key for key in keys if len(values[key] - {"–"}) > 1 or key == "sources"]
    shared = [(key, next(iter(values[key] - {"–"}))) for key in keys if key not in varying and values[key] != {"–"}]
    recorded = set().union(*(record.metrics for record in summary.records))
    extra = [objective.name for objective in summary.objectives if objective.name not in SHOWN_FIRST]
    measures = [score(name) for name in (*SHOWN_FIRST, *extra) if name in recorded]
    columns = ["trial", "state", *(measure.name for measure in measures), *varying, "epochs", "time"]
    rows = [
        {
            "best": record is summary.best,
            "state": record.state,
            "cells": [
                str(record.trial),
                record.state,
                *(measure.text(record.metrics.get(measure.name)) for measure in measures),
                *(row.get(key, "–") for key in varying),
                str(record.epochs),
                readable_time(record.duration_s),
            ],
        }
        for record, row in zip(summary.records, cells, strict=True)
    ]
    return {"columns": columns, "rows": rows, "shared": shared}


def beside_each_other(
    summary: RunSummary, records: Sequence[TrialRecord]
) -> tuple[list[tuple[str, ...]], list[tuple[str, str]]]:
    """Rows of (name, a text a trial): scores, effort and the settings that differ; then the settings that all share."""
    names = dict.fromkeys(name for record in records for name in record.metrics)
    measured = [objective.name for objective in summary.objectives]
    measured += [name for name in shown(names) if name not in measured]
    rows = [("state", *(record.state for record in records))]
    for measure in map(score, measured):
        rows.append((measure.axis, *(measure.text(record.metrics.get(measure.name)) for record in records)))
    rows.append(("epochs", *(str(record.epochs) for record in records)))
    rows.append(("training", *(readable_time(record.duration_s) for record in records)))
    settings = [_texts_of(record.settings) for record in records]
    shared = []
    for name in dict.fromkeys(name for each in settings for name in each):
        values = tuple(each.get(name, "–") for each in settings)
        if len(set(values)) > 1 or len(records) == 1:
            rows.append((name, *values))
        else:
            shared.append((name, values[0]))
    return rows, shared


def cost_rows(summary: RunSummary) -> list[tuple[str, str]]:
    """What a search costs in time and source passes, and what serving memory saved."""
    records = summary.records
    if not records:
        return []
    rows = [("training, all trials added up", readable_time(sum(record.duration_s for record in records)))]
    timed = [record for record in records if record.started is not None]
    if timed:
        starts = [record.started.timestamp() for record in timed if record.started is not None]
        ends = [start + record.duration_s for start, record in zip(starts, timed, strict=True)]
        rows.append(("from the first trial's start to the last one's end", readable_time(max(ends) - min(starts))))
    return [*rows, *serving_rows(records, read_totals(summary.folder))]


def source_rows(summary: RunSummary) -> list[dict[str, str]]:
    rows = []
    for name, card in sorted(summary.provenance.sources.items()):
        label = str(card.get("benchmark") or "not recorded")
        if card.get("synthetic") and "synthetic" not in label:
            label += " (synthetic)"
        own, floor = _mse_of(card.get("score")), _mse_of(card.get("last_frame"))
        text = score("mse").text(own)
        if own is not None and floor is not None:
            text += f", {score('mse').against(own, floor)}"
        rows.append({"name": name, "data": label, "score": text, "hash": str(card.get("weights_sha256") or "–")[:12]})
    return rows


def _mse_of(scores: Any) -> float | None:
    return as_number(scores.get("mse")) if isinstance(scores, Mapping) else None

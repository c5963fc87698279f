"""`report.html`: one file that opens from disk, asks the network for nothing, and says what is missing.

This file turns a summary into plain values; `report.html.j2` arranges them. Nothing is computed in the template.
"""

from pathlib import Path
from typing import Any

from platform.config.errors import UserError
from platform.reporting.charts.confirmed import contrasts_chart
from platform.reporting.charts.figures import (
    Chart,
    effect_of_sources,
    importances_chart,
    learning_curves,
    pareto_front,
    score_per_trial,
)
from platform.reporting.confirmed_table import confirmed_rows, read_confirmed, score_names
from platform.reporting.html import about, write_page
from platform.reporting.pictures import strips
from platform.reporting.tables import cell, cost_rows, effect_row, score_rows, setting_rows, source_rows, trials_table
from platform.results.confirmed import Confirmed
from platform.results.effects import source_effects
from platform.results.importances import importances
from platform.results.record import TrialRecord, flatten
from platform.results.run_folder import RunFolder
from platform.results.scores import score, summed_up
from platform.results.summary import RunSummary

FEW_TRIALS = 20


def render_report(run: Path) -> Path:
    """Write `report.html` of the run and return its path; a reader sees the old page or the new one.

    Raises UserError if `run` is no run folder. A run that was cut short gives a report of what there is.
    """
    summary = RunSummary.read(run)
    write_page("report.html.j2", *_values(summary), RunFolder(run).report)
    return RunFolder(run).report


def _values(summary: RunSummary) -> tuple[dict[str, Any], list[Chart]]:
    """What the template shows, and the charts."""
    missing = list(summary.missing)
    effects, confirmed = source_effects(summary), _confirmed(summary, missing)
    pictures = strips(summary.predictions) if summary.predictions else []
    charts = [
        contrasts_chart(confirmed, summary.benchmark) if confirmed is not None else None,
        score_per_trial(summary),
        effect_of_sources(summary, effects),
        importances_chart(importances(summary.folder)),
        learning_curves(summary),
        pareto_front(summary),
    ]
    values = {
        "summary": summary,
        "missing": missing,
        "question": str(summary.config.get("question") or ""),
        "title": _title(summary),
        "about": about(summary.config),
        "synthetic": summary.synthetic,
        "mse_text": score("mse").text,
        "verdict": _verdict(summary) if confirmed is None else confirmed.verdict,
        "confirmed": confirmed,
        "confirmed_rows": confirmed_rows(confirmed) if confirmed is not None else [],
        "confirmed_scores": [score(name).axis for name in score_names(confirmed)] if confirmed is not None else [],
        "search_verdict": _verdict(summary),
        "caveats": _caveats(summary),
        "best": summary.best,
        "setting": setting_rows(summary.best) if summary.best else [],
        "scores": score_rows(summary),
        "effects": [effect_row(summary, effect) for effect in effects] if summary.finished else [],
        "strips": pictures,
        "picture_of": _picture_of(summary),
        "trials": trials_table(summary),
        "lost": [record for record in summary.records if record.state in ("failed", "interrupted")],
        "incidents": summary.incidents,
        "cost": cost_rows(summary),
        "sources": source_rows(summary),
        "provenance": [(key, cell(value)) for key, value in flatten(summary.provenance.rest).items()],
    }
    return values, [chart for chart in charts if chart is not None]


def _title(summary: RunSummary) -> str:
    label = summary.benchmark
    return f"Search {label}" if label.startswith(summary.name) else f"Search {summary.name}: {label}"


def _verdict(summary: RunSummary) -> str:
    """The best trial and its validation score against copying the last frame: one sentence."""
    best, measure = summary.best, summary.score
    if best is None:
        return "No trial came to a score, so there is nothing to conclude yet."
    value = summary.value(best) or 0.0
    if summary.finished:
        count = len(summary.finished)
        among = f"is the best of {count} finished trials" if count > 1 else "is the only trial that finished"
    else:
        among = f"is the best so far, stopped early after {_epochs(best)} as no trial finished"
    text = f"Trial {best.trial} {among}: on validation its {measure.label} is {measure.text(value)}"
    if summary.floor is not None:
        text += f", {measure.against(value, summary.floor)}"
    return text + ". By this score it was chosen, which therefore flatters it."


def _confirmed(summary: RunSummary, missing: list[str]) -> Confirmed | None:
    """None where nothing was confirmed, or its plan cannot be read. What is damaged is told in `missing`."""
    try:
        confirmed = read_confirmed(summary)
    except UserError as error:
        missing.append(str(error))
        return None
    missing += confirmed.missing if confirmed is not None else ()
    return confirmed


def _caveats(summary: RunSummary) -> list[str]:
    """What a reader must know before repeating the sentence above."""
    notes = []
    best, other, measure = summary.best, summary.best_without_sources, summary.score
    if best is not None and (worse := _not_beaten(summary, best)):
        notes.append(f"By {' and '.join(worse)} it does not beat copying the last frame.")
    if best is not None and summary.finished:
        if best is other:
            notes.append("It distils from no source: in this search, no trial that did distil came out better.")
        elif other is not None and best.sources:
            start, value = other.settings.get("start", "scratch"), measure.text(summary.value(other))
            notes.append(
                f"The best trial without any source, trial {other.trial} (start {start}), reached {value} on "
                "validation. Each is one training run with one seed, so the gap is a lead to confirm, no proof."
            )
        elif best.sources:
            notes.append("No trial without sources finished, so whether distilling helped at all cannot be told here.")
    if summary.records and len(summary.finished) < FEW_TRIALS:
        notes.append(f"Only {len(summary.finished)} trials finished: read every comparison below as a hint.")
    stand_ins = sorted(name for name, card in summary.provenance.sources.items() if card.get("synthetic"))
    if stand_ins and not summary.synthetic:
        notes.append(f"These sources were pretrained on synthetic stand-ins: {', '.join(stand_ins)}.")
    if summary.synthetic is None:
        notes.append("Whether the frames are real or a synthetic stand-in was not recorded.")
    return notes


def _not_beaten(summary: RunSummary, best: TrialRecord) -> list[str]:
    """Protocols, other than the one that was optimised, by which the best trial is no better than copying the last
    frame."""
    mine, floor = best.metrics, best.last_frame
    others = [score(name) for name in summed_up(mine) if name != summary.score.name and name in floor]
    return [each.label for each in others if not each.is_better(mine[each.name], floor[each.name])]


def _picture_of(summary: RunSummary) -> str:
    if summary.predictions is None:
        return ""
    return f"{summary.benchmark}, validation clips, predicted by the best trial"


def _epochs(record: TrialRecord) -> str:
    return f"{record.epochs} epoch{'' if record.epochs == 1 else 's'}"

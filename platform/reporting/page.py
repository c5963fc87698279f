"""`report.html`: one file that opens from disk, asks the network for nothing, and says what is missing.

This file turns findings into plain values; `report.html.j2` arranges them. Nothing is computed in the template.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from platform.reporting.answers import answers
from platform.reporting.charts.chart import Chart
from platform.reporting.charts.confirmed import contrasts_chart
from platform.reporting.charts.gates import drawn_chart, openness_chart
from platform.reporting.charts.horizon import horizon_chart
from platform.reporting.charts.settings import importances_chart, parallel_coordinates, settings_against_score
from platform.reporting.charts.sources import effect_of_sources, pairs_of_sources
from platform.reporting.charts.tradeoffs import pareto_front, score_against_cost
from platform.reporting.charts.trials import learning_curves, score_per_trial
from platform.reporting.confirmed_table import confirmed_rows, score_names
from platform.reporting.export import write_tables
from platform.reporting.gate_pictures import gate_picture
from platform.reporting.html import about, write_page
from platform.reporting.pictures import strips
from platform.reporting.tables import (
    cell,
    cost_rows,
    drawn_rows,
    effect_row,
    score_rows,
    setting_rows,
    source_rows,
    trials_table,
)
from platform.reporting.verdict import caveats, search_verdict, verdict
from platform.results.drawn import drawn_sources
from platform.results.findings import Findings
from platform.results.look import Look
from platform.results.ranking_file import read_ranking
from platform.results.record import flatten
from platform.results.scores import score
from platform.results.summary import RunSummary


def render_report(run: Path) -> Path:
    """Write `report.html` of the run, and its tables, and return the page's path; a reader sees the old page or the new
    one.

    Raises UserError if `run` is no run folder. A run that was cut short gives a report of what there is.
    """
    findings = Findings.read(run)
    folder = findings.summary.folder
    write_tables(findings)
    write_page("report.html.j2", _values(findings), charts_of(findings), folder.report)
    return folder.report


def charts_of(findings: Findings) -> list[Chart]:
    """Those that the run has something for, or that say why they have nothing."""
    summary, confirmed, shares = findings.summary, findings.confirmed, findings.importances
    charts = [
        contrasts_chart(confirmed, summary.benchmark) if confirmed is not None else None,
        score_per_trial(summary),
        effect_of_sources(summary, findings.effects),
        pairs_of_sources(summary, findings.pairs),
        importances_chart(shares),
        settings_against_score(summary, list(shares.shares)),
        parallel_coordinates(summary, list(shares.shares)),
        learning_curves(summary),
        pareto_front(summary),
        score_against_cost(summary),
        horizon_chart(findings.looks, summary.score, summary.benchmark) if findings.looks else None,
    ]
    if (look := look_with_gates(findings.looks)) is not None:
        charts += [drawn_chart(look, drawn_sources(look), summary.benchmark), openness_chart(look, summary.benchmark)]
    return [chart for chart in charts if chart is not None]


def _values(findings: Findings) -> dict[str, Any]:
    """What the template shows besides the charts."""
    summary, confirmed = findings.summary, findings.confirmed
    return {
        "summary": summary,
        "missing": findings.missing,
        "question": str(summary.config.get("question") or ""),
        "title": title(summary),
        "about": about(summary.config),
        "synthetic": summary.synthetic,
        "verdict": verdict(findings),
        "answers": [(question, answer.split("`")) for question, answer in answers(findings)],
        "caveats": caveats(summary),
        "confirmed": confirmed,
        "confirmed_rows": confirmed_rows(confirmed) if confirmed is not None else [],
        "confirmed_scores": [score(name).axis for name in score_names(confirmed)] if confirmed is not None else [],
        "search_verdict": search_verdict(summary),
        "best": summary.best,
        "setting": setting_rows(summary.best) if summary.best else [],
        "scores": score_rows(summary),
        "effects": [effect_row(summary, effect) for effect in findings.effects] if summary.finished else [],
        "strips": strips(findings.looks),
        "picture_of": f"{summary.benchmark}, validation clips",
        **_gates(findings),
        "trials": trials_table(summary),
        "lost": [record for record in summary.records if record.state in ("failed", "interrupted")],
        "incidents": summary.incidents,
        "cost": cost_rows(summary),
        "sources": source_rows(summary),
        "provenance": [(key, cell(value)) for key, value in flatten(summary.provenance.rest).items()],
    }


def title(summary: RunSummary) -> str:
    """`Search kth`, `Search my_own: kth (synthetic)`."""
    label = summary.benchmark
    return f"Search {label}" if label.startswith(summary.name) else f"Search {summary.name}: {label}"


def look_with_gates(looks: Sequence[Look]) -> Look | None:
    """At the best trial that draws on sources; None where no trial that was looked at does."""
    return next((look for look in looks if look.facts.sources), None)


def _gates(findings: Findings) -> dict[str, Any]:
    """The gate atlas besides its charts."""
    look = look_with_gates(findings.looks)
    if look is None:
        return {"gates": None, "drawn": [], "is_ranked": False}
    ranking = read_ranking(findings.summary.folder.ranking)
    return {
        "gates": gate_picture(look),
        "drawn": drawn_rows(drawn_sources(look), ranking),
        "is_ranked": bool(ranking),
    }

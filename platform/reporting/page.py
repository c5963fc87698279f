"""`report.html`: one file that opens from disk, asks the network for nothing, and says what is missing.

This file turns findings into plain values; `report.html.j2` arranges them. Nothing is computed in the template.
"""

from pathlib import Path
from typing import Any

from platform.reporting.answers import answers
from platform.reporting.best_setting import best_setting
from platform.reporting.charts.of_run import charts_of, look_with_gates
from platform.reporting.confirmed_table import confirmed_columns, confirmed_note, confirmed_rows
from platform.reporting.confirmed_verdict import other_verdict, what_is_lost
from platform.reporting.export import write_tables
from platform.reporting.gate_pictures import gate_picture
from platform.reporting.html import about, write_page, writing_into
from platform.reporting.pictures import strips
from platform.reporting.tables import (
    cell,
    cost_rows,
    drawn_rows,
    effect_row,
    source_rows,
    trials_table,
)
from platform.reporting.verdict import caveats, search_verdict, verdict
from platform.results.drawn import drawn_sources
from platform.results.findings import Findings
from platform.results.record import flatten
from platform.results.summary import RunSummary


def render_report(run: Path) -> Path:
    """Write `report.html` of the run, and its tables, and return the page's path; a reader sees the old page or the new
    one.

    Raises UserError if `run` is no run folder, or one that may not be written into. A run that was cut short gives a
    report of what there is.
    """
    findings = Findings.read(run)
    folder = findings.summary.folder
    values, charts = _values(findings), charts_of(findings)
    with writing_into(run):
        write_tables(findings)
        write_page("report.html.j2", values, charts, folder.report)
    return folder.report


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
        "other_verdict": other_verdict(confirmed) if confirmed is not None else None,
        "lost_targets": what_is_lost(confirmed) if confirmed is not None else None,
        "answers": [(question, answer.split("`")) for question, answer in answers(findings)],
        "caveats": caveats(summary),
        "confirmed": confirmed,
        "confirmed_rows": confirmed_rows(confirmed) if confirmed is not None else [],
        "confirmed_columns": confirmed_columns(confirmed) if confirmed is not None else [],
        "confirmed_note": confirmed_note(confirmed) if confirmed is not None else "",
        "search_verdict": search_verdict(summary),
        "best": best_setting(findings),
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


def _gates(findings: Findings) -> dict[str, Any]:
    """The gate atlas besides its charts."""
    look = look_with_gates(findings.looks)
    if look is None:
        return {"gates": None, "other_gates": [], "drawn": [], "is_ranked": False}
    return {
        "gates": gate_picture(look),
        "other_gates": [gate_picture(other) for other in findings.looks if other.facts.sources and other is not look],
        "drawn": drawn_rows(drawn_sources(look), findings.ranking),
        "is_ranked": bool(findings.ranking),
    }

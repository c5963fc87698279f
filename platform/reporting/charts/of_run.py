"""The charts of a run, by their keys, in the order of a page. Each is made alone, for whoever shows but one."""

from collections.abc import Callable, Iterable, Sequence

from platform.reporting.charts.chart import Chart
from platform.reporting.charts.confirmed import contrasts_chart
from platform.reporting.charts.gates import drawn_chart, openness_chart
from platform.reporting.charts.horizon import horizon_chart
from platform.reporting.charts.lead_times import csi_chart
from platform.reporting.charts.pairs import pairs_of_sources
from platform.reporting.charts.settings import importances_chart, parallel_coordinates, settings_against_score
from platform.reporting.charts.sources import effect_of_sources
from platform.reporting.charts.tradeoffs import pareto_front, score_against_cost
from platform.reporting.charts.trials import learning_curves, score_per_trial
from platform.results.drawn import drawn_sources
from platform.results.findings import Findings
from platform.results.look import Look


def _confirmed(findings: Findings) -> Chart | None:
    return contrasts_chart(findings.confirmed, findings.summary.benchmark) if findings.confirmed is not None else None


def _drawn(findings: Findings) -> Chart | None:
    look = look_with_gates(findings.looks)
    return drawn_chart(look, drawn_sources(look), findings.summary.benchmark) if look is not None else None


def _openness(findings: Findings) -> Chart | None:
    look = look_with_gates(findings.looks)
    return openness_chart(look, findings.summary.benchmark) if look is not None else None


def _horizon(findings: Findings) -> Chart | None:
    return horizon_chart(findings.looks, findings.summary.score, findings.summary.benchmark)


CHARTS: dict[str, Callable[[Findings], Chart | None]] = {
    "confirmed": _confirmed,
    "trials": lambda findings: score_per_trial(findings.summary),
    "sources": lambda findings: effect_of_sources(findings.summary, findings.effects),
    "pairs": lambda findings: pairs_of_sources(findings.summary, findings.pairs),
    "importances": lambda findings: importances_chart(findings.importances, findings.summary),
    "settings": lambda findings: settings_against_score(findings.summary, list(findings.importances.shares)),
    "parallel": lambda findings: parallel_coordinates(findings.summary, list(findings.importances.shares)),
    "curves": lambda findings: learning_curves(findings.summary),
    "pareto": lambda findings: pareto_front(findings.summary),
    "cost": lambda findings: score_against_cost(findings.summary),
    "horizon": _horizon,
    "csi": lambda findings: csi_chart(findings.looks, findings.summary.benchmark),
    "drawn": _drawn,
    "openness": _openness,
}


def charts_of(findings: Findings, keys: Iterable[str] = CHARTS) -> list[Chart]:
    """Those that the run has something for, or that say why they have nothing."""
    charts = [CHARTS[key](findings) for key in keys]
    return [chart for chart in charts if chart is not None]


def look_with_gates(looks: Sequence[Look]) -> Look | None:
    """At the best trial that draws on sources; None where no trial that was looked at does."""
    return next((look for look in looks if look.facts.sources), None)

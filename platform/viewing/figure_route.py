"""The figures of a run as a browser is sent them: words and plot, made once for each version of the run."""

import json
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace

import flask

from platform.config.errors import UserError
from platform.reporting.charts.chart import Chart
from platform.reporting.charts.chosen import curves_of_chosen
from platform.reporting.charts.of_run import CHARTS
from platform.reporting.comparison_page import comparison_charts
from platform.results.look import Look
from platform.results.record import TrialRecord
from platform.viewing.chosen import MOST, chosen, look_of
from platform.viewing.runs import Runs
from platform.viewing.watched import View

OF_GATES = ("drawn", "openness")
BY_IMPORTANCE = ("importances", "settings", "parallel")


def serve_figures(server: flask.Flask, runs: Runs) -> None:
    """`/figure/RUN/CHART`. A browser that has it already is told so, and sent nothing."""

    @server.get("/figure/<key>/<chart>")
    def figure(key: str, chart: str) -> flask.Response:
        try:
            watched = runs.get(key)
            with watched.spending() if "news" in flask.request.args else nullcontext():
                if chart in BY_IMPORTANCE:
                    watched.ask_for_importances()
                told = figure_json(watched.view(), chart, flask.request.args.get("trials", ""))
        except UserError:  # the page says itself that the run is gone
            return flask.Response(status=204)
        if told is None:
            return flask.Response(status=204)
        response = flask.Response(told, mimetype="application/json")
        response.cache_control.no_cache = True  # ask each time whether it is still the same
        response.add_etag()
        return response.make_conditional(flask.request)  # type: ignore[return-value]


def figure_json(view: View, key: str, trials: str = "") -> str | None:
    """With colours by name. `trials` are those of the chart of chosen ones, or the one whose gates are drawn; None
    where the run has no such chart."""
    records = chosen(view, trials)[:MOST] if key == "chosen" else []
    look = look_of(view, trials) if key in OF_GATES else None
    shown = [record.trial for record in records] if look is None else [look.facts.trial]

    def make() -> str | None:
        chart = _chart(view, key, records, look)
        if chart is None:
            return None
        words = json.dumps({"title": chart.title, "measured": chart.measured, "caption": chart.caption})
        return f'{words[:-1]}, "plot": {"null" if chart.plot is None else chart.plot.to_json()}}}'

    return view.kept.get(("figure", key, *shown), make)


def _chart(view: View, key: str, records: Sequence[TrialRecord], look: Look | None) -> Chart | None:
    if key == "chosen":
        return curves_of_chosen(view.summary, records)
    if key in CHARTS:
        return CHARTS[key](view.findings if look is None else replace(view.findings, looks=(look,)))
    return next((chart for chart in charts_of_comparison(view) if chart.key == key), None)


def charts_of_comparison(view: View) -> list[Chart]:
    """None for a search."""
    comparison = view.comparison
    return view.kept.get("comparison", lambda: comparison_charts(comparison) if comparison is not None else [])

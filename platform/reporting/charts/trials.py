"""Trials in their order, and while they learned."""

import math
from collections.abc import Sequence

import plotly.graph_objects as go

from platform.reporting.charts.chart import Chart, best_word, measured_as, states_text
from platform.reporting.charts.drawing import (
    BEST,
    FAILED,
    FINISHED,
    STOPPED,
    add_floor,
    add_trials,
    empty_plot,
    log_where_needed,
    mark_best,
)
from platform.results.curves import still_improving
from platform.results.record import TrialRecord
from platform.results.summary import RunSummary

CLOSE_RUNGS = 0.12  # of the epochs: on a phone, the width of the word
CurveStyle = tuple[str, str, float]  # colour, dash, width
CURVES: dict[str, CurveStyle] = {
    "stopped or failed": (STOPPED, "dot", 1.2),
    "finished": (FINISHED, "solid", 1.2),
    "best": (BEST, "solid", 3),
}


def score_per_trial(summary: RunSummary) -> Chart:
    """Every trial's score in the order of starting, the best so far, and the floor of copying the last frame."""
    score, finished, best = summary.score, summary.finished, summary.best
    stopped = [r for r in summary.in_state("stopped") if summary.value(r) is not None]
    if not finished and not stopped:
        return Chart("trials", "No trial has a score yet", states_text(summary))
    plot = empty_plot(x="trial, in order of starting", y=score.label, height=400)
    if stopped:
        add_trials(plot, summary, stopped, "stopped early by ASHA", STOPPED, "diamond-open")
    if finished:
        add_trials(plot, summary, finished, "finished", FINISHED, "circle")
        xs, ys = _running_best(summary)
        line = {"color": BEST, "width": 2, "shape": "hv"}
        plot.add_scatter(x=xs, y=ys, mode="lines", line=line, name="best so far", hoverinfo="skip")
    lost = [r for r in summary.records if summary.value(r) is None]
    if lost:
        plot.add_scatter(
            x=[r.trial for r in lost],
            y=[0] * len(lost),
            yaxis="y2",
            mode="markers",
            marker={"symbol": "x-thin", "size": 9, "line": {"width": 2, "color": FAILED}},
            name="without a score",
            hovertext=[f"trial {r.trial}: {r.reason or r.state}" for r in lost],
            hoverinfo="text",
        )
        plot.update_layout(yaxis_domain=[0.12, 1], yaxis2={"domain": [0, 0.09], "visible": False, "fixedrange": True})
        plot.update_xaxes(anchor="y2")
    last = max(r.trial for r in summary.records)
    log_where_needed(plot, [summary.value(r) for r in (*finished, *stopped)] + [summary.floor])
    add_floor(plot, summary, -0.5, last + 0.5)
    plot.update_xaxes(tickformat="d", range=[-0.6, last + 0.6])
    title = f"No trial finished; {len(stopped)} were stopped early"
    if best is not None:
        value = summary.value(best) or 0.0
        mark_best(plot, best, value)
        if finished:
            title = f"Trial {best.trial} has the {best_word(score)} {score.label}: {score.text(value)}"
            title += f", {score.against(value, summary.floor)}" if summary.floor is not None else ""
    caption = f"{states_text(summary)} Each mark is one training run with one seed, so close ones may differ by chance."
    return Chart("trials", title, caption, plot, measured_as(summary))


def learning_curves(summary: RunSummary) -> Chart:
    """The score of every trial after each epoch; the best one is drawn out."""
    name, best = summary.score.name, summary.best
    curves = [
        (r, [(p.get("epoch", i + 1), p[name]) for i, p in enumerate(r.curve) if name in p]) for r in summary.records
    ]
    curves = [(record, points) for record, points in curves if points]
    if not curves:
        return Chart("curves", "No learning curves were recorded", "They appear once a trial ended an epoch.")
    plot = empty_plot(x="epoch", y=summary.score.label, height=400)
    groups = {
        "stopped or failed": [c for c in curves if c[0] is not best and c[0].state != "finished"],
        "finished": [c for c in curves if c[0] is not best and c[0].state == "finished"],
        "best": [c for c in curves if c[0] is best],
    }
    for name, group in groups.items():
        if group:
            _add_curves(plot, name if name != "best" else f"trial {group[0][0].trial} (best)", group, CURVES[name])
    longest = max(points[-1][0] for _, points in curves)
    log_where_needed(plot, [y for _, points in curves for _, y in points] + [summary.floor])
    add_floor(plot, summary, min(points[0][0] for _, points in curves), max(longest, 2))
    plot.update_xaxes(tickformat="d")
    _add_rungs(plot, summary.rungs, longest)
    still = still_improving(summary.score, best) if best else None
    title = f"Validation {summary.score.label} after each epoch"
    if best is not None and still is not None:
        change = "still improved" if still else "gained little"
        title = f"The best trial {change} in the last quarter of its {best.epochs} epochs"
    rungs = " At a rung, successive halving stops the weaker ones." if summary.rungs else ""
    more = " Longer training may change the order." if still else ""
    return Chart(
        "curves",
        title,
        f"A line that ends early belongs to a trial that was stopped or failed.{rungs}{more}",
        plot,
        measured_as(summary),
    )


def _add_rungs(plot: go.Figure, rungs: Sequence[int], longest: float) -> None:
    """Named above the plot, where no curve and no floor is; of those that are close, the first is."""
    named = -math.inf
    for rung in rungs:
        plot.add_vline(x=rung, line={"color": STOPPED, "width": 1, "dash": "dot"})
        if rung - named >= CLOSE_RUNGS * longest:
            plot.add_annotation(
                x=rung, y=1, yref="paper", yanchor="bottom", showarrow=False, text="rung", font_size=11, borderpad=0
            )
            named = rung
    if rungs:
        plot.update_layout(legend_y=1.08)


def _add_curves(
    plot: go.Figure, name: str, curves: Sequence[tuple[TrialRecord, list[tuple[float, float]]]], style: CurveStyle
) -> None:
    """One trace for all of them, with gaps between: thousands of traces would take a browser seconds. A curve of one
    point is a dot."""
    color, dash, width = style
    xs: list[float | None] = []
    ys: list[float | None] = []
    told: list[str] = []
    for record, points in curves:
        xs += [*(x for x, _ in points), None]
        ys += [*(y for _, y in points), None]
        told += [f"trial {record.trial} ({record.state})"] * (len(points) + 1)
    plot.add_scatter(
        x=xs,
        y=ys,
        text=told,
        mode="lines+markers" if len(curves) == 1 or any(len(points) == 1 for _, points in curves) else "lines",
        line={"color": color, "dash": dash, "width": width},
        marker_size=5 if len(curves) == 1 else 3,
        name=name,
        hovertemplate="%{text}, epoch %{x}: %{y:.4g}<extra></extra>",
    )


def _running_best(summary: RunSummary) -> tuple[list[float], list[float]]:
    xs: list[float] = []
    ys: list[float] = []
    for record in summary.finished:
        value = summary.value(record) or 0.0
        xs.append(record.trial)
        ys.append(value if not ys or summary.score.is_better(value, ys[-1]) else ys[-1])
    return [*xs, max(r.trial for r in summary.records) + 0.5], [*ys, ys[-1]]

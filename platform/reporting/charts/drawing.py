"""The strokes that every chart is made of: an empty plot, dots for trials, a group with its mean, the floor's line.

Colours are names of the page's own (`var(--best)`), resolved in the browser for dark, light and paper; they are
Okabe and Ito's, and no chart says anything by colour alone.
"""

import math
from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from platform.results.effects import Group
from platform.results.record import TrialRecord
from platform.results.summary import RunSummary

BEST, FINISHED, STOPPED, FAILED = "var(--best)", "var(--finished)", "var(--stopped)", "var(--failed)"
INK, PAPER, PANEL, GRID, CLEAR = "var(--ink)", "var(--paper)", "var(--panel)", "var(--grid)", "rgba(0,0,0,0)"
LOG_ABOVE = 20.0  # largest over smallest score from which a linear axis hides the small ones


def empty_plot(*, x: str, y: str, height: int) -> go.Figure:
    axis = {
        "color": INK,
        "gridcolor": GRID,
        "linecolor": GRID,
        "zeroline": False,
        "automargin": True,
        "exponentformat": "none",
        "fixedrange": True,
    }
    return go.Figure(
        layout={
            "template": "none",
            "height": height,
            "paper_bgcolor": CLEAR,
            "plot_bgcolor": CLEAR,
            "font": {"color": INK, "size": 13, "family": "system-ui, sans-serif"},
            "margin": {"l": 8, "r": 16, "t": 16, "b": 8},
            "xaxis": {**axis, "title": {"text": x, "standoff": 8}},
            "yaxis": {**axis, "title": {"text": y, "standoff": 8}},
            "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "bgcolor": CLEAR},
            "hoverlabel": {"bgcolor": "var(--paper)", "font": {"color": INK}, "bordercolor": GRID},
            "dragmode": False,
        }
    )


def add_trials(
    plot: go.Figure,
    summary: RunSummary,
    records: Sequence[TrialRecord],
    name: str,
    color: str,
    symbol: str,
    x: str = "",
) -> None:
    plot.add_scatter(
        x=[record.metrics[x] if x else record.trial for record in records],
        y=[summary.value(record) for record in records],
        mode="markers",
        marker={"color": color, "size": 9, "symbol": symbol, "line": {"width": 1.5, "color": color}},
        name=name,
        hovertext=[_hover(summary, record) for record in records],
        hoverinfo="text",
    )


def add_group(
    plot: go.Figure,
    summary: RunSummary,
    group: Group,
    place: float,
    color: str,
    symbol: str,
    name: str,
) -> None:
    """Dots for trials; below them, larger, their mean and interval. A name enters the legend once."""
    if group.mean is None:
        return
    named = {trace.name for trace in plot.data}
    plot.add_scatter(
        x=group.scores,
        y=[place - 0.14] * len(group.scores),
        mode="markers",
        marker={"color": color, "size": 7, "symbol": symbol, "opacity": 0.65},
        hovertext=[
            f"trial {trial}: {summary.score.text(s)}" for trial, s in zip(group.trials, group.scores, strict=True)
        ],
        hoverinfo="text",
        name=name,
        legendgroup=name,
        showlegend=name not in named,
    )
    mean, text = "mean (95 % interval)", f"mean {summary.score.text(group.mean)}"
    if group.interval is not None:
        low, high = map(summary.score.text, group.interval)
        text += f" (95 %: {low} to {high})"
    plot.add_scatter(
        x=[group.mean],
        y=[place + 0.22],
        mode="markers",
        marker={"color": INK, "size": 11, "symbol": "diamond"},
        error_x=error_bars([group.mean], [group.interval], INK) if group.interval else None,
        hovertext=text,
        hoverinfo="text",
        name=mean,
        legendgroup=mean,
        showlegend=mean not in named,
    )


def error_bars(means: Sequence[float], intervals: Sequence[tuple[float, float]], color: str) -> dict[str, Any]:
    """From each mean to both ends of its interval, for `error_x`."""
    return {
        "array": [high - mean for mean, (_, high) in zip(means, intervals, strict=True)],
        "arrayminus": [mean - low for mean, (low, _) in zip(means, intervals, strict=True)],
        "color": color,
        "thickness": 2,
        "width": 6,
    }


def mark_best(plot: go.Figure, best: TrialRecord, value: float) -> None:
    marker = {"color": BEST, "size": 13, "symbol": "star", "line": {"width": 1, "color": "var(--paper)"}}
    plot.add_scatter(
        x=[best.trial], y=[value], mode="markers", marker=marker, name=f"best, trial {best.trial}", hoverinfo="skip"
    )


def add_floor(plot: go.Figure, summary: RunSummary, start: float, end: float) -> None:
    """Call it when the axis has its type: annotations on a logarithmic axis are placed by the logarithm."""
    if summary.floor is None or not math.isfinite(summary.floor):
        return
    line = {"color": INK, "dash": "dash", "width": 1.5}
    plot.add_scatter(x=[start, end], y=[summary.floor] * 2, mode="lines", line=line, showlegend=False, hoverinfo="skip")
    height = math.log10(summary.floor) if plot.layout.yaxis.type == "log" else summary.floor
    plot.add_annotation(
        x=end,
        y=height,
        yshift=11,
        xanchor="right",
        showarrow=False,
        text=f"copying the last frame: {summary.score.text(summary.floor)}",
        font={"size": 12, "color": INK},
        bgcolor="var(--paper)",
        borderpad=0,
    )


def log_where_needed(plot: go.Figure, values: Sequence[float | None]) -> None:
    positive = [value for value in values if value is not None and math.isfinite(value)]
    if positive and min(positive) > 0 and max(positive) / min(positive) > LOG_ABOVE:
        plot.update_layout(yaxis_type="log")
        plot.layout.yaxis.title.text += ", logarithmic"


def _hover(summary: RunSummary, record: TrialRecord) -> str:
    drawn = ", ".join(record.sources) or "no source"
    lines = [f"<b>trial {record.trial}</b> ({record.state})", drawn, f"{record.epochs} epochs"]
    lines += [f"{o.label}: {o.text(summary.value(record, o))}" for o in summary.objectives]
    return "<br>".join(lines)


def empty_panels(rows: int, columns: int, *, height: int, shared_y: bool = False) -> go.Figure:
    """Small plots side by side, in the style of `empty_plot`. `shared_y`: a row has one y axis, at its left."""
    model = empty_plot(x="", y="", height=height).layout
    plot = make_subplots(
        rows=rows,
        cols=columns,
        horizontal_spacing=0.2 / columns if shared_y else 0.11,
        vertical_spacing=0.5 / (rows + 1),
        shared_yaxes=shared_y,
    )
    axis = {key: value for key, value in model.xaxis.to_plotly_json().items() if key != "title"}
    kept = {key: model[key] for key in ("paper_bgcolor", "plot_bgcolor", "font", "margin", "legend", "hoverlabel")}
    plot.update_layout(template="none", height=height, dragmode=False, **kept)
    plot.update_xaxes(**axis, nticks=3, tickangle=0, title_font_size=13)  # a phone has room for no more
    plot.update_yaxes(**axis, title_font_size=13)
    return plot

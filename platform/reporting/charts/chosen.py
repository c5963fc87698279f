"""A few chosen trials beside each other."""

import math
from collections.abc import Sequence
from itertools import cycle
from typing import NamedTuple

import plotly.graph_objects as go

from platform.reporting.charts.chart import Chart, best_word, measured_as
from platform.reporting.charts.drawing import (
    BEST,
    FAILED,
    FINISHED,
    INK,
    PAPER,
    add_floor,
    empty_plot,
    log_where_needed,
)
from platform.results.record import TrialRecord
from platform.results.summary import RunSummary

COLORS, DASHES = (BEST, FINISHED, FAILED, INK), ("solid", "dash", "dot")
HEIGHT, ROOM = 380, 72  # pixels; room right of the lines for their names
APART = 0.06  # of the height of the axis, that names need between them
EDGE = 0.05  # of an axis, beyond the outermost points


class End(NamedTuple):
    """Of a line: where it ends, and in which colour it is."""

    name: str
    epoch: float
    value: float
    color: str


def curves_of_chosen(summary: RunSummary, records: Sequence[TrialRecord]) -> Chart:
    """How each learned: a line each, that differ in dash where they share a colour, named beside its end."""
    curves = {record.trial: points for record in records if (points := _points(record, summary.score.name))}
    if not curves:
        return Chart("chosen", "None of them has ended an epoch", "")
    plot = empty_plot(x="epoch", y=summary.score.label, height=HEIGHT)
    styles = ((color, dash) for dash in cycle(DASHES) for color in COLORS)
    ends = []
    for (trial, points), (color, dash) in zip(curves.items(), styles, strict=False):
        plot.add_scatter(
            x=[x for x, _ in points],
            y=[y for _, y in points],
            mode="lines+markers",
            line={"color": color, "dash": dash, "width": 2},
            marker_size=5,
            name=f"trial {trial}",
            hovertemplate=f"trial {trial}, epoch %{{x}}: %{{y:.4g}}<extra></extra>",
        )
        ends.append(End(f"trial {trial}", *points[-1], color))
    values = [y for points in curves.values() for _, y in points]
    if summary.floor is not None and math.isfinite(summary.floor):
        values.append(summary.floor)
    log_where_needed(plot, values)
    epochs = (min(points[0][0] for points in curves.values()), max(2, *(end.epoch for end in ends)))
    add_floor(plot, summary, *epochs)
    _name_ends(plot, ends, epochs, values)
    scored = [record for record in records if record.trial in curves and summary.value(record) is not None]
    title = f"Validation {summary.score.label} after each epoch"
    if len(scored) > 1:
        best = min(scored, key=lambda record: summary.score.signed(summary.value(record) or 0.0))
        title = f"Of these, trial {best.trial} has the {best_word(summary.score)} {summary.score.label}"
        title += f": {summary.score.text(summary.value(best))}"
    return Chart("chosen", title, "Each line is one training run with one seed.", plot, measured_as(summary))


def _points(record: TrialRecord, score: str) -> list[tuple[float, float]]:
    points = [(point.get("epoch", n), point.get(score, math.nan)) for n, point in enumerate(record.curve, 1)]
    return [(epoch, value) for epoch, value in points if math.isfinite(value)]


def _name_ends(plot: go.Figure, ends: Sequence[End], epochs: tuple[float, float], values: Sequence[float]) -> None:
    """Right of each end its name, with a stroke to it; names stand one above the other in the order of the ends."""
    on_axis = math.log10 if plot.layout.yaxis.type == "log" else float
    low, high = on_axis(min(values)), on_axis(max(values))
    beyond, beside = EDGE * (high - low or 1), EDGE * (epochs[1] - epochs[0] or 1)
    low, high = low - beyond, high + beyond
    plot.update_xaxes(tickformat="d", range=[epochs[0] - beside, epochs[1] + beside])
    plot.update_yaxes(range=[low, high])
    plot.update_layout(showlegend=False, margin_r=ROOM)
    ordered = sorted(ends, key=lambda end: end.value)
    heights = _apart([on_axis(end.value) for end in ordered], APART * (high - low), high)
    for end, height in zip(ordered, heights, strict=True):
        plot.add_annotation(
            x=end.epoch,
            y=on_axis(end.value),
            ax=end.epoch + beside,
            ay=height,
            axref="x",
            ayref="y",
            xanchor="left",
            text=end.name,
            font={"color": end.color, "size": 12},
            bgcolor=PAPER,
            borderpad=0,
            arrowhead=0,
            arrowwidth=1,
            arrowcolor=end.color,
            standoff=4,
        )


def _apart(heights: Sequence[float], gap: float, top: float) -> list[float]:
    """From the lowest up, each at least `gap` above the one before, and none above `top`."""
    placed: list[float] = []
    for height in heights:
        placed.append(max(height, placed[-1] + gap) if placed else height)
    for number in reversed(range(len(placed))):
        above = placed[number + 1] - gap if number + 1 < len(placed) else top
        placed[number] = min(placed[number], above)
    return placed

"""How well a radar's events are foretold: the heavier, and the further ahead."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import plotly.graph_objects as go

from platform.reporting.charts.chart import Chart
from platform.reporting.charts.drawing import BEST, INK, empty_panels
from platform.results.look import Look, LookFacts
from platform.results.scores import EVENTS, NARROW, shown

COLUMNS, MOST_TICKS = 2, 6  # that a phone has room for
COPYING = "copying the last frame"


@dataclass(frozen=True)
class Threshold:
    """CSI of each predicted frame, at one threshold (`0.5`): the target's, and that of copying the last frame."""

    number: str
    ours: Sequence[float | None]
    floor: Sequence[float | None]

    @property
    def gaps(self) -> dict[int, float]:
        """By how much the target is better, by the place of the frame, where both are defined."""
        pairs = enumerate(zip(self.ours, self.floor, strict=True))
        return {place: ours - floor for place, (ours, floor) in pairs if ours is not None and floor is not None}

    def told(self, lead_times: Sequence[str]) -> str:
        """Where the target is better: `up to 30 min ahead`."""
        places, better = list(self.gaps), [gap > 0 for gap in self.gaps.values()]
        won = sum(better)
        if won in (0, len(better)):
            return "at every lead time" if won else "at no lead time"
        if all(better[:won]):
            return f"up to {lead_times[places[won - 1]]} ahead"
        if all(better[-won:]):
            return f"from {lead_times[places[-won]]} ahead on"
        return f"at {won} of {len(better)} lead times"


class Line(NamedTuple):
    name: str
    scores: Sequence[float | None]
    color: str
    dash: str


def csi_chart(looks: Sequence[Look], benchmark: str) -> Chart | None:
    """CSI of the best trial at each lead time beside copying the last frame, a panel a threshold; None where it was not
    scored."""
    thresholds = _thresholds(looks[0].facts) if looks else []
    if not thresholds:
        return None
    facts, field = looks[0].facts, looks[0].facts.field
    unit, step = ("min", field.step_s / 60) if field and field.step_s else ("frames", 1)
    ahead = [round(step * place, 2) for place in range(1, len(thresholds[0].ours) + 1)]
    measured_in = field.unit if field else ""
    plot = _panels(thresholds, f"trial {facts.trial}", ahead, unit, measured_in)
    where: dict[str, list[str]] = {}
    for threshold in thresholds:
        if threshold.gaps:
            told = threshold.told([f"{time:g}{NARROW}{unit}" for time in ahead])
            where.setdefault(told, []).append(threshold.number)
    parts = [f"{told} for {_in_unit(numbers, measured_in)}" for told, numbers in where.items()]
    title = f"On these {len(facts.clips):,} clips trial {facts.trial} beats {COPYING} {', '.join(parts)}"
    if not where:
        title = f"These clips never reach {_in_unit([thresholds[0].number], measured_in)}"
    caption = (
        "CSI is hits / (hits + misses + false alarms), counted over the pixels of all clips; a hit is a pixel at or "
        "above the threshold where that was foretold. What was not measured does not count. One training run, one seed."
    )
    measured = f"{EVENTS['csi'][0]} (CSI), 0 to 1, higher is better · {benchmark}, validation"
    return Chart("csi", title, caption, plot, f"{measured}, {len(facts.clips):,} clips")


def _thresholds(facts: LookFacts) -> list[Threshold]:
    """The lowest first."""
    names = [name for name in shown(facts.horizon) if name.startswith("csi_") and name in facts.floor]
    return [Threshold(name.removeprefix("csi_"), facts.horizon[name], facts.floor[name]) for name in names]


def _panels(
    thresholds: Sequence[Threshold], trial: str, ahead: Sequence[float], unit: str, measured_in: str
) -> go.Figure:
    columns = min(COLUMNS, len(thresholds))
    rows = -(-len(thresholds) // columns)
    plot = empty_panels(rows, columns, height=100 + 150 * rows)
    values = [value for each in thresholds for value in (*each.ours, *each.floor) if value is not None]
    plot.update_yaxes(visible=False, range=[0, 1.3 * max(values, default=0) or 1], nticks=4)
    apart = -(-len(ahead) // MOST_TICKS)
    plot.update_xaxes(visible=False, range=[0.7 * ahead[0], ahead[-1] + 0.3 * ahead[0]])
    plot.update_xaxes(tickvals=ahead[apart - 1 :: apart], tickangle=0)
    plot.update_layout(showlegend=False, margin_t=28)
    named = False
    for number, each in enumerate(thresholds):
        at = {"row": number // columns + 1, "col": number % columns + 1}
        lines = (Line(trial, each.ours, BEST, "solid"), Line(COPYING, each.floor, INK, "longdash"))
        for name, scores, color, dash in lines:
            plot.add_scatter(
                x=ahead,
                y=scores,
                mode="lines+markers",
                line={"color": color, "dash": dash, "width": 2},
                marker_size=6 if dash == "solid" else 3,
                name=name,
                cliponaxis=False,
                hovertemplate=f"{name}, %{{x}} {unit} ahead: %{{y:.3f}}<extra></extra>",
                **at,
            )
        within = {"xref": "x domain", "yref": "y domain", "showarrow": False, **at}
        head = f"<b>{_in_unit([each.number], measured_in, '≥ ')}</b>"
        plot.add_annotation(x=0, y=1, text=head, xanchor="left", yanchor="bottom", **within)
        if not each.gaps:
            plot.add_annotation(x=0.5, y=0.5, text="none in these clips", **within)
        elif not named:
            _name_lines(plot, lines, ahead, list(each.gaps), at)
            named = True
        plot.update_yaxes(visible=True, title={"text": "CSI" if at["col"] == 1 else "", "standoff": 4}, **at)
        below = f"{'minutes' if unit == 'min' else unit} ahead" if number + columns >= len(thresholds) else ""
        plot.update_xaxes(visible=True, title={"text": below, "standoff": 4}, **at)
    return plot


def _name_lines(
    plot: go.Figure, lines: Sequence[Line], ahead: Sequence[float], known: Sequence[int], at: dict[str, Any]
) -> None:
    """Beside the lines: the one that begins higher above its beginning, the other at its end, on the free side."""
    first, last = known[0], known[-1]
    high, low = sorted(lines, key=lambda line: line.scores[first] or 0, reverse=True)
    free = 1 if (low.scores[last] or 0) > (high.scores[last] or 0) else -1
    for line, place, anchor, side in ((high, first, "left", 1), (low, last, "right", free)):
        plot.add_annotation(
            x=ahead[place],
            y=line.scores[place],
            text=line.name.removesuffix(" the last frame"),
            font={"color": line.color, "size": 12},
            xanchor=anchor,
            yanchor="bottom" if side > 0 else "top",
            yshift=6 * side,
            showarrow=False,
            **at,
        )


def _in_unit(numbers: Sequence[str], unit: str, sign: str = "") -> str:
    """`2, 5 and 10 mm/h`, `VIL level ≥ 16`."""
    listed = sign + (numbers[0] if len(numbers) == 1 else f"{', '.join(numbers[:-1])} and {numbers[-1]}")
    return f"{unit} {listed}" if unit.endswith("level") else f"{listed}{NARROW}{unit}"

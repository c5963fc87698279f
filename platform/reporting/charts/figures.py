"""The charts of a run, one function each. A chart's title is its finding, so that it reads without the page.

A chart that cannot be drawn says why in its place.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from platform.reporting.charts.drawing import (
    BEST,
    FAILED,
    FINISHED,
    STOPPED,
    add_floor,
    add_group,
    add_trials,
    empty_plot,
    log_where_needed,
    mark_best,
)
from platform.results.effects import MIN_FOR_INTERVAL, SourceEffect
from platform.results.importances import ROUGH_BELOW, Importances
from platform.results.record import TrialRecord
from platform.results.scores import Score, percent, plain_number
from platform.results.summary import RunSummary


@dataclass(frozen=True)
class Chart:
    """A title that says the finding, how to read it, the plot (None where there is nothing to draw), and `measured`:
    what its numbers are, in which unit, on which clips."""

    key: str
    title: str
    caption: str
    plot: go.Figure | None = None
    measured: str = ""


def score_per_trial(summary: RunSummary) -> Chart:
    """Every trial's score in the order of starting, the best so far, and the floor of copying the last frame."""
    score, finished, best = summary.score, summary.finished, summary.best
    stopped = [r for r in summary.in_state("stopped") if summary.value(r) is not None]
    if not finished and not stopped:
        return Chart("trials", "No trial has a score yet", _states(summary))
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
            title = f"Trial {best.trial} has the {_best_word(score)} {score.label}: {score.text(value)}"
            title += f", {score.against(value, summary.floor)}" if summary.floor is not None else ""
    caption = f"{_states(summary)} Each mark is one training run with one seed, so close ones may differ by chance."
    return Chart("trials", title, caption, plot, _measured(summary))


def effect_of_sources(summary: RunSummary, effects: Sequence[SourceEffect]) -> Chart:
    """For each source: scores of finished trials with it and without it, their means and intervals."""
    score = summary.score
    if not effects:
        return Chart("sources", "This run offered no sources", "There is nothing to compare.")
    drawn = [effect for effect in effects if effect.inside.scores or effect.outside.scores]
    if not drawn:
        return Chart("sources", "Too few finished trials to compare sources", _states(summary))
    height = 150 + 96 * len(drawn)
    plot = empty_plot(x=score.label, y="", height=height)
    ticks: list[tuple[float, str]] = []
    for row, effect in enumerate(drawn):
        for place, group, word in (
            (row * 3, effect.inside, "with"),
            (row * 3 + 1, effect.outside, "without"),
        ):
            color, symbol = (FINISHED, "circle") if word == "with" else (STOPPED, "square")
            add_group(plot, summary, group, place, color, symbol, name=f"a trial {word} the source")
            ticks.append((place, f"{word} <b>{effect.source}</b><br>n = {len(group.scores)}"))
    plot.update_yaxes(
        tickvals=[place for place, _ in ticks],
        ticktext=[text for _, text in ticks],
        range=[len(drawn) * 3 - 1.2, -0.8],
        showgrid=False,
        zeroline=False,
    )
    with_interval = [effect for effect in drawn if effect.interval is not None]
    clear = [effect for effect in drawn if effect.is_clear]
    title = f"No source makes a clear difference among {len(summary.finished)} finished trials"
    if not with_interval:
        title = f"Too few finished trials ({len(summary.finished)}) to say what a source does"
    elif clear:
        title = "; ".join(_finding(summary, effect) for effect in clear)
        title = title[0].upper() + title[1:]
    return Chart("sources", title, _effects_caption(), plot, _measured(summary))


def importances_chart(found: Importances) -> Chart:
    """Which settings explain the differences between scores."""
    if not found.shares:
        title = "Which settings matter cannot be said yet"
        return Chart("importances", title, found.why_not or "")
    names = list(found.shares)[::-1]
    plot = empty_plot(x="share explained", y="", height=110 + 30 * len(names))
    shares = [found.shares[name] for name in names]
    plot.add_bar(
        x=shares,
        y=names,
        orientation="h",
        marker_color=FINISHED,
        text=[percent(share) for share in shares],
        textposition="outside",
        cliponaxis=False,
        hoverinfo="skip",
    )
    plot.update_xaxes(tickformat=".0%", range=[0, min(1.12, max(shares) * 1.2)])
    top = names[-1]
    share = percent(found.shares[top])
    title = f"{top} mattered most: it explains {share} of the differences between {found.num_trials} finished trials"
    rough = " With so few trials this is rough: expect the order to change." if found.num_trials < ROUGH_BELOW else ""
    caption = "fANOVA over the settings that every trial has: that a setting mattered, not which of its values is good."
    return Chart("importances", title, caption + rough, plot)


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
    named: set[str] = set()
    for record, points in sorted(curves, key=lambda pair: pair[0] is best):
        label = "best trial" if record is best else "finished" if record.state == "finished" else "stopped or failed"
        color, dash, width = {
            "best trial": (BEST, "solid", 3),
            "finished": (FINISHED, "solid", 1.2),
            "stopped or failed": (STOPPED, "dot", 1.2),
        }[label]
        plot.add_scatter(
            x=[x for x, _ in points],
            y=[y for _, y in points],
            mode="lines+markers" if len(points) == 1 or record is best else "lines",
            line={"color": color, "dash": dash, "width": width},
            marker_size=5,
            name=f"trial {record.trial} (best)" if record is best else label,
            legendgroup=label,
            showlegend=label not in named,
            hovertemplate=f"trial {record.trial} ({record.state}), epoch %{{x}}: %{{y:.4g}}<extra></extra>",
        )
        named.add(label)
    longest = max(points[-1][0] for _, points in curves)
    log_where_needed(plot, [y for _, points in curves for _, y in points] + [summary.floor])
    add_floor(plot, summary, min(points[0][0] for _, points in curves), max(longest, 2))
    plot.update_xaxes(tickformat="d")
    still = _still_improving(summary, best) if best else None
    title = f"Validation {summary.score.label} after each epoch"
    if best is not None and still is not None:
        change = "was still improving when training ended" if still else "had levelled off when training ended"
        title = f"The best trial {change}, after {best.epochs} epochs"
    more = " Longer training may change the order." if still else ""
    return Chart(
        "curves",
        title,
        f"A line that ends early belongs to a trial that was stopped or failed.{more}",
        plot,
        _measured(summary),
    )


def pareto_front(summary: RunSummary) -> Chart | None:
    """The first two objectives against each other; None where there is only one."""
    if len(summary.objectives) < 2:
        return None
    first, second = summary.objectives[:2]
    front = [r for r in summary.pareto if r.metrics.keys() >= {first.name, second.name}]
    if not front:
        return Chart("pareto", "No finished trial has a value in every objective", _states(summary))
    rest = [r for r in summary.finished if r not in front and r.metrics.keys() >= {first.name, second.name}]
    plot = empty_plot(x=second.label, y=first.label, height=400)
    add_trials(plot, summary, rest, "beaten by one on the front", STOPPED, "circle-open", x=second.name)
    add_trials(plot, summary, front, "front", BEST, "circle", x=second.name)
    plot.data[-1].update(mode="markers+text", text=[f"trial {r.trial}" for r in front], textposition="top center")
    xs = [record.metrics[second.name] for record in (*front, *rest)]
    room = 0.12 * (max(xs) - min(xs) or 1)  # for the labels of the outermost
    plot.update_xaxes(range=[min(xs) - room, max(xs) + room])
    measured = f"{first.axis}; {second.axis} · {summary.benchmark}, validation"
    names = " and ".join(objective.label for objective in summary.objectives)
    who = "trial is" if len(front) == 1 else "trials are"
    title = f"{len(front)} of {len(summary.finished)} finished {who} not beaten in {names} at once"
    more = (
        f" The front is over all {len(summary.objectives)} objectives; two are drawn."
        if len(summary.objectives) > 2
        else ""
    )
    return Chart("pareto", title, f"Choose along the front what you can pay for.{more}", plot, measured)


def _measured(summary: RunSummary) -> str:
    return f"{summary.score.axis} · {summary.benchmark}, validation"


def _best_word(score: Score) -> str:
    return "highest" if score.higher_is_better else "lowest"


def _running_best(summary: RunSummary) -> tuple[list[float], list[float]]:
    xs: list[float] = []
    ys: list[float] = []
    for record in summary.finished:
        value = summary.value(record) or 0.0
        xs.append(record.trial)
        ys.append(value if not ys or summary.score.is_better(value, ys[-1]) else ys[-1])
    return [*xs, max(r.trial for r in summary.records) + 0.5], [*ys, ys[-1]]


def _states(summary: RunSummary) -> str:
    counted = {state: len(summary.in_state(state)) for state in ("finished", "stopped", "failed", "interrupted")}
    words = [f"{count} {state}" for state, count in counted.items() if count]
    return f"{len(summary.records)} trials: {', '.join(words)}." if words else "No trial has ended yet."


def _finding(summary: RunSummary, effect: SourceEffect) -> str:
    low, high = sorted(abs(edge) for edge in effect.interval or (0.0, 0.0))
    difference = effect.difference or 0.0
    side = "higher" if difference > 0 else "lower"
    verdict = "better" if summary.score.signed(difference) < 0 else "worse"
    span = f"95 % interval {plain_number(low)} to {plain_number(high)}"
    return f"trials with {effect.source} score {plain_number(abs(difference))} {side} ({verdict}; {span})"


def _effects_caption() -> str:
    return (
        "Means over finished trials; intervals are a bootstrap over trials, drawn from "
        f"{MIN_FOR_INTERVAL} trials on. A hint, no proof: the search repeats what looks promising, trials differ in "
        "other settings too, and weak ones that were stopped early are not in the means."
    )


def _still_improving(summary: RunSummary, best: TrialRecord) -> bool | None:
    """Whether the last quarter of training brought more than a twentieth of all that it brought; None if too short."""
    name = summary.score.name
    values = [summary.score.signed(point[name]) for point in best.curve if name in point]
    if len(values) < 4:
        return None
    late = values[-1 - max(1, len(values) // 4)] - values[-1]
    return late > 0.05 * max(values[0] - values[-1], 1e-12)

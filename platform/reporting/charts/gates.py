"""What a target drew from its sources: how much, what that was worth, and when its gates were open."""

from collections.abc import Sequence

import numpy as np

from platform.reporting.charts.chart import Chart
from platform.reporting.charts.drawing import BEST, FINISHED, INK, STOPPED, empty_panels, error_bars
from platform.results.drawn import DrawnSource
from platform.results.look import Look
from platform.results.paired import interval_over_videos, videos_of
from platform.results.scores import NARROW, percent, score, score_number, signed_number

LINES = tuple(f"var(--line-{letter})" for letter in "abcdefg")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot", "solid")
COLUMNS = 2  # a phone has room for no more
LITTLE = 0.0005  # of openness, which is told with three digits


def drawn_chart(look: Look, drawn: Sequence[DrawnSource], benchmark: str) -> Chart | None:
    """For each source the share of memory drawn from it, and by how much the error rises with its gate shut."""
    if not drawn:
        return None
    names = [source.source for source in drawn][::-1]
    ordered = list(drawn)[::-1]
    plot = empty_panels(1, 2, height=130 + 46 * len(drawn))
    plot.add_bar(
        x=[source.drawn for source in ordered],
        y=names,
        orientation="h",
        marker_color=FINISHED,
        text=[percent(source.drawn) for source in ordered],
        textposition="outside",
        cliponaxis=False,
        showlegend=False,
        hoverinfo="skip",
        row=1,
        col=1,
    )
    for source in ordered:
        color = BEST if source.is_clear else STOPPED
        plot.add_scatter(
            x=[source.worth],
            y=[source.source],
            mode="markers",
            marker={"color": color, "size": 11, "symbol": "diamond" if source.is_clear else "circle-open"},
            error_x=error_bars([source.worth], [source.interval], color) if source.interval else None,
            hovertext=f"{source.source}: {score_number(source.worth)}",
            hoverinfo="text",
            showlegend=False,
            row=1,
            col=2,
        )
    plot.add_vline(x=0, line={"color": INK, "width": 1.5, "dash": "dash"}, row=1, col=2)
    plot.update_xaxes(title={"text": "share drawn", "standoff": 4}, tickformat=".0%", row=1, col=1)
    plot.update_xaxes(title={"text": "error, gate shut", "standoff": 4}, row=1, col=2)
    plot.update_xaxes(range=[0, 1.25 * max(source.drawn for source in drawn) or 1], row=1, col=1)
    plot.update_yaxes(showgrid=False, type="category", range=[-0.5, len(drawn) - 0.5])
    plot.update_yaxes(showticklabels=False, row=1, col=2)
    title = f"Trial {look.facts.trial} draws most from {drawn[0].source}: {percent(drawn[0].drawn)} of its memory"
    if len(drawn) == 1:
        title = f"Trial {look.facts.trial} draws {percent(drawn[0].drawn)} of its memory from {drawn[0].source}"
    title += _worth_told(look, drawn)
    none = " (none here: all clips are of one video)" if drawn[0].interval is None else ""
    caption = (
        "Left: how far the memory that is carried on would differ with the gate shut, as a share of that memory. "
        f"Right: what a trained target loses when a gate is shut at evaluation, with the 95{NARROW}% interval over "
        f"videos{none}; a filled diamond where that leaves out zero. That is not what a target trained without the "
        "source would lose: it could have learned to do without."
    )
    clips = f"{len(look.facts.clips):,} clips"
    return Chart("drawn", title, caption, plot, f"{score('mse').axis} · {benchmark}, validation, {clips}")


def _worth_told(look: Look, drawn: Sequence[DrawnSource]) -> str:
    """What shutting the gate of the source that is drawn from most costs, and another's where that costs more."""
    first, costliest = drawn[0], max(drawn, key=lambda source: source.worth)
    if first.interval is None:
        return ""
    low, high = map(signed_number, first.interval)
    span = f"95{NARROW}% interval {low} to {high}"
    told = f"; with that gate shut the error does not clearly change ({signed_number(first.worth)}, {span})"
    if first.is_clear:
        side = "higher" if first.worth > 0 else "lower"
        told = f"; with that gate shut the error is {score_number(abs(first.worth))} {side} ({span})"
    if costliest is first or not (costliest.is_clear and costliest.worth > 0):
        return told
    worth = look.facts.sources
    more = np.array(worth[costliest.source].worth) - np.array(worth[first.source].worth)
    interval = interval_over_videos(more, videos_of(look.facts.clips))
    if interval is not None and interval[0] > 0:
        return (
            f", but shutting the gate of {costliest.source} costs more: the error rises by "
            f"{score_number(costliest.worth)}, against {signed_number(first.worth)}"
        )
    return f"{told}; with that of {costliest.source} shut it rises by {score_number(costliest.worth)}"


def openness_chart(look: Look, benchmark: str) -> Chart | None:
    """How open each gate is after each frame, a panel a layer."""
    facts = look.facts
    if not facts.sources:
        return None
    columns = min(COLUMNS, len(facts.layers))
    rows = -(-len(facts.layers) // columns)
    plot = empty_panels(rows, columns, height=90 + 240 * rows)
    openness = look.steps[0]  # (L, K, T-1)
    frames = list(range(1, openness.shape[-1] + 1))
    for panel, (layer, of_layer) in enumerate(zip(facts.layers, openness, strict=True)):
        at = {"row": panel // columns + 1, "col": panel % columns + 1}
        for number, (source, values) in enumerate(zip(facts.sources, of_layer, strict=True)):
            line = {"color": LINES[number % len(LINES)], "dash": DASHES[number % len(DASHES)], "width": 2.2}
            plot.add_scatter(
                x=frames,
                y=values.tolist(),
                mode="lines+markers",
                marker_size=4,
                line=line,
                name=source,
                legendgroup=source,
                showlegend=panel == 0,
                hovertemplate=f"{source}, frame %{{x}}: %{{y:.3f}}<extra></extra>",
                **at,
            )
        plot.add_vline(x=facts.input_length + 0.5, line={"color": STOPPED, "width": 1.2, "dash": "dot"}, **at)
        plot.update_xaxes(title={"text": f"frame seen, layer {layer}", "standoff": 4}, tickformat="d", **at)
        plot.update_yaxes(title={"text": "openness of the gate" if at["col"] == 1 else ""}, **at)
    caption = (
        "0 is shut, 1 is open; means over clips, channels and places. Right of the dotted line it sees its own frames."
    )
    return Chart(
        "openness", _openness_title(look), caption, plot, f"{benchmark}, validation, {len(facts.clips):,} clips"
    )


def _openness_title(look: Look) -> str:
    """Which gate is open widest, and how openness changes with the target's own frames where it does so for all."""
    openness, length = look.steps[0], look.facts.input_length  # (L, K, T-1)
    means_K, sources = openness.mean(axis=(0, 2)), list(look.facts.sources)
    widest = int(means_K.argmax())
    title = f"The gate of {sources[widest]} is open widest: {means_K[widest]:.2f} on average"
    if len(sources) == 1:
        title = f"The gate of {sources[0]} is {means_K[0]:.2f} open on average"
    later_K = openness[..., length:].mean(axis=(0, 2)) - openness[..., :length].mean(axis=(0, 2))
    if not ((later_K > LITTLE).all() or (later_K < -LITTLE).all()):
        return title
    who, least = "it is" if len(sources) == 1 else "all are", f"{np.abs(later_K).min():.3f}"
    more = "wider" if later_K[0] > 0 else "less"
    by = least if len(sources) == 1 else f"at least {least}"
    return f"{title}; over the target's own frames {who} {more} open than over observed ones, by {by}"

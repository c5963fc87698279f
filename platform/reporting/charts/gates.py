"""What a target drew from its sources: how much, what that was worth, and when its gates were open."""

from collections.abc import Sequence

from platform.reporting.charts.chart import Chart
from platform.reporting.charts.drawing import BEST, FINISHED, INK, STOPPED, empty_panels
from platform.results.drawn import DrawnSource
from platform.results.look import Look
from platform.results.scores import NARROW, percent, score, score_number

LINES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#767676")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot", "solid")


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
        low, high = source.interval or (source.worth, source.worth)
        color = BEST if source.is_clear else STOPPED
        plot.add_scatter(
            x=[source.worth],
            y=[source.source],
            mode="markers",
            marker={"color": color, "size": 11, "symbol": "diamond" if source.is_clear else "circle-open"},
            error_x={
                "array": [high - source.worth],
                "arrayminus": [source.worth - low],
                "color": color,
                "thickness": 2,
                "width": 6,
            },
            hovertext=f"{source.source}: {score_number(source.worth)}",
            hoverinfo="text",
            showlegend=False,
            row=1,
            col=2,
        )
    plot.add_vline(x=0, line={"color": INK, "width": 1.5, "dash": "dash"}, row=1, col=2)
    plot.update_xaxes(title={"text": "share of the memory drawn", "standoff": 4}, tickformat=".0%", row=1, col=1)
    plot.update_xaxes(title={"text": "rise of the error with the gate shut", "standoff": 4}, row=1, col=2)
    plot.update_xaxes(range=[0, 1.25 * max(source.drawn for source in drawn) or 1], row=1, col=1)
    plot.update_yaxes(showgrid=False, type="category")
    plot.update_yaxes(showticklabels=False, row=1, col=2)
    first = drawn[0]
    title = f"Trial {look.facts.trial} draws most from {first.source}: {percent(first.drawn)} of its memory"
    if first.is_clear:
        title += f"; without it the error is {score_number(abs(first.worth))} "
        title += "higher" if first.worth > 0 else "lower"
    elif first.interval is not None:
        title += ", but with that gate shut it predicts no worse"
    caption = (
        "Left: how far the memory that is carried on would differ with the gate shut, as a share of that memory. "
        f"Right: what a trained target loses when a gate is shut at evaluation, with the 95{NARROW}% interval over "
        "videos. That is not what a target trained without the source would lose: it could have learned to do without."
    )
    clips = f"{len(look.facts.clips):,} clips"
    return Chart("drawn", title, caption, plot, f"{score('mse').axis} · {benchmark}, validation, {clips}")


def openness_chart(look: Look, benchmark: str) -> Chart | None:
    """How open each gate is after each frame, a panel a layer."""
    facts = look.facts
    if not facts.sources:
        return None
    plot = empty_panels(1, len(facts.layers), height=330)
    openness = look.steps[0]  # (L, K, T-1)
    frames = list(range(1, openness.shape[-1] + 1))
    for column, (layer, of_layer) in enumerate(zip(facts.layers, openness, strict=True), start=1):
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
                showlegend=column == 1,
                hovertemplate=f"{source}, frame %{{x}}: %{{y:.3f}}<extra></extra>",
                row=1,
                col=column,
            )
        plot.add_vline(
            x=facts.input_length + 0.5, line={"color": STOPPED, "width": 1.2, "dash": "dot"}, row=1, col=column
        )
        plot.update_xaxes(
            title={"text": f"frame seen, layer {layer}", "standoff": 4}, tickformat="d", row=1, col=column
        )
    plot.update_yaxes(title={"text": "openness of the gate"}, row=1, col=1)
    means = {source: float(openness[:, number].mean()) for number, source in enumerate(facts.sources)}
    widest = max(means, key=lambda source: means[source])
    later = float(openness[..., facts.input_length :].mean() - openness[..., : facts.input_length].mean())
    change = "open further" if later > 0 else "close a little"
    title = f"The gate of {widest} is open widest ({means[widest]:.2f} on average)"
    title += f"; gates {change} ({later:+.3f}) once the target sees its own frames".replace("-", "−")
    caption = (
        "0 is shut, 1 is open; means over clips, channels and places. Right of the dotted line it sees its own frames."
    )
    return Chart("openness", title, caption, plot, f"{benchmark}, validation, {len(facts.clips):,} clips")

"""How a confirmed setting differs from each of its rivals: a mark and an interval each, beside the line of no
difference."""

from platform.reporting.charts.chart import Chart
from platform.reporting.charts.drawing import BEST, INK, STOPPED, empty_plot
from platform.results.confirmed import ROLES, Confirmed
from platform.results.scores import p_text, score_number


def contrasts_chart(confirmed: Confirmed, benchmark: str) -> Chart | None:
    """None where nothing can be compared yet."""
    if not confirmed.contrasts or confirmed.chosen is None:
        return None
    measure, contrasts = confirmed.measure, confirmed.contrasts
    clear = [c for c in contrasts if c.is_clear and measure.signed(c.found.mean) < 0]
    x, height = f"{measure.label}: {confirmed.chosen.name} minus the other", 130 + 44 * len(contrasts)
    plot = empty_plot(x=x, y="", height=height)
    for is_clear, color, symbol, name in (
        (True, BEST, "diamond", "clear: corrected p below 0.05"),
        (False, STOPPED, "circle-open", "no difference found"),
    ):
        rows = [(place, c) for place, c in enumerate(contrasts) if c.is_clear == is_clear]
        if not rows:
            continue
        plot.add_scatter(
            x=[c.found.mean for _, c in rows],
            y=[place for place, _ in rows],
            mode="markers",
            marker={"color": color, "size": 12, "symbol": symbol, "line": {"width": 2, "color": color}},
            error_x={
                "array": [c.found.interval[1] - c.found.mean for _, c in rows],
                "arrayminus": [c.found.mean - c.found.interval[0] for _, c in rows],
                "color": color,
                "thickness": 2,
                "width": 6,
            },
            name=name,
            hovertext=[
                f"{c.other.name}: {score_number(c.found.mean)} "
                f"({score_number(c.found.interval[0])} to {score_number(c.found.interval[1])}), p {p_text(c.p)}"
                for _, c in rows
            ],
            hoverinfo="text",
        )
    plot.add_vline(x=0, line={"color": INK, "width": 1.5, "dash": "dash"})
    texts = [f"<b>{c.other.name}</b><br>{ROLES[c.other.planned.role]}" for c in contrasts]
    plot.update_yaxes(
        tickvals=list(range(len(contrasts))),
        ticktext=texts,
        range=[len(contrasts) - 0.4, -0.6],
        showgrid=False,
        zeroline=False,
    )
    better = "left" if not measure.higher_is_better else "right"
    found = contrasts[0].found
    title = f"{confirmed.chosen.name} is clearly better than {len(clear)} of {len(contrasts)} others"
    caption = (
        f"Marks to the {better} of the dashed line mean that {confirmed.chosen.name} is better. Bars: 95 % intervals "
        "of the difference, paired by seed and clip, over both seeds and videos."
    )
    measured = (
        f"{measure.axis} · {benchmark}, test split · {found.num_seeds} seeds, {found.num_clips:,} clips of "
        f"{found.num_videos:,} videos"
    )
    return Chart("confirmed", title, caption, plot, measured)

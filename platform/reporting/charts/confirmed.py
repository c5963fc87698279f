"""How a confirmed setting differs from each of its rivals: a mark and an interval each, beside the line of no
difference."""

from platform.reporting.charts.chart import Chart
from platform.reporting.charts.drawing import BEST, INK, PAPER, STOPPED, empty_plot, error_bars
from platform.results.confirmed import Confirmed
from platform.results.scores import p_text, score_number

ROW = 58  # pixels: on a phone a setting's words stand above its mark, in two lines where they are long
MOST_LETTERS = 52  # of a line


def contrasts_chart(confirmed: Confirmed, benchmark: str) -> Chart | None:
    """None where nothing can be compared yet."""
    if not confirmed.contrasts or confirmed.chosen is None:
        return None
    measure, contrasts = confirmed.measure, confirmed.contrasts
    chosen = confirmed.chosen.name
    plot = empty_plot(x=f"{measure.label}:<br>{chosen} minus the other", y="", height=140 + ROW * len(contrasts))
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
            error_x=error_bars([c.found.mean for _, c in rows], [c.found.interval for _, c in rows], color),
            name=name,
            hovertext=[
                f"{c.other.name}: {score_number(c.found.mean)} "
                f"({score_number(c.found.interval[0])} to {score_number(c.found.interval[1])}), p {p_text(c.p)}"
                for _, c in rows
            ],
            hoverinfo="text",
        )
    plot.add_vline(x=0, line={"color": INK, "width": 1.5, "dash": "dash"})
    for place, c in enumerate(contrasts):
        apart = "<br>" if len(c.other.name) + len(c.other.what) > MOST_LETTERS else " "
        plot.add_annotation(
            x=0,
            xref="paper",
            xanchor="left",
            y=place - 0.16,
            yanchor="bottom",
            align="left",
            text=f"<b>{c.other.name}</b>{apart}{c.other.what}",
            font_size=12,
            bgcolor=PAPER,
            borderpad=0,
            showarrow=False,
        )
    plot.update_layout(showlegend=True)  # also where all marks are of one kind
    plot.update_yaxes(range=[len(contrasts) - 0.6, -0.8], visible=False)
    better = "left" if not measure.higher_is_better else "right"
    found = contrasts[0].found
    caption = (
        f"Marks to the {better} of the dashed line mean that {chosen} is better. Bars: 95 % intervals of the "
        "difference, paired by seed and clip, over both seeds and videos; they are not corrected for the number of "
        "comparisons, p is."
    )
    measured = (
        f"{measure.axis} · {benchmark}, test split · {found.num_seeds} seeds, {found.num_clips:,} clips of "
        f"{found.num_videos:,} videos"
    )
    return Chart("confirmed", _title(confirmed, chosen), caption, plot, measured)


def _title(confirmed: Confirmed, chosen: str) -> str:
    contrasts, signed = confirmed.contrasts, confirmed.measure.signed
    clear = [signed(c.found.mean) < 0 for c in contrasts if c.is_clear]
    better, worse = clear.count(True), clear.count(False)
    only = contrasts[0].other.name if len(contrasts) == 1 else None
    if not clear:
        return f"No clear difference between {chosen} and {only or f'any of {len(contrasts)} others'}"
    if only:
        return f"{chosen} is clearly {'better' if better else 'worse'} than {only}"
    parts = [f"clearly {word} than {number}" for word, number in (("better", better), ("worse", worse)) if number]
    return f"{chosen} is {' and '.join(parts)} of {len(contrasts)} others"

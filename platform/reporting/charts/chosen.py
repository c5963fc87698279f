"""A few chosen trials beside each other."""

from collections.abc import Sequence
from itertools import cycle

from platform.reporting.charts.chart import Chart, best_word, measured_as
from platform.reporting.charts.drawing import BEST, FAILED, FINISHED, INK, add_floor, empty_plot, log_where_needed
from platform.results.record import TrialRecord
from platform.results.summary import RunSummary

COLORS, DASHES = (BEST, FINISHED, FAILED, INK), ("solid", "dash", "dot")


def curves_of_chosen(summary: RunSummary, records: Sequence[TrialRecord]) -> Chart:
    """How each learned: a line each, that differ in dash where they share a colour, with its number at its end."""
    name = summary.score.name
    curves = {
        record.trial: [(point.get("epoch", n), point[name]) for n, point in enumerate(record.curve, 1) if name in point]
        for record in records
    }
    curves = {trial: points for trial, points in curves.items() if points}
    if not curves:
        return Chart("chosen", "None of them has ended an epoch", "")
    plot = empty_plot(x="epoch", y=summary.score.label, height=380)
    styles = ((color, dash) for dash in cycle(DASHES) for color in COLORS)
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
    log_where_needed(plot, [y for points in curves.values() for _, y in points] + [summary.floor])
    add_floor(plot, summary, 1, max(2, *(points[-1][0] for points in curves.values())))
    plot.update_xaxes(tickformat="d")
    scored = [record for record in records if record.trial in curves and summary.value(record) is not None]
    title = f"Validation {summary.score.label} after each epoch"
    if len(scored) > 1:
        best = min(scored, key=lambda record: summary.score.signed(summary.value(record) or 0.0))
        title = f"Of these, trial {best.trial} has the {best_word(summary.score)} {summary.score.label}"
        title += f": {summary.score.text(summary.value(best))}"
    return Chart("chosen", title, "Each line is one training run with one seed.", plot, measured_as(summary))

"""Which settings mattered, and which of their values were good."""

from collections.abc import Sequence

from platform.reporting.charts.chart import Chart, measured_as
from platform.reporting.charts.drawing import BEST, FINISHED, INK, PAPER, STOPPED, empty_panels, empty_plot
from platform.reporting.charts.drawn_settings import Axis, drawn_settings
from platform.reporting.tables import cell
from platform.results.importances import ROUGH_BELOW, Importances
from platform.results.record import TrialRecord
from platform.results.scores import percent
from platform.results.summary import RunSummary

MOST_PANELS = 9
MOST_AXES = 9


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


def settings_against_score(summary: RunSummary, by_importance: Sequence[str]) -> Chart | None:
    """Each setting that differs between finished trials, a panel each; None where none does."""
    drawn = drawn_settings(summary, by_importance)[:MOST_PANELS]
    if not drawn:
        return None
    columns = min(3, len(drawn))
    rows = -(-len(drawn) // columns)
    plot = empty_panels(rows, columns, height=60 + 250 * rows)
    for number, setting in enumerate(drawn):
        place = {"row": number // columns + 1, "col": number % columns + 1}
        plot.add_scatter(
            x=setting.shown,
            y=[summary.value(record) for record in setting.records],
            mode="markers",
            marker={"color": FINISHED, "size": 8, "opacity": 0.75},
            hovertext=[
                f"trial {record.trial}: {setting.name} {cell(setting.of(record))}" for record in setting.records
            ],
            hoverinfo="text",
            showlegend=False,
            **place,
        )
        if (best := summary.best) in setting.records:
            plot.add_scatter(
                x=[setting.shown[setting.records.index(best)]],
                y=[summary.value(best)],
                mode="markers",
                marker={"color": BEST, "size": 13, "symbol": "star"},
                name=f"best, trial {best.trial}",
                showlegend=number == 0,
                hoverinfo="skip",
                **place,
            )
        plot.update_xaxes(title={"text": setting.name, "standoff": 4}, type=setting.axis, **place)
        plot.update_yaxes(title={"text": summary.score.label if number % columns == 0 else ""}, **place)
    strongest = max(drawn, key=lambda setting: abs(setting.correlation(summary)))
    rho = strongest.correlation(summary)
    title = "No setting clearly goes with the score in one direction"
    if strongest.is_clear(summary):
        better = summary.score.signed(rho) < 0
        title = f"{strongest.name} goes with the score most: the higher it is, the {'better' if better else 'worse'}"
        title += f" (rank correlation {rho:+.2f}, {len(strongest.records)} trials)".replace("-", "−")
    caption = "Finished trials. Where a search repeats what looks promising, marks crowd there: that is no evidence."
    return Chart("settings", title, caption, plot, measured_as(summary))


def parallel_coordinates(summary: RunSummary, by_importance: Sequence[str]) -> Chart | None:
    """A line a finished trial through its settings, to its score; None below two trials or settings."""
    drawn = drawn_settings(summary, by_importance, each_source=True)[:MOST_AXES]
    records = list(summary.finished)
    if len(records) < 2 or not drawn:
        return None
    axes = [setting.axis_of(records) for setting in drawn] + [_score_axis(summary, records)]
    plot = empty_plot(x="", y="", height=460)
    best = sorted(records, key=lambda record: summary.score.signed(summary.value(record) or 0.0))
    place = {record.trial: number for number, record in enumerate(records)}
    for name, group, color, width, dash in (
        ("worse half", best[-(-len(best) // 2) :], STOPPED, 0.8, "dot"),
        ("better half", best[len(best) // 5 : -(-len(best) // 2)], FINISHED, 1.0, "solid"),
        ("best fifth", best[: max(1, len(best) // 5)], BEST, 1.8, "solid"),
    ):
        xs: list[float | None] = []
        ys: list[float | None] = []
        for record in group:
            xs += [*range(len(axes)), None]
            ys += [*(axis.heights[place[record.trial]] for axis in axes), None]
        line = {"color": color, "width": width, "dash": dash}
        plot.add_scatter(x=xs, y=ys, mode="lines", line=line, name=name, hoverinfo="skip", connectgaps=False)
    for number, axis in enumerate(axes):
        plot.add_vline(x=number, line={"color": INK, "width": 1})
        for height, text in axis.ticks:
            plot.add_annotation(
                x=number, y=height, text=text, showarrow=False, xanchor="left", xshift=4, font_size=11, bgcolor=PAPER
            )
    plot.update_xaxes(
        tickvals=list(range(len(axes))),
        ticktext=[axis.name for axis in axes],
        range=[-0.45, len(axes) - 0.4],
        showgrid=False,
        side="bottom",
    )
    plot.update_yaxes(visible=False, range=[-0.06, 1.06])
    few = best[: max(2, len(best) // 5)]
    same = [
        f"{setting.name} {cell(setting.of(few[0]))}"
        for setting in drawn
        if setting.kind == "choice" and len({cell(setting.of(record)) for record in few}) == 1
    ]
    title = f"The best {len(few)} of {len(records)} finished trials have nothing but their scores in common"
    if same:
        title = f"The best {len(few)} of {len(records)} finished trials share {', '.join(same[:3])}"
    caption = "A line a trial, through its settings to its score: higher is better. A dash: no effect without sources."
    return Chart("parallel", title, caption, plot, measured_as(summary))


def _score_axis(summary: RunSummary, records: Sequence[TrialRecord]) -> Axis:
    """The better, the higher."""
    values = [summary.value(record) or 0.0 for record in records]
    low, high = sorted((min(values), max(values)), key=summary.score.signed, reverse=True)
    heights = [(value - low) / (high - low) if high != low else 0.5 for value in values]
    ticks = [(0.0, summary.score.text(low)), (1.0, summary.score.text(high))] if high != low else []
    return Axis(summary.score.name, heights, ticks)

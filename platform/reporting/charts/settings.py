"""Which settings mattered, and which of their values were good."""

from collections.abc import Sequence

from platform.reporting.charts.chart import Chart, measured_as
from platform.reporting.charts.drawing import BEST, FINISHED, INK, PAPER, STOPPED, empty_panels, empty_plot
from platform.reporting.charts.drawn_settings import SOURCE, Axis, DrawnSetting, drawn_settings
from platform.reporting.tables import cell
from platform.results.effects import MIN_FOR_INTERVAL
from platform.results.importances import ROUGH_BELOW, Importances
from platform.results.paired import SIGNIFICANT
from platform.results.record import TrialRecord
from platform.results.scores import percent
from platform.results.summary import RunSummary

MOST_PANELS, COLUMNS = 9, 2  # a phone has no room for the ticks of three
MOST_AXES = 9


def importances_chart(found: Importances, summary: RunSummary) -> Chart:
    """Which settings explain the differences between scores."""
    if not found.shares:
        title = "Which settings matter cannot be said yet"
        return Chart("importances", title, found.why_not or "")
    names = list(found.shares)[::-1]
    plot = empty_plot(x="share explained", y="", height=110 + 30 * len(names))
    shares = [found.shares[name] for name in names]
    rare = _rare_values(found, summary)
    plot.add_bar(
        x=shares,
        y=names,
        orientation="h",
        marker_color=FINISHED,
        marker_pattern={"shape": ["/" if name in rare else "" for name in names], "solidity": 0.5},
        text=[percent(share) for share in shares],
        textposition="outside",
        cliponaxis=False,
        hoverinfo="skip",
    )
    plot.update_xaxes(tickformat=".0%", range=[0, min(1.12, max(shares) * 1.2)])
    plot.update_yaxes(showgrid=False)
    caption = "fANOVA over the settings that every trial has: that a setting mattered, not which of its values is good."
    if rare:
        caption += f" Hatched: the share rests on a value that fewer than {MIN_FOR_INTERVAL} finished trials have."
    if found.num_trials < ROUGH_BELOW:
        caption += " With so few trials this is rough: expect the order to change."
    return Chart("importances", _importances_title(found, names[-1], rare.get(names[-1])), caption, plot)


def _rare_values(found: Importances, summary: RunSummary) -> dict[str, tuple[str, int]]:
    """By the name of an importance: a value that too few trials have for saying what it does, and how many have it."""
    rare = {}
    for setting in drawn_settings(summary, list(found.shares), each_source=True):
        if (rarest := setting.rarest) is not None and rarest[1] < MIN_FOR_INTERVAL:
            rare[setting.name.replace(SOURCE, "source.")] = rarest
    return rare


def _importances_title(found: Importances, top: str, rare: tuple[str, int] | None) -> str:
    share, n = percent(found.shares[top]), f"{found.num_trials} finished trials"
    if rare is not None:
        value, count = rare
        have = f"{'has' if count == 1 else 'have'} it at {value}"
        if top.startswith("source."):
            have = f"{'is' if count == 1 else 'are'} {'with' if value == 'yes' else 'without'} it"
        return f"{top} stands first with {share} of the differences, but only {count} of {n} {have}"
    if found.num_trials < ROUGH_BELOW:
        return f"{top} may have mattered most: it explains about {share} of the differences between {n}"
    return f"{top} mattered most: it explains {share} of the differences between {n}"


def settings_against_score(summary: RunSummary, by_importance: Sequence[str]) -> Chart | None:
    """Each setting that differs between finished trials, a panel each; None where none does."""
    drawn = drawn_settings(summary, by_importance)[:MOST_PANELS]
    if not drawn:
        return None
    columns = min(COLUMNS, len(drawn))
    rows = -(-len(drawn) // columns)
    plot = empty_panels(rows, columns, height=60 + 220 * rows, shared_y=True)
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
        if setting.kind == "choice":
            plot.update_xaxes(tickangle=None, **place)  # words may stand aslant
        plot.update_yaxes(title={"text": summary.score.label if number % columns == 0 else ""}, **place)
    caption = (
        "Finished trials. Where a search repeats what looks promising, marks crowd there: that is no evidence. A rank "
        "correlation is called clear where p is below 0.05, corrected for the settings here that are numbers."
    )
    return Chart("settings", _trend_title(summary, drawn), caption, plot, measured_as(summary))


def _trend_title(summary: RunSummary, drawn: Sequence[DrawnSetting]) -> str:
    found = [(setting, trend) for setting in drawn if (trend := setting.trend(summary)) is not None]
    if not found:
        return f"The {summary.score.label} of {len(summary.finished)} finished trials beside each of their settings"
    strongest, trend = min(found, key=lambda each: each[1].p)
    if trend.p * len(found) >= SIGNIFICANT:
        return f"No setting clearly goes with the score in one direction, in {len(summary.finished)} finished trials"
    better = "better" if summary.score.signed(trend.rho) < 0 else "worse"
    title = f"{strongest.name} goes with the score: the higher it is, the {better}"
    return title + f" (rank correlation {trend.rho:+.2f}, {len(strongest.records)} trials)".replace("-", "−")


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
    caption = "A line a trial, through its settings to its score: higher is better. A dash: no effect without sources."
    return Chart("parallel", _common_title(drawn, best), caption, plot, measured_as(summary))


def _common_title(drawn: Sequence[DrawnSetting], best: Sequence[TrialRecord]) -> str:
    """What the best share, and how many others have it too: what all have, the best do as well."""
    num_few = max(2, len(best) // 5)
    few, others = best[:num_few], best[num_few:]
    shared = []
    for setting in drawn:
        there = {record.trial: cell(setting.of(record)) for record in setting.records}
        values = {there.get(record.trial) for record in few}
        if setting.kind == "choice" and len(values) == 1 and (value := values.pop()) is not None:
            shared.append((sum(there.get(record.trial) == value for record in others), f"{setting.name} {value}"))
    title = f"The best {len(few)} of {len(best)} finished trials"
    if not shared:
        return f"{title} agree in none of the choices drawn here"
    (count, first), *rest = sorted(shared)[:3]
    also = "".join(f", {text} ({number})" for number, text in rest)
    return f"{title} have {first} ({count} of the other {len(others)} do too){also}"


def _score_axis(summary: RunSummary, records: Sequence[TrialRecord]) -> Axis:
    """The better, the higher."""
    values = [summary.value(record) or 0.0 for record in records]
    low, high = sorted((min(values), max(values)), key=summary.score.signed, reverse=True)
    heights = [(value - low) / (high - low) if high != low else 0.5 for value in values]
    ticks = [(0.0, summary.score.text(low)), (1.0, summary.score.text(high))] if high != low else []
    return Axis(summary.score.name, heights, ticks)

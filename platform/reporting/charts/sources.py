"""What each source did, alone and beside another."""

from collections.abc import Sequence

from platform.reporting.charts.chart import Chart, measured_as, states_text
from platform.reporting.charts.drawing import FINISHED, STOPPED, add_group, empty_plot
from platform.results.effects import MIN_FOR_INTERVAL, PairEffect, SourceEffect
from platform.results.scores import plain_number, score_number
from platform.results.summary import RunSummary

BETTER_IS_LOWER = [[0, "#0072b2"], [0.5, "#f2f2f2"], [1, "#d55e00"]]
BETTER_IS_HIGHER = [[0, "#d55e00"], [0.5, "#f2f2f2"], [1, "#0072b2"]]


def effect_of_sources(summary: RunSummary, effects: Sequence[SourceEffect]) -> Chart:
    """For each source: scores of finished trials with it and without it, their means and intervals."""
    score = summary.score
    if not effects:
        return Chart("sources", "This run offered no sources", "There is nothing to compare.")
    drawn = [effect for effect in effects if effect.inside.scores or effect.outside.scores]
    if not drawn:
        return Chart("sources", "Too few finished trials to compare sources", states_text(summary))
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
    return Chart("sources", title, _effects_caption(), plot, measured_as(summary))


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


def pairs_of_sources(summary: RunSummary, pairs: Sequence[PairEffect]) -> Chart | None:
    """Which two sources do more, or less, together than the sum of what each does; None below two sources."""
    if not pairs:
        return None
    known = [pair for pair in pairs if pair.interaction is not None]
    if not known:
        return Chart("pairs", "Too few finished trials to see how two sources act together", states_text(summary))
    names = list(dict.fromkeys([pair.first for pair in pairs] + [pair.second for pair in pairs]))
    rows, columns = names[1:], names[:-1]
    values: list[list[float | None]] = [[None] * len(columns) for _ in rows]
    texts = [[""] * len(columns) for _ in rows]
    for pair in pairs:
        row, column = rows.index(pair.second), columns.index(pair.first)
        values[row][column] = pair.interaction
        texts[row][column] = _pair_text(pair)
    largest = max(abs(pair.interaction or 0.0) for pair in known) or 1.0
    plot = empty_plot(x="", y="", height=170 + 62 * len(rows))
    plot.add_heatmap(
        x=columns,
        y=rows,
        z=values,
        zmin=-largest,
        zmax=largest,
        colorscale=BETTER_IS_HIGHER if summary.score.higher_is_better else BETTER_IS_LOWER,
        text=texts,
        texttemplate="%{text}",
        textfont={"color": "#1b1f23"},
        xgap=3,
        ygap=3,
        hoverinfo="skip",
        colorbar={"title": {"text": "beyond<br>the sum", "side": "top"}, "thickness": 14, "outlinewidth": 0},
    )
    plot.update_xaxes(showgrid=False)
    plot.update_yaxes(showgrid=False, autorange="reversed")
    clear = [pair for pair in known if pair.is_clear]
    title = f"No two sources clearly do more or less together than apart, in {len(summary.finished)} finished trials"
    if clear:
        strongest = max(clear, key=lambda pair: abs(pair.interaction or 0.0))
        side = "better" if summary.score.signed(strongest.interaction or 0.0) < 0 else "worse"
        title = f"{strongest.first} and {strongest.second} together are {side} than the sum of what each does"
    caption = (
        f"Blue: together the {summary.score.label} is better than what each does alone adds up to; orange: worse. "
        "A star marks an interval that leaves out zero; n counts trials with both, only the first, only the second, "
        "and neither. The same warning as above: a hint, no proof."
    )
    return Chart("pairs", title, caption, plot, measured_as(summary))


def _pair_text(pair: PairEffect) -> str:
    n = "n = " + ", ".join(map(str, pair.counts))
    if pair.interaction is None:
        return f"–<br>{n}"
    sign = "−" if pair.interaction < 0 else "+"
    return f"<b>{sign}{score_number(abs(pair.interaction))}</b>{' ★' if pair.is_clear else ''}<br>{n}"

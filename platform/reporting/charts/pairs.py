"""What two sources did together, beyond the sum of what each did."""

from collections.abc import Sequence

import plotly.graph_objects as go

from platform.reporting.charts.chart import Chart, measured_as, states_text
from platform.reporting.charts.drawing import INK, PANEL, empty_plot
from platform.results.effects import MIN_FOR_INTERVAL, PairEffect
from platform.results.scores import NARROW, Score, score_number, signed_number
from platform.results.summary import RunSummary

# Bright enough for dark letters, in both themes; pale, the page's own letters are read on them.
BETTER, NEITHER, WORSE = "86, 180, 233", "242, 242, 242", "255, 157, 77"
DARK, PALE = "#1b1f23", 0.25
MOST_IN_WORDS = 5  # sources: of more, a phone's cells have room for a number that stands upright

Colorscale = list[tuple[float, str]]


def pairs_of_sources(summary: RunSummary, pairs: Sequence[PairEffect]) -> Chart | None:
    """Which two sources do more, or less, together than the sum of what each does; None below two sources."""
    if not pairs:
        return None
    empty = [pair for pair in pairs if pair.interaction is None]
    clear = [pair for pair in pairs if pair.is_clear]
    unclear = [pair for pair in pairs if pair not in empty and pair not in clear]
    if len(empty) == len(pairs):
        return Chart("pairs", "Too few finished trials to see how two sources act together", states_text(summary))
    names = list(dict.fromkeys([pair.first for pair in pairs] + [pair.second for pair in pairs]))
    largest = max(abs(pair.interaction or 0.0) for pair in pairs) or 1.0
    plot = empty_plot(x="", y="", height=90 + 66 * (len(names) - 1))
    for name, group, colors, letters in (
        ("empty", empty, [(0.0, PANEL), (1.0, PANEL)], INK),
        ("unclear", unclear, _colorscale(summary.score, PALE), INK),
        ("clear", clear, _colorscale(summary.score, 1), DARK),
    ):
        _add_cells(plot, name, group, names, largest, colors, letters)
    plot.update_xaxes(showgrid=False, type="category", categoryarray=names[:-1])
    plot.update_yaxes(showgrid=False, type="category", categoryarray=names[1:], autorange="reversed")
    n = "n" if len(names) <= MOST_IN_WORDS else "Under a finger or the pointer, n"
    caption = (
        f"Blue: together the {summary.score.label} is better than what each does alone adds up to; orange: worse. Full "
        "colour and a star mark a p-value (Welch's test) below 0.05, corrected for the number of pairs; pale is "
        f"unclear, also where one of four groups has fewer than {MIN_FOR_INTERVAL} trials. {n} counts trials with "
        "both, only the first, only the second, and neither. The same warning as above: a hint, no proof."
    )
    return Chart("pairs", _title(summary, pairs, clear), caption, plot, measured_as(summary))


def _add_cells(
    plot: go.Figure,
    name: str,
    pairs: Sequence[PairEffect],
    names: Sequence[str],
    largest: float,
    colors: Colorscale,
    letters: str,
) -> None:
    """A layer of the map: the cells of `pairs`, the others left out."""
    values = {(pair.second, pair.first): pair.interaction or 0.0 for pair in pairs}
    texts = {(pair.second, pair.first): _text(pair) for pair in pairs}
    in_words = len(names) <= MOST_IN_WORDS
    plot.add_heatmap(
        name=name,
        x=names[:-1],
        y=names[1:],
        z=[[values.get((row, column)) for column in names[:-1]] for row in names[1:]],
        zmin=-largest,
        zmax=largest,
        colorscale=colors,
        showscale=False,
        text=[[texts.get((row, column), "") for column in names[:-1]] for row in names[1:]],
        texttemplate="%{text}" if in_words else None,
        textfont={"color": letters},
        xgap=3,
        ygap=3,
        hoverinfo="skip" if in_words else "text",
        hoverongaps=False,
    )
    for pair in pairs if not in_words else ():
        plot.add_annotation(
            x=pair.first,
            y=pair.second,
            text=_number(pair),
            textangle=-90,
            font={"color": letters, "size": 12},
            borderpad=0,
            showarrow=False,
        )


def _title(summary: RunSummary, pairs: Sequence[PairEffect], clear: Sequence[PairEffect]) -> str:
    num_finished, num_unknown = len(summary.finished), sum(pair.interval is None for pair in pairs)
    if num_unknown == len(pairs):
        return f"Too few finished trials ({num_finished}) to say how two sources act together"
    if not clear:
        title = f"No two sources clearly do more or less together than apart, in {num_finished} finished trials"
        return f"{title}; too few to tell for {num_unknown} of {len(pairs)} pairs" if num_unknown else title
    strongest = max(clear, key=lambda pair: abs(pair.interaction or 0.0))
    side = "better" if summary.score.signed(strongest.interaction or 0.0) < 0 else "worse"
    low, high = map(score_number, sorted(abs(edge) for edge in strongest.interval or (0.0, 0.0)))
    return (
        f"{strongest.first} and {strongest.second} together are {side} than the sum of what each does, by "
        f"{score_number(abs(strongest.interaction or 0.0))} (95{NARROW}% interval {low} to {high})"
    )


def _text(pair: PairEffect) -> str:
    n = "n = " + ", ".join(map(str, pair.counts))
    if pair.interaction is None:
        return f"too few trials<br>{n}"
    return f"{_number(pair)}<br>{n}" if pair.is_clear else f"{_number(pair)}, unclear<br>{n}"


def _number(pair: PairEffect) -> str:
    if pair.interaction is None:
        return "–"
    number = signed_number(pair.interaction)
    return f"<b>{number} ★</b>" if pair.is_clear else number


def _colorscale(score: Score, opacity: float) -> Colorscale:
    ends = (WORSE, BETTER) if score.higher_is_better else (BETTER, WORSE)
    return [(place, f"rgba({rgb}, {opacity})") for place, rgb in ((0.0, ends[0]), (0.5, NEITHER), (1.0, ends[1]))]

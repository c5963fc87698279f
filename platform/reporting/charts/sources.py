"""What each source did to the score."""

from collections.abc import Sequence

from platform.reporting.charts.chart import Chart, measured_as, states_text
from platform.reporting.charts.drawing import FINISHED, STOPPED, add_group, empty_plot
from platform.results.effects import MIN_FOR_INTERVAL, SourceEffect
from platform.results.scores import plain_number
from platform.results.summary import RunSummary


def effect_of_sources(summary: RunSummary, effects: Sequence[SourceEffect]) -> Chart:
    """For each source: scores of finished trials with it and without it, their means and intervals."""
    score = summary.score
    if not effects:
        return Chart("sources", "This run offered no sources", "There is nothing to compare.")
    drawn = [effect for effect in effects if effect.inside.scores or effect.outside.scores]
    if not drawn:
        return Chart("sources", "Too few finished trials to compare sources", states_text(summary))
    plot = empty_plot(x=score.label, y="", height=140 + 112 * len(drawn))
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
    return Chart("sources", _title(summary, drawn), _effects_caption(), plot, measured_as(summary))


def _title(summary: RunSummary, drawn: Sequence[SourceEffect]) -> str:
    clear = [effect for effect in drawn if effect.is_clear]
    unknown = [effect.source for effect in drawn if effect.interval is None]
    if len(unknown) == len(drawn):
        return f"Too few finished trials ({len(summary.finished)}) to say what a source does"
    if clear:
        title = "; ".join(_finding(summary, effect) for effect in clear)
        return title[0].upper() + title[1:]
    title = f"No source makes a clear difference among {len(summary.finished)} finished trials"
    return f"{title}; too few to tell for {', '.join(unknown)}" if unknown else title


def _finding(summary: RunSummary, effect: SourceEffect) -> str:
    low, high = sorted(abs(edge) for edge in effect.interval or (0.0, 0.0))
    difference = effect.difference or 0.0
    side = "higher" if difference > 0 else "lower"
    verdict = "better" if summary.score.signed(difference) < 0 else "worse"
    counts = f"{len(effect.inside.scores)} against {len(effect.outside.scores)} trials"
    span = f"95 % interval {plain_number(low)} to {plain_number(high)}, {counts}"
    return f"trials with {effect.source} score {plain_number(abs(difference))} {side} ({verdict}; {span})"


def _effects_caption() -> str:
    return (
        f"Means over finished trials with their 95 % intervals, from {MIN_FOR_INTERVAL} trials on. A difference is "
        "clear where its p-value (Welch's test), corrected for the number of sources, is below 0.05; intervals are "
        "not corrected. A hint, no proof: the search repeats what looks promising, trials differ in other settings "
        "too, and weak ones that were stopped early are not in the means."
    )

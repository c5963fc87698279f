"""How well targets predict, the further ahead."""

import math
from collections.abc import Sequence

from platform.reporting.charts.chart import Chart
from platform.reporting.charts.drawing import BEST, FAILED, FINISHED, INK, empty_plot
from platform.results.look import Look
from platform.results.looks import side_by_side
from platform.results.scores import Score, score

STYLES = ((BEST, "solid"), (FINISHED, "dash"), (FAILED, "dot"))


def horizon_chart(looks: Sequence[Look], objective: Score, benchmark: str) -> Chart | None:
    """The score of each predicted frame beside copying the last one; None where nothing was looked at."""
    if not looks:
        return None
    looks = side_by_side(looks, len(STYLES))
    measure = objective if objective.name in looks[0].facts.horizon else score("mse")
    first = looks[0].facts
    if measure.name not in first.horizon:
        return None
    plot = empty_plot(x="frames ahead", y=measure.label, height=360)
    ahead = list(range(1, len(first.horizon[measure.name]) + 1))
    for look, (color, dash) in zip(looks, STYLES, strict=False):
        plot.add_scatter(
            x=ahead,
            y=look.facts.horizon.get(measure.name, ()),
            mode="lines+markers",
            line={"color": color, "dash": dash, "width": 2.2},
            name=f"trial {look.facts.trial} ({', '.join(look.facts.sources) or 'no source'})",
        )
    floor = first.floor.get(measure.name, ())
    line = {"color": INK, "dash": "longdash", "width": 1.5}
    plot.add_scatter(x=ahead, y=floor, mode="lines", line=line, name="copying the last frame")
    plot.update_xaxes(tickformat="d", tick0=1, dtick=-(-len(ahead) // 12))
    title = f"{measure.label[0].upper()}{measure.label[1:]} of each predicted frame"
    values = [(n, mine, theirs) for n, mine, theirs in zip(ahead, first.horizon[measure.name], floor, strict=False)]
    known = [(n, mine, theirs) for n, mine, theirs in values if mine is not None and theirs is not None]
    beaten = [n for n, mine, theirs in known if math.isfinite(mine) and measure.is_better(mine, theirs)]
    which = f"On these {len(first.clips):,} clips trial {first.trial}"
    if known and len(beaten) == len(known):
        title = f"{which} beats copying the last frame at every step, up to {known[-1][0]} frames ahead"
    elif known:
        title = f"{which} beats copying the last frame at {len(beaten)} of {len(known)} steps ahead"
    measured = f"{measure.axis} · {benchmark}, validation, {len(first.clips):,} clips"
    return Chart("horizon", title, "Means over clips. Each line is one training run with one seed.", plot, measured)

"""What every chart is, and the words that several share."""

from dataclasses import dataclass

import plotly.graph_objects as go

from platform.results.scores import Score
from platform.results.summary import RunSummary


@dataclass(frozen=True)
class Chart:
    """A title that says the finding, how to read it, the plot (None where there is nothing to draw), and `measured`:
    what its numbers are, in which unit, on which clips."""

    key: str
    title: str
    caption: str
    plot: go.Figure | None = None
    measured: str = ""


def measured_as(summary: RunSummary) -> str:
    return f"{summary.score.axis} · {summary.benchmark}, validation"


def states_text(summary: RunSummary) -> str:
    counted = {state: len(summary.in_state(state)) for state in ("finished", "stopped", "failed", "interrupted")}
    words = [f"{count} {state}" for state, count in counted.items() if count]
    return f"{len(summary.records)} trials: {', '.join(words)}." if words else "No trial has ended yet."


def best_word(score: Score) -> str:
    return "highest" if score.higher_is_better else "lowest"

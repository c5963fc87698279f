"""What every chart is, and the words that several share."""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go

from platform.results.scores import Score
from platform.results.summary import RunSummary

_MARKUP = re.compile("<(?!/?b>|br>|/?extra>)")  # but that which charts write themselves


@dataclass(frozen=True)
class Chart:
    """A title that says the finding, how to read it, the plot (None where there is nothing to draw), and `measured`:
    what its numbers are, in which unit, on which clips.

    Plotly reads text as markup, links among it. Names come from anywhere: all that a plot has of it but bold letters
    and ends of lines becomes text.
    """

    key: str
    title: str
    caption: str
    plot: go.Figure | None = None
    measured: str = ""

    def __post_init__(self) -> None:
        if self.plot is not None:
            object.__setattr__(self, "plot", go.Figure(_without_markup(self.plot.to_plotly_json())))


def measured_as(summary: RunSummary) -> str:
    return f"{summary.score.axis} · {summary.benchmark}, validation"


def states_text(summary: RunSummary) -> str:
    counted = {state: len(summary.in_state(state)) for state in ("finished", "stopped", "failed", "interrupted")}
    words = [f"{count} {state}" for state, count in counted.items() if count]
    return f"{len(summary.records)} trials: {', '.join(words)}." if words else "No trial has ended yet."


def best_word(score: Score) -> str:
    return "highest" if score.higher_is_better else "lowest"


def _without_markup(part: Any) -> Any:
    """The same part of a figure; a name is changed alike wherever it stands, as categories are found by their names."""
    if isinstance(part, str):
        return _MARKUP.sub("&lt;", part.replace("&", "&amp;"))
    if isinstance(part, dict):
        return {key: _without_markup(value) for key, value in part.items()}
    if isinstance(part, np.ndarray) and part.dtype.kind in "OU":
        part = part.tolist()
    if isinstance(part, list | tuple):
        return [_without_markup(value) for value in part]
    return part

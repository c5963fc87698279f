"""All charts of the search, each asked for by itself, so that the quick ones do not wait for the slow."""

from dash import html
from dash.development.base_component import Component

from platform.viewing.frame import frame
from platform.viewing.parts import figure
from platform.viewing.runs import Runs

SHOWN = ("trials", "sources", "pairs", "importances", "settings", "parallel", "curves", "pareto", "cost")


def layout(runs: Runs, run: str = "", **_: str) -> Component:
    watched = runs.get(run)
    return frame(watched, watched.view(now=True), "figures", [html.Section(figure(run, key)) for key in SHOWN])

"""Chosen trials beside each other: the settings in which they differ, how they learned, what they predict."""

from collections.abc import Sequence

from dash import Dash, Input, Output, State, html
from dash.development.base_component import Component

from platform.reporting.tables import beside_each_other
from platform.viewing.chosen import chosen
from platform.viewing.frame import frame
from platform.viewing.pages.predictions import articles, strips_of
from platform.viewing.parts import figure, table
from platform.viewing.runs import Runs
from platform.viewing.watched import View


def layout(runs: Runs, run: str = "", trials: str = "", **_: str) -> Component:
    watched = runs.get(run)
    view = watched.view(now=True)
    return frame(watched, view, "compare", [html.Div(compared(run, view, trials), id="compared")])


def register(app: Dash, runs: Runs) -> None:
    @app.callback(
        Output("compared", "children"),
        Input("seen", "data"),
        State("_pages_location", "search"),
        prevent_initial_call=True,
    )
    def refresh(seen: dict[str, str], search: str) -> Sequence[Component]:
        watched = runs.get(seen["run"])
        with watched.spending():
            return compared(watched.key, watched.view(), search.partition("trials=")[2].partition("&")[0])


def compared(key: str, view: View, trials: str) -> Sequence[Component]:
    records, summary = chosen(view, trials), view.summary
    if not records:
        return [html.P("No such trial has begun. Choose some in the table of trials.")]
    numbers = [record.trial for record in records]
    columns = ["", *(f"trial {number}" for number in numbers)]
    differing, shared = beside_each_other(summary, records)
    parts: list[Component] = [table(columns, differing, numbers=range(1, len(columns)), name="settings and scores")]
    if shared:
        told = ", ".join(f"{name} {value}" for name, value in shared)
        parts.append(html.P(f"The same in all: {told}", className="soft"))
    parts.append(figure(key, "chosen", trials=numbers))
    looked = {look.facts.trial: look for look in view.findings.looks}
    looks = [looked[number] for number in numbers if number in looked]
    if looks:
        parts += [html.H2("What they predict"), *articles(strips_of(view, looks))]
    if without := [str(number) for number in numbers if number not in looked]:
        there = f"Those of trials {', '.join(map(str, looked))} were." if looked else "That is done when a search ends."
        parts.append(html.P(f"Predictions of trial {', '.join(without)} were not kept. {there}", className="soft"))
    return parts

"""Chosen trials beside each other: the settings in which they differ, how they learned, what they predict."""

from collections.abc import Sequence

from dash import Dash, Input, Output, State, html
from dash.development.base_component import Component

from platform.reporting.tables import beside_each_other
from platform.viewing.chosen import MOST, chosen
from platform.viewing.frame import frame
from platform.viewing.pages.predictions import articles, strips_of
from platform.viewing.parts import asked, figure, table
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
            return compared(watched.key, watched.view(), asked(search, "trials"))


def compared(key: str, view: View, trials: str) -> Sequence[Component]:
    named, summary = chosen(view, trials), view.summary
    if not named:
        return [html.P("No such trial has begun. Choose some in the table of trials.")]
    records = named[:MOST]
    numbers = [record.trial for record in records]
    columns = ["", *(f"trial {number}" for number in numbers)]
    differing, shared = beside_each_other(summary, records)
    parts: list[Component] = []
    if len(named) > MOST:
        told = f"{MOST} of the {len(named)} chosen trials are shown, the first: a screen has room for no more."
        parts.append(html.P(told, className="notice"))
    parts.append(table(columns, differing, numbers=range(1, len(columns)), name="settings and scores"))
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

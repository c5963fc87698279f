"""What is needed to trust a run and to do it again: cost, what failed, what happened, and what it was made of."""

from collections.abc import Sequence

from dash import Dash, Input, Output, html
from dash.development.base_component import Component

from platform.reporting.tables import cell, cost_rows, source_rows
from platform.results.record import flatten
from platform.viewing.frame import frame
from platform.viewing.parts import pairs, table
from platform.viewing.runs import Runs
from platform.viewing.watched import View


def layout(runs: Runs, run: str = "", **_: str) -> Component:
    watched = runs.get(run)
    view = watched.view(now=True)
    return frame(watched, view, "record", [html.Div(record(view), id="record")])


def register(app: Dash, runs: Runs) -> None:
    @app.callback(Output("record", "children"), Input("seen", "data"), prevent_initial_call=True)
    def refresh(seen: dict[str, str]) -> Sequence[Component]:
        watched = runs.get(seen["run"])
        with watched.spending():
            return record(watched.view())


def record(view: View) -> Sequence[Component]:
    summary = view.summary
    lost = [each for each in summary.records if each.state in ("failed", "interrupted")]
    rows = [(f"trial {each.trial}", each.state, each.reason or "no reason was recorded") for each in lost]
    incidents = [(f"{each.at:%Y-%m-%d %H:%M:%S}", each.what) for each in summary.incidents]
    sources = [(row["name"], row["data"], row["score"], html.Code(row["hash"])) for row in source_rows(summary)]
    made_of = [(key, html.Code(cell(value))) for key, value in flatten(summary.provenance.rest).items()]
    parts: list[Component] = [html.H2("Cost"), pairs(cost_rows(summary))]
    if rows:
        parts += [html.H2("Trials that failed or were interrupted"), table((), rows, name="lost trials")]
    if incidents:
        parts += [html.H2("What happened on the way"), pairs(incidents)]
    if sources:
        columns = ("source", "trained on", "its own validation error (MSE)", "weights (SHA-256)")
        parts += [html.H2("Sources"), table(columns, sources, name="sources")]
    if made_of:
        parts += [html.H2("Versions, seeds and fingerprints"), pairs(made_of)]
    parts += [html.H2("Folder"), html.P(html.Code(str(summary.folder.path)))]
    return parts

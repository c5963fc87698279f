"""All runs, the one that changed last first: their names at once, the rest as it is read."""

from collections.abc import Sequence

from dash import Dash, Input, Output, State, dcc, html
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate

from platform.results.scores import readable_time
from platform.viewing.frame import href
from platform.viewing.listed import Facts, Listed
from platform.viewing.parts import progress_bar, table
from platform.viewing.runs import Runs
from platform.viewing.watched import WatchedRun

COLUMNS = ("run", "benchmark", "state", "trials", "best, validation", "what is known", "training")


Rows = Sequence[tuple[WatchedRun, Facts | None]]


def layout(runs: Runs, listed: Listed, **_: str) -> Component:
    rows = listed.rows()
    return html.Div(
        [
            html.Header([html.H1("Runs"), html.P(", ".join(map(str, runs.folders)), className="soft")]),
            dcc.Store(id="listed", data=_stamp(rows)),
            html.Main(listing(rows), id="runs", tabIndex="-1"),
        ]
    )


def register(app: Dash, listed: Listed) -> None:
    @app.callback(
        Output("runs", "children"),
        Output("listed", "data"),
        Input("tick", "n_intervals"),
        State("listed", "data"),
        prevent_initial_call=True,
    )
    def refresh(_: int, shown: str) -> tuple[Component, str]:
        rows = listed.rows()
        if _stamp(rows) == shown:
            raise PreventUpdate
        return listing(rows), _stamp(rows)


def _stamp(rows: Rows) -> str:
    """As text: a browser's numbers have fewer digits."""
    return str(hash(tuple((run.key, facts) for run, facts in rows)))


def listing(rows: Rows) -> Component:
    if not rows:
        return html.P(
            ["No run yet. Begin one: ", html.Code("python -m platform.search kth.yaml"), "; it appears here by itself."]
        )
    return table(COLUMNS, [_row(*row) for row in rows], name="runs", stacks=True)


def _row(run: WatchedRun, facts: Facts | None) -> list[str | Component]:
    name = dcc.Link(run.key, href=href(run.key))
    if facts is None:
        return [name, "", html.Span("being read", className="soft"), "", "", "", ""]
    if not facts.state:
        return [name, "", "cannot be read", "", "", " ".join(facts.damaged), ""]
    state: list[str | Component] = [html.Span(facts.state, className=f"state {facts.state.replace(' ', '-')}")]
    if facts.damaged:
        state += [" ", html.Span("partly unreadable", className="badge", title=" ".join(facts.damaged))]
    done = f"{facts.num_ended} of {facts.num_trials}"
    return [
        name,
        facts.benchmark,
        html.Span(state),
        html.Span([progress_bar(facts.num_ended, facts.num_trials, done), " ", done], className="together"),
        facts.best,
        facts.known,
        readable_time(facts.spent_s),
    ]

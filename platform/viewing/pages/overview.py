"""The answer so far: verdict, the five questions, the best setting, and how the search came there."""

from collections.abc import Sequence

from dash import Dash, Input, Output, html
from dash.development.base_component import Component

from platform.reporting.answers import answers
from platform.reporting.best_setting import best_setting
from platform.reporting.comparison_page import caveats_of, cells_of, columns_of, verdict_of
from platform.reporting.confirmed_table import confirmed_columns, confirmed_note, confirmed_rows
from platform.reporting.confirmed_verdict import other_verdict, what_is_lost
from platform.reporting.nodes_table import COLUMNS as NODE_COLUMNS
from platform.reporting.nodes_table import node_rows, sum_line
from platform.reporting.verdict import caveats, search_verdict, verdict
from platform.results.comparison import Comparison
from platform.results.confirmed import Confirmed
from platform.results.nodes_file import Nodes
from platform.viewing.figure_route import charts_of_comparison
from platform.viewing.frame import frame
from platform.viewing.parts import figure, pairs, table, with_code
from platform.viewing.runs import Runs
from platform.viewing.watched import View


def layout(runs: Runs, run: str = "", **_: str) -> Component:
    watched = runs.get(run)
    view = watched.view(now=True)
    figures = [figure(run, "trials")] if view.comparison is None else []
    return frame(watched, view, "overview", [html.Div(overview(run, view), id="overview"), *figures])


def register(app: Dash, runs: Runs) -> None:
    @app.callback(Output("overview", "children"), Input("seen", "data"), prevent_initial_call=True)
    def refresh(seen: dict[str, str]) -> Sequence[Component | None]:
        watched = runs.get(seen["run"])
        with watched.spending():
            return overview(watched.key, watched.view())


def overview(key: str, view: View) -> Sequence[Component | None]:
    if view.comparison is None:
        return search(key, view)
    return [*compared(view.comparison), *(figure(key, chart.key) for chart in charts_of_comparison(view))]


def search(key: str, view: View) -> Sequence[Component | None]:
    summary, findings = view.summary, view.findings
    questions = [html.Div([html.Dt(question), html.Dd(with_code(answer))]) for question, answer in answers(findings)]
    parts: list[Component | None] = [
        html.P(verdict(findings), className="verdict"),
        *([html.P(told)] if findings.confirmed and (told := other_verdict(findings.confirmed)) else []),
        *([html.P(told)] if findings.confirmed and (told := what_is_lost(findings.confirmed)) else []),
        html.Dl(questions, className="answers"),
    ]
    if (confirmed := findings.confirmed) is not None:
        heading = "Confirmed on the test split" if confirmed.is_whole else "Being confirmed"
        parts += [html.H2(heading), confirmed_table(confirmed), html.P(confirmed_note(confirmed), className="soft")]
        parts.append(figure(key, "confirmed"))
        parts += [html.H2("What the search found"), html.P(search_verdict(summary))]
    parts += [html.P(text) for text in caveats(summary)]
    if (best := best_setting(findings)) is not None:
        note = [html.P(best.note, className="soft")] if best.note else []
        parts.append(
            html.Div(
                [
                    html.Section([html.H2(best.heading), pairs(best.settings), *note]),
                    html.Section(
                        [
                            html.H2("Its scores"),
                            table(best.columns, best.scores, numbers=(1, 2), name="scores", wraps=True),
                        ]
                    ),
                ],
                className="columns",
            )
        )
    if view.driver is not None and len(view.progress.nodes.nodes) > 1:
        parts += nodes_at_work(view.progress.nodes)
    return parts


def nodes_at_work(nodes: Nodes) -> list[Component]:
    """Who runs what on a cluster, while it does."""
    rows = node_rows(nodes.nodes)
    return [
        html.H2("Nodes"),
        html.P(sum_line(nodes)),
        table(NODE_COLUMNS, rows, numbers=(2, 3, 5, 6), name="nodes", wraps=True, stacks=True),
    ]


def compared(comparison: Comparison) -> Sequence[Component]:
    """A comparison has no best trial and no questions: it has settings, with means and intervals."""
    columns, rows = columns_of(comparison), [cells_of(comparison, row) for row in comparison.rows]
    return [
        html.P(verdict_of(comparison), className="verdict"),
        *(html.P(text) for text in caveats_of(comparison)),
        table(columns, rows, numbers=range(1, len(columns)), name="settings", wraps=True, stacks=True),
    ]


def confirmed_table(confirmed: Confirmed) -> Component:
    """Its numbers stay whole, its words wrap."""
    columns = confirmed_columns(confirmed)
    rows = [
        [html.B(text) if text and row.is_chosen else text for text in row.cells] for row in confirmed_rows(confirmed)
    ]
    return table(columns, rows, numbers=range(2, len(columns) - 2), name="confirmed", wraps=True, stacks=True)

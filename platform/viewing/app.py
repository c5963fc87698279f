"""The pages put together into a web application. It answers who asks from this machine, and changes nothing."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import dash
from dash import ClientsideFunction, Dash, Input, Output, State, dcc, html
from dash.development.base_component import Component

from platform.config.errors import UserError
from platform.viewing.frame import PAGES, heading, href, page_title, standing
from platform.viewing.listed import Listed
from platform.viewing.pages import compare, figures, gates, listing, overview, predictions, record, trials
from platform.viewing.parts import notice
from platform.viewing.routes import serve_routes
from platform.viewing.runs import Runs
from platform.viewing.tools import Tools

TICK_MS = 2000
NAME = "Transferable memory"
INDEX = """<!doctype html>
<html lang="en">
<head>
{%metas%}
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{%title%}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/own/page.css">
{%css%}
</head>
<body>
<noscript><p class="notice">These pages are drawn by JavaScript, which is switched off. <code>python -m platform.report
RUN --text</code> tells the same in a terminal.</p></noscript>
{%app_entry%}
<footer>
{%config%}
<script src="/own/colours.js"></script>
{%scripts%}
{%renderer%}
</footer>
</body>
</html>
"""


def build_app(runs: Runs, tools: Tools, hosts: Sequence[str]) -> Dash:
    """`hosts`: the names under which it may be asked for."""
    app = Dash(
        __name__,
        use_pages=True,
        pages_folder="",
        title=NAME,
        update_title="",
        index_string=INDEX,
        suppress_callback_exceptions=True,
        assets_folder=str(Path(__file__).parent / "assets"),
        add_log_handler=False,
        on_error=_pass_over,
    )
    logs, listed = trials.Logs(), Listed(runs)
    layouts: dict[str, Callable[..., Component]] = {
        "overview": partial(overview.layout, runs),
        "trials": partial(trials.layout, runs, logs),
        "compare": partial(compare.layout, runs),
        "figures": partial(figures.layout, runs),
        "gates": partial(gates.layout, runs),
        "predictions": partial(predictions.layout, runs),
        "record": partial(record.layout, runs),
    }
    dash.register_page("listing", path="/", title=NAME, layout=_tolerant(partial(listing.layout, runs, listed)))
    for place, page in enumerate(reversed(PAGES)):  # an address is compared with their templates in this order
        template = href("<run>", page).replace("%3C", "<").replace("%3E", ">")
        dash.register_page(
            page,
            path_template=template,
            order=place,
            title=partial(page_title, page=page),
            layout=_tolerant(layouts[page]),
        )
    dash.register_page("not_found_404", path="/404", layout=_problem("There is no such page."))
    app.layout = partial(_shell, tools.token)
    for register in (overview.register, compare.register, gates.register, predictions.register, record.register):
        register(app, runs)
    _register(app, runs)
    listing.register(app, listed)
    trials.register(app, runs, logs)
    serve_routes(app.server, runs, tools, hosts)
    return app


def _shell(token: str) -> Component:
    return html.Div(
        [
            html.A("to the content", href="#main", className="skip"),
            dcc.Interval(id="tick", interval=TICK_MS),
            dcc.Store(id="theme", storage_type="local"),
            html.Div(
                [
                    dcc.Link(NAME, href="/", className="home"),
                    html.Span("", id="connection", role="status"),
                    html.Button("", id="switch-theme", title="automatic, light or dark", type="button"),
                ],
                className="bar",
            ),
            html.Form(
                dcc.Input(type="hidden", name="token", value=token),
                id="opener",
                method="POST",
                target="_blank",
            ),
            dash.page_container,
        ],
        id="shell",
    )


def _pass_over(error: Exception) -> None:
    """A run may go away between two questions of its page: the clock will tell."""
    if not isinstance(error, UserError):
        raise error


def _tolerant(layout: Callable[..., Component]) -> Callable[..., Component]:
    """A run that is gone becomes a page that says so. Whatever else stands in an address is passed over."""

    def shown(**asked: Any) -> Component:
        try:
            return layout(**{key: value for key, value in asked.items() if isinstance(value, str)})
        except UserError as error:
            return _problem(str(error))

    return shown


def _problem(text: str) -> Component:
    return html.Main([html.H1("Nothing to show"), html.P(text), dcc.Link("all runs", href="/")], id="main")


def _register(app: Dash, runs: Runs) -> None:
    """What all pages share: the clock that asks for news, and the colours."""

    @app.callback(
        Output("seen", "data"),
        Output("heading", "children"),
        Output("standing", "children"),
        Input("tick", "n_intervals"),
        State("seen", "data"),
        prevent_initial_call=True,
    )
    def look(_: int, seen: dict[str, Any]) -> tuple[Any, Any, Any]:
        try:
            view = runs.get(seen["run"]).view()
        except UserError as error:
            return dash.no_update, dash.no_update, notice("This page is old:", [str(error)], "missing")
        if view.version == seen["version"]:
            raise dash.exceptions.PreventUpdate
        return {"run": seen["run"], "version": view.version}, heading(view), standing(view)

    app.clientside_callback(ClientsideFunction("figures", "follow"), Input("seen", "data"))
    app.clientside_callback(
        ClientsideFunction("dashboard", "theme"),
        Output("theme", "data"),
        Output("switch-theme", "children"),
        Input("switch-theme", "n_clicks"),
        Input("theme", "modified_timestamp"),
        State("theme", "data"),
    )

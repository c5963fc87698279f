"""The gate atlas: what each of the best targets draws from its sources, and how open its gates are."""

from collections.abc import Sequence

from dash import Dash, Input, Output, State, dcc, html
from dash.development.base_component import Component

from platform.reporting.gate_pictures import gate_picture
from platform.reporting.tables import drawn_rows
from platform.results.drawn import drawn_sources
from platform.results.look import Look
from platform.viewing.chosen import look_of, looks_with_gates
from platform.viewing.frame import frame, href
from platform.viewing.parts import aria, asked, colour_bars, figure, picture_rows, table
from platform.viewing.runs import Runs
from platform.viewing.watched import View

COLUMNS = ("rank", "source", "drawn", "gate, mean", "error with it shut", "95 % interval", "rank before the search")


def layout(runs: Runs, run: str = "", trial: str = "", **_: str) -> Component:
    watched = runs.get(run)
    view = watched.view(now=True)
    return frame(watched, view, "gates", [html.Div(gates(run, view, trial), id="gates")])


def register(app: Dash, runs: Runs) -> None:
    @app.callback(
        Output("gates", "children"),
        Input("seen", "data"),
        State("_pages_location", "search"),
        prevent_initial_call=True,
    )
    def refresh(seen: dict[str, str], search: str) -> Sequence[Component]:
        watched = runs.get(seen["run"])
        with watched.spending():
            return gates(watched.key, watched.view(), asked(search, "trial"))


def gates(key: str, view: View, trial: str) -> Sequence[Component]:
    """Of that trial, or else of the best one that has gates."""
    look = look_of(view, trial)
    if look is None:
        return [html.P("No trial with sources has been looked at. The best ones are, when a search ends.")]
    rows = [tuple(row.values()) for row in drawn_rows(drawn_sources(look), view.findings.ranking)]
    number = look.facts.trial
    parts: list[Component] = [*_others(key, view, look), figure(key, "drawn", trials=[number])]
    parts += [table(COLUMNS, rows, numbers=(0, 2, 3, 4), name="sources"), figure(key, "openness", trials=[number])]
    if (picture := view.kept.get(("gates", number), lambda: gate_picture(look))) is not None:
        scale: list[str | Component] = [
            f"From {picture.low:.2f} ",
            html.Span(className="scale"),
            f" to {picture.high:.2f} open, laid over",
        ]
        lines = picture_rows(picture.rows, len(picture.rows[0].frames), numbered=1)
        legend = html.P([*scale, " what the target saw."], className="soft")
        heading = [html.H3(picture.title), legend, *colour_bars(picture.scales)]
        parts.append(html.Article([*heading, *lines], className="gates"))
    return parts


def _others(key: str, view: View, shown: Look) -> list[Component]:
    """A link to each trial that has gates, the best first, where there are several."""
    looks = looks_with_gates(view)
    links = [
        dcc.Link(
            f"trial {look.facts.trial}",
            href=f"{href(key, 'gates')}?trial={look.facts.trial}",
            className="current" if look is shown else None,
        )
        for look in looks
    ]
    return [html.Nav(links, className="tabs", **aria(label="trials with gates"))] if len(looks) > 1 else []

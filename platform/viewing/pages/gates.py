"""The gate atlas: what the best target draws from its sources, and how open its gates are."""

from dash import html
from dash.development.base_component import Component

from platform.reporting.charts.of_run import look_with_gates
from platform.reporting.gate_pictures import gate_picture
from platform.reporting.tables import drawn_rows
from platform.results.drawn import drawn_sources
from platform.viewing.frame import frame
from platform.viewing.parts import colour_bars, figure, picture_rows, table
from platform.viewing.runs import Runs
from platform.viewing.watched import View

COLUMNS = ("rank", "source", "drawn", "gate, mean", "error with it shut", "95 % interval", "rank before the search")


def layout(runs: Runs, run: str = "", **_: str) -> Component:
    watched = runs.get(run)
    view = watched.view(now=True)
    return frame(watched, view, "gates", gates(run, view))


def gates(key: str, view: View) -> list[Component]:
    look = look_with_gates(view.findings.looks)
    if look is None:
        return [html.P("No trial with sources has been looked at. The best ones are, when a search ends.")]
    rows = [tuple(row.values()) for row in drawn_rows(drawn_sources(look), view.findings.ranking)]
    parts: list[Component] = [figure(key, "drawn"), table(COLUMNS, rows, numbers=(0, 2, 3, 4), name="sources")]
    parts.append(figure(key, "openness"))
    if (picture := view.kept.get("gates", lambda: gate_picture(look))) is not None:
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

"""What stands around every page of a run: its name, how far it is, where else to look, and the pages themselves."""

from collections.abc import Sequence
from urllib.parse import quote

from dash import dcc, html
from dash.development.base_component import Component

from platform.reporting.html import SYNTHETIC, about
from platform.reporting.live_table import summary_line
from platform.reporting.page import title
from platform.viewing.parts import aria, notice, progress_bar
from platform.viewing.tools import TOOLS
from platform.viewing.watched import View, WatchedRun

PAGES = ("overview", "trials", "compare", "figures", "gates", "predictions", "record")


def href(key: str, page: str = "overview") -> str:
    return f"/run/{quote(key)}" + ("" if page == "overview" else f"/{page}")


def page_title(run: str = "", *, page: str) -> str:
    return f"{run} · {page}"


def frame(run: WatchedRun, view: View, page: str, children: Sequence[Component | None]) -> Component:
    """`seen` is the version that the page shows; whatever is to change with the run listens to it."""
    tabs = [
        dcc.Link(name, href=href(run.key, name), className="current" if name == page else None, id=f"to-{name}")
        for name in PAGES
    ]
    return html.Div(
        [
            dcc.Store(id="seen", data={"run": run.key, "version": view.version}),
            html.Header(
                [
                    html.Div(heading(view), id="heading"),
                    html.Div(standing(view), id="standing", **aria(live="polite")),
                    html.P(_elsewhere(run.key), className="soft"),
                ]
            ),
            html.Nav(tabs, className="tabs", **aria(label="pages of this run")),
            html.Main([child for child in children if child is not None], id="main", tabIndex="-1"),
        ]
    )


def heading(view: View) -> list[Component | None]:
    """What was searched; another run may come to stand in the folder."""
    summary = view.summary
    return [
        html.H1(f"Comparison {summary.name}: {summary.benchmark}" if view.comparison else title(summary)),
        html.P(str(summary.config.get("question") or "")),
        html.P(about(summary.config), className="soft"),
        html.P([html.B("synthetic "), SYNTHETIC], className="notice") if summary.synthetic else None,
    ]


def standing(view: View) -> list[Component | None]:
    """How far the search is, and what of it cannot be read."""
    progress = view.progress
    done = len(progress.records)
    words = f"{done} of {progress.num_trials} trials have ended"
    parts: list[Component | None] = [
        html.P(
            [
                html.Span(view.state, className=f"state {view.state.replace(' ', '-')}"),
                progress_bar(done, progress.num_trials, words),
                html.Span(summary_line(progress).plain, className="soft"),
            ],
            className="standing",
        )
    ]
    if (confirming := view.confirming) is not None:
        done, words = len(confirming.records), f"{len(confirming.records)} of {confirming.num_trials} targets trained"
        line = [html.Span("confirmation"), progress_bar(done, confirming.num_trials, words), html.Span(words)]
        parts.append(html.P(line, className="standing"))
    missing = [text for text in view.missing if view.driver is None or "when a search ends" not in text]
    return [*parts, notice("Not shown:", missing, "missing")]


def _elsewhere(key: str) -> list[str | Component]:
    """Buttons of the form `opener`: to open one begins a program, which no link of another page may do."""
    buttons: list[str | Component] = ["open it in "]
    for number, tool in enumerate(TOOLS.values()):
        address = f"/open/{tool.key}/{quote(key)}"
        buttons += [" · "] if number else []
        id = f"open-{tool.key}"
        buttons.append(
            html.Button(tool.name, id=id, type="submit", form="opener", formAction=address, className="link")
        )
    return buttons

"""What the best targets predict, beside what happened."""

from collections.abc import Sequence

from dash import Dash, Input, Output, html
from dash.development.base_component import Component

from platform.reporting.pictures import Strip, strips
from platform.results.look import Look
from platform.viewing.frame import frame
from platform.viewing.parts import colour_bars, figure, picture_rows
from platform.viewing.runs import Runs
from platform.viewing.watched import View


def layout(runs: Runs, run: str = "", **_: str) -> Component:
    watched = runs.get(run)
    view = watched.view(now=True)
    return frame(watched, view, "predictions", [html.Div(predictions(run, view), id="predictions")])


def register(app: Dash, runs: Runs) -> None:
    @app.callback(Output("predictions", "children"), Input("seen", "data"), prevent_initial_call=True)
    def refresh(seen: dict[str, str]) -> Sequence[Component]:
        watched = runs.get(seen["run"])
        with watched.spending():
            return predictions(watched.key, watched.view())


def predictions(key: str, view: View) -> Sequence[Component]:
    looks = view.findings.looks
    if not looks:
        return [html.P("No predictions yet: the best trials are looked at when a search ends.")]
    charts = ["horizon", *(["csi"] if looks[0].facts.field is not None else [])]
    return [*(figure(key, chart) for chart in charts), *articles(strips_of(view, looks))]


def strips_of(view: View, looks: Sequence[Look]) -> list[Strip]:
    """Their pictures, drawn once."""
    return view.kept.get(("strips", *(look.facts.trial for look in looks)), lambda: strips(looks))


def articles(clips: Sequence[Strip]) -> list[Component]:
    """A clip each: its strips, and the animation beside them."""
    return [_article(strip) for strip in clips]


def _article(strip: Strip) -> Component:
    style = {"gridTemplateColumns": f"repeat({len(strip.panels)}, 1fr)"}
    panels = html.Div([html.Span(panel) for panel in strip.panels], className="panels", style=style)
    alt = f"{strip.title}: {', '.join(strip.panels)}, in a loop"
    still = html.Source(media="(prefers-reduced-motion: reduce)", srcSet=strip.still)
    moving = html.Picture([still, html.Img(src=strip.animation, alt=alt)])
    return html.Article(
        [
            html.H3(f"{strip.title}: squared error per frame, {strip.told}"),
            html.Div(picture_rows(strip.rows, strip.columns, numbered=2)),
            html.Div([panels, moving, *colour_bars(strip.scales)], className="moving"),
        ],
        className="strip",
    )

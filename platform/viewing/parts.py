"""What several pages are made of. Texts come from `reporting`; here they get their places."""

from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import parse_qs, quote

from dash import html
from dash.development.base_component import Component

from platform.reporting.pictures import Row
from platform.reporting.radar_colours import ColourScale


def aria(**attributes: str) -> dict[str, Any]:
    """For who does not see the page."""
    return {f"aria-{name}": text for name, text in attributes.items()}


def asked(search: str, name: str) -> str:
    """What an address says after its question mark, by name."""
    return parse_qs(search.removeprefix("?")).get(name, [""])[0]


def table(
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    numbers: Sequence[int] = (),
    name: str = "",
    wraps: bool = False,
    stacks: bool = False,
) -> Component:
    """Scrolled sideways where it has no room, unless it `wraps`, or on a phone `stacks` the cells of a row below each
    other. `numbers`: the columns that are set to the right."""

    def cell(tag: Any, place: int, content: Any, **more: Any) -> Component:
        return tag(content, className="number" if place in numbers else None, **more)

    def told(place: int, content: Any) -> Component:
        label = {"data-label": columns[place]} if stacks and content not in ("", None) else {}
        return cell(html.Td, place, content, **label)

    head = [html.Thead(html.Tr([cell(html.Th, n, text, scope="col") for n, text in enumerate(columns)]))]
    body = html.Tbody([html.Tr([told(n, content) for n, content in enumerate(row)]) for row in rows])
    kind = ("plain" if wraps else "wide") + (" stacks" if stacks else "")
    parts = [*(head if columns else ()), body]
    return html.Div(html.Table(parts, className=kind), className="scroll", **aria(label=name))


def pairs(rows: Iterable[tuple[str, Any]]) -> Component:
    """A table of names and values."""
    lines = [html.Tr([html.Th(name, scope="row"), html.Td(value)]) for name, value in rows]
    return html.Div(html.Table(html.Tbody(lines), className="plain"), className="scroll")


def notice(title: str, sentences: Iterable[str], id: str) -> Component | None:
    """None where there is nothing to say."""
    items = [html.Li(text) for text in sentences]
    return html.Div([html.B(title), html.Ul(items)], className="notice", id=id) if items else None


def with_code(text: str) -> list[Any]:
    """What stands between back quotes can be copied into a terminal."""
    return [html.Code(part) if number % 2 else part for number, part in enumerate(text.split("`"))]


def progress_bar(done: int, whole: int, label: str) -> Component:
    return html.Progress(value=str(done), max=str(max(whole, 1)), title=label, **aria(label=label))


def figure(run: str, key: str, *, trials: Sequence[int] = ()) -> Component:
    """A chart of the run (`figure_route.py`), filled and kept up to date by `assets/figures.js`."""
    address = f"/figure/{quote(run)}/{quote(key)}" + (f"?trials={','.join(map(str, trials))}" if trials else "")
    parts = [html.H3(), html.P(className="soft measured"), html.Div(className="plot"), html.Figcaption()]
    told: dict[str, Any] = {"data-from": address}
    return html.Figure(parts, id=f"chart-{key}", **told)


def picture_rows(rows: Sequence[Row], columns: int, *, numbered: int) -> list[Component]:
    """Strips above each other, each frame in its place; above the first `numbered` of them, their frames' numbers."""
    lines: list[Component] = []
    for place, row in enumerate(rows):
        width = f"{100 * len(row.frames) / columns}%"
        if place < numbered:
            style = {"width": width, "gridTemplateColumns": f"repeat({len(row.frames)}, 1fr)"}
            numbers = html.Div([html.Span(str(frame)) for frame in row.frames], className="numbers", style=style)
            lines.append(html.Div([html.Span(), numbers], className="row"))
        image = html.Img(src=row.uri, alt=row.alt, title=row.alt, style={"width": width})
        lines.append(html.Div([html.Span(row.label), image], className="row"))
    return lines


def colour_bars(scales: Sequence[ColourScale]) -> list[Component]:
    """What the colours of a radar's pictures mean: one bar each."""
    bars: list[Component] = []
    for scale in scales:
        classes = [html.Span(html.I(begins), style={"background": colour}) for colour, begins in scale.swatches]
        named: list[str | Component] = [f"{scale.name}, {scale.unit}", html.Div(classes)]
        bars.append(html.Div(named, className="colours", role="img", **aria(label=scale.text)))
    return bars

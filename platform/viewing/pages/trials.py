"""All trials as a table that is sorted, filtered and chosen from; its address keeps how it stands."""

from collections.abc import Sequence
from typing import Any, Literal

import dash_ag_grid as dag
from dash import ClientsideFunction, Dash, Input, Output, State, dcc, html, no_update
from dash.development.base_component import Component
from pydantic import BaseModel, TypeAdapter, ValidationError

from platform.viewing.chosen import numbers
from platform.viewing.frame import frame, href
from platform.viewing.rows import Changes, Column, RowLog
from platform.viewing.runs import Runs

THEME = """themeQuartz.withParams({
    backgroundColor: 'var(--paper)', foregroundColor: 'var(--ink)', accentColor: 'var(--finished)',
    borderColor: 'var(--grid)', headerBackgroundColor: 'var(--panel)', browserColorScheme: 'inherit',
    fontFamily: 'inherit', fontSize: 14, spacing: 5
})"""
HELP = "Click a heading or press Enter on it to sort; its menu filters. Arrow keys move; Space chooses a row's trial."


class Logs:
    """One for each run that is looked at."""

    def __init__(self) -> None:
        self._logs: dict[str, RowLog] = {}

    def of(self, key: str) -> RowLog:
        return self._logs.setdefault(key, RowLog())


def layout(
    runs: Runs, logs: Logs, run: str = "", sort: str = "", filter: str = "", trials: str = "", **_: str
) -> Component:
    watched = runs.get(run)
    view = watched.view(now=True)
    changes, chosen = logs.of(run).since(0, view), set(numbers(trials))
    table = dag.AgGrid(
        id="trials",
        columnDefs=in_order(columns(changes.columns), sort),
        rowData=list(changes.added),
        selectedRows={"ids": [row["id"] for row in changes.added if row["trial"] in chosen]},
        filterModel=read_filters(filter, changes.columns),
        getRowId="params.data.id",
        defaultColDef={"filter": True, "resizable": True, "sortable": True, "minWidth": 80},
        columnSize="autoSize",
        dashGridOptions={
            "theme": {"function": THEME},
            "suppressFieldDotNotation": True,
            "animateRows": False,
            "rowSelection": {"mode": "multiRow", "enableClickSelection": True, "enableSelectionWithoutKeys": True},
            "rowClassRules": {"best": "params.data.is_best", "lost": "params.data.state == 'failed'"},
        },
        style={"height": "max(22rem, calc(100vh - 24rem))", "width": "100%"},
        dangerously_allow_code=False,
    )
    return frame(
        watched,
        view,
        "trials",
        [
            html.P(
                [
                    html.Span("", id="num-shown"),
                    " ",
                    dcc.Link("compare", href=href(run, "compare"), id="compare-chosen"),
                ],
            ),
            table,
            html.P(HELP, className="soft"),
            dcc.Store(id="trials-seen", data=_seen(changes)),
        ],
    )


def columns(columns: Sequence[Column]) -> list[dict[str, Any]]:
    """For the grid. Nothing is said of their order, so that a table that is shown keeps its own."""
    shown: list[dict[str, Any]] = []
    for column in columns:
        shown.append(
            {
                "field": column.field,
                "headerName": column.name,
                "headerTooltip": column.tip or column.name,
                "filter": "agNumberColumnFilter" if column.is_number else "agTextColumnFilter",
                "type": "rightAligned" if column.is_number else None,
                "pinned": "left" if column.field == "trial" else None,
                "maxWidth": 420,
            }
        )
        if column.is_number and column.field not in ("trial", "epochs", "restarts"):
            shown[-1]["valueFormatter"] = {"function": "params.value == null ? '–' : d3.format('.4~g')(params.value)"}
    return shown


def in_order(columns: list[dict[str, Any]], sort: str) -> list[dict[str, Any]]:
    """`sort`: `mse:asc,trial:desc`, as in the address."""
    order = [part.rpartition(":") for part in sort.split(",") if part]
    sorted_by = {
        field: {"sort": way, "sortIndex": place}
        for place, (field, _, way) in enumerate(order)
        if way in ("asc", "desc")
    }
    return [column | sorted_by.get(column["field"], {}) for column in columns]


class Condition(BaseModel, extra="forbid"):
    """One, as AG Grid writes it."""

    filterType: Literal["number", "text"]
    type: str
    filter: float | str | None = None
    filterTo: float | None = None


class Conditions(BaseModel, extra="forbid"):
    filterType: Literal["number", "text"]
    operator: Literal["AND", "OR"]
    conditions: list[Condition]


_FILTERS = TypeAdapter(dict[str, Condition | Conditions])


def read_filters(text: str, columns: Sequence[Column]) -> dict[str, Any]:
    """The filters of an address, of columns that there are; none where somebody wrote something else into it."""
    try:
        filters = _FILTERS.validate_json(text or "{}")
    except ValidationError:
        return {}
    kinds = {column.field: "number" if column.is_number else "text" for column in columns}
    fitting = {}
    for field, each in filters.items():
        conditions = each.conditions if isinstance(each, Conditions) else [each]
        is_number = each.filterType == "number"
        fits = all(is_number is not isinstance(one.filter, str) for one in conditions if one.filter is not None)
        if kinds.get(field) == each.filterType and fits:
            fitting[field] = each.model_dump(exclude_none=True)
    return fitting


def _seen(changes: Changes) -> dict[str, Any]:
    return {"version": changes.version, "fields": [column.field for column in changes.columns]}


def register(app: Dash, runs: Runs, logs: Logs) -> None:
    @app.callback(
        Output("trials", "rowData"),
        Output("trials", "rowTransaction"),
        Output("trials", "columnDefs"),
        Output("trials-seen", "data"),
        Input("seen", "data"),
        State("trials-seen", "data"),
        prevent_initial_call=True,
    )
    def refresh(seen: dict[str, Any], shown: dict[str, Any]) -> tuple[Any, Any, Any, Any]:
        watched = runs.get(seen["run"])
        with watched.spending():
            changes = logs.of(seen["run"]).since(shown["version"], watched.view())
        known = _seen(changes)
        added = list(changes.added)
        news = {"add": added, "update": list(changes.updated), "async": False}
        rows = (added, no_update) if changes.is_whole else (no_update, news)
        return *rows, no_update if known["fields"] == shown["fields"] else columns(changes.columns), known

    app.clientside_callback(
        ClientsideFunction("dashboard", "compareChosen"),
        Output("compare-chosen", "href"),
        Output("compare-chosen", "children"),
        Input("trials", "selectedRows"),
        State("seen", "data"),
    )
    app.clientside_callback(
        ClientsideFunction("dashboard", "keepInAddress"),
        Output("num-shown", "children"),
        Input("trials", "virtualRowData"),
        Input("trials", "filterModel"),
        State("trials", "id"),
    )

"""The nodes that a search runs on: as rows of text for the terminal and the dashboard."""

from collections.abc import Sequence

from rich.console import Group
from rich.table import Table
from rich.text import Text

from platform.results.nodes_file import NodeNow, Nodes

COLUMNS = ("node", "state", "CPU", "GPU", "trials", "memory servers", "memory ready")
MOST_ROWS = 12  # in a terminal; those that need a look come first
MOST_TRIALS = 8
_ORDER = {"is unfit": 0, "leaves": 1, "joins": 2, "takes part": 3}


def node_rows(nodes: Sequence[NodeNow]) -> list[tuple[str, ...]]:
    """One a node, under `COLUMNS`."""
    ordered = sorted(nodes, key=lambda node: (_ORDER[node.state], node.name))
    return [
        (
            node.name,
            node.state,
            f"{node.cpus:g}",
            f"{node.gpus:g}" if node.gpus else "",
            _listed(node.trials),
            str(node.servers or ""),
            f"{node.ready / asked:.0%}" if (asked := node.ready + node.computed) else "",
        )
        for node in ordered
    ]


def sum_line(nodes: Nodes) -> str:
    """`3 nodes, 2 of them at work · 4 GPUs · trial 7 waits for ...`"""
    at_work = sum(bool(node.trials) for node in nodes.nodes)
    gpus = sum(node.gpus for node in nodes.nodes)
    parts = [f"{len(nodes.nodes)} nodes, {at_work} of them at work"]
    parts += [f"{gpus:g} GPUs"] if gpus else []
    return " · ".join([*parts, *nodes.waits])


def nodes_table(nodes: Nodes) -> Group | None:
    """For a terminal; None where the search has one node, of which there is nothing to tell."""
    if len(nodes.nodes) < 2:
        return None
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in COLUMNS:
        table.add_column(Text(column), no_wrap=True)
    rows = node_rows(nodes.nodes)
    for row in rows[:MOST_ROWS]:
        table.add_row(*(Text(cell) for cell in row))
    left = f"and {len(rows) - MOST_ROWS} more · " if len(rows) > MOST_ROWS else ""
    return Group(table, Text(left + sum_line(nodes)))


def _listed(trials: Sequence[int]) -> str:
    told = " ".join(map(str, trials[:MOST_TRIALS]))
    return told + (f" and {len(trials) - MOST_TRIALS} more" if len(trials) > MOST_TRIALS else "")

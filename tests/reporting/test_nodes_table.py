"""The table of nodes in a terminal."""

from pathlib import Path

from rich.console import Console

from platform.reporting.nodes_table import MOST_ROWS, nodes_table
from platform.results.nodes_file import NodeNow, Nodes, read_nodes, write_nodes


def node(number: int, **more: object) -> NodeNow:
    return NodeNow.model_validate({"name": f"n{number:02}", "state": "takes part", "cpus": 4, "gpus": 0, **more})


def told(nodes: Nodes) -> str:
    table = nodes_table(nodes)
    console = Console(width=120)
    with console.capture() as captured:
        console.print(table)
    return captured.get()


def test_one_node_needs_no_table() -> None:
    assert nodes_table(Nodes(nodes=(node(1),))) is None


def test_those_that_need_a_look_come_first_and_many_are_summed_up() -> None:
    nodes = [node(n, trials=[n]) for n in range(20)] + [node(20, state="is unfit")]
    lines = told(Nodes(nodes=tuple(nodes), waits=("trial 30 waits for 1 CPU",))).splitlines()
    assert "is unfit" in lines[1]
    assert len([line for line in lines if line.startswith("n")]) == MOST_ROWS + 1  # with the heading
    assert f"and {21 - MOST_ROWS} more · 21 nodes, 20 of them at work · trial 30 waits for 1 CPU" in lines[-1]


def test_what_cannot_be_read_is_no_nodes(tmp_path: Path) -> None:
    path = tmp_path / "nodes.json"
    assert read_nodes(path) == Nodes()
    write_nodes(path, Nodes(nodes=(node(1),)))
    assert read_nodes(path).nodes == (node(1),)
    path.write_text(path.read_text()[:-5])
    assert read_nodes(path) == Nodes()

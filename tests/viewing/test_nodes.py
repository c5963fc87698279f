"""The nodes of a cluster on the page of the search that runs there."""

from pathlib import Path

from playwright.sync_api import expect

from platform.results.nodes_file import NodeNow, Nodes, write_nodes
from platform.results.run_folder import RunFolder
from platform.tuning.keeping.driver import driving
from tests.viewing.conftest import Serve

FIRST = NodeNow(
    name="gpu-1 (10.0.0.1)", state="takes part", cpus=8, gpus=2, trials=(7, 9), servers=1, ready=3, computed=1
)
SECOND = NodeNow(name="gpu-2 (10.0.0.2)", state="joins", cpus=8, gpus=2)


def test_who_runs_what_is_shown_while_a_search_runs_on_several_nodes(serve: Serve, runs: Path) -> None:
    folder = RunFolder(runs / "kth")
    with driving(folder):
        write_nodes(folder.nodes, Nodes(nodes=(FIRST, SECOND), waits=("trial 11 waits for 1 GPU",)))
        page = serve(runs).open("/run/kth")
        nodes = page.get_by_label("nodes")
        expect(nodes.locator("tbody tr")).to_have_count(2)
        expect(nodes.locator("tbody tr").nth(0)).to_contain_text("joins")
        expect(nodes.locator("tbody tr").nth(1)).to_contain_text("7 9")
        expect(nodes.locator("tbody tr").nth(1)).to_contain_text("75%")
        expect(page.locator("#overview")).to_contain_text(
            "2 nodes, 1 of them at work · 4 GPUs · trial 11 waits for 1 GPU"
        )
        write_nodes(folder.nodes, Nodes(nodes=(FIRST, SECOND.model_copy(update={"state": "is unfit"}))))
        expect(nodes.locator("tbody tr").nth(0)).to_contain_text("is unfit")

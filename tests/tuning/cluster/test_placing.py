"""Which nodes a trial asks for, as nodes come and go: by a list of nodes in place of Ray's."""

import threading
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from platform.config.search import ResourcesConfig
from platform.results.incidents import Journal
from platform.tuning.cluster import roster as module
from platform.tuning.cluster.nodes import NodeCheck
from platform.tuning.cluster.resources import TrialResources
from platform.tuning.cluster.roster import NODE_ID, Roster
from tests.waiting import wait_for

TRIAL: Any = SimpleNamespace(config={"trial": 0})


class Slow(NodeCheck):
    """Passes every node when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.passes = threading.Event()

    def faults(self, node: Mapping[str, Any]) -> list[str]:
        assert self.passes.wait(10)
        return []


def node(id: str) -> dict[str, Any]:
    return {"NodeID": id, "NodeManagerAddress": id, "NodeManagerHostname": id, "Alive": True, "Resources": {"CPU": 1.0}}


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    nodes = [node("a")]
    monkeypatch.setattr(module, "nodes_for_work", lambda: list(nodes))
    monkeypatch.setattr(module, "draining_nodes", list)
    return nodes


def selector(roster: Roster, *, waits: bool) -> str | None:
    asked = roster.place(TRIAL, waits=waits)._kwargs.get("bundle_label_selector")
    return asked[0][NODE_ID] if asked else None


def test_a_trial_that_waits_asks_for_the_nodes_that_take_part(there: list[dict[str, Any]], tmp_path: Any) -> None:
    check = Slow()
    roster = Roster(
        ResourcesConfig(), TrialResources(1.0, 0.0, 1), Journal(tmp_path / "journal"), checked=["a"], check=check
    )
    assert selector(roster, waits=False) is None
    there.append(node("b"))
    assert (selector(roster, waits=False), selector(roster, waits=True)) == ("!in(b)", "in(a)")
    check.passes.set()
    wait_for(lambda: roster.members["b"].state == "takes part", most_s=10)
    assert (selector(roster, waits=False), selector(roster, waits=True)) == (None, "in(a,b)")
    del there[0]
    assert (selector(roster, waits=False), selector(roster, waits=True)) == (None, "in(b)")
    assert roster.room() == 1


def test_a_node_that_came_after_the_others_were_checked_is_checked_too(
    there: list[dict[str, Any]], tmp_path: Any
) -> None:
    there.append(node("b"))
    check = Slow()
    roster = Roster(
        ResourcesConfig(), TrialResources(1.0, 0.0, 1), Journal(tmp_path / "journal"), checked=["a"], check=check
    )
    roster.look()
    assert {id: member.state for id, member in roster.members.items()} == {"a": "takes part", "b": "joins"}
    check.passes.set()

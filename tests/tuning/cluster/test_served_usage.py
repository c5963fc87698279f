"""GPU-hours of memory servers follow the nodes that take part."""

import time
from typing import Any, Literal, cast

import pytest

from platform.results.progress import Running
from platform.tuning.cluster.roster import Member, Roster
from platform.tuning.cluster.served_usage import ServedUsage


class Nodes:
    """What is asked of a roster."""

    def __init__(self) -> None:
        self.members: dict[str, Member] = {}

    def add(self, name: str, gpus: float, state: Literal["joins", "takes part", "is unfit"] = "takes part") -> None:
        self.members[name] = Member({"NodeID": name, "Resources": {"CPU": 8.0, "GPU": gpus}}, state)


def gpus_held(usage: ServedUsage) -> float:
    """Meanwhile, on average."""
    wall_s, gpu_s = usage.wall_s, usage.gpu_s
    time.sleep(0.01)
    usage.on_step_end(0, [])
    return (usage.gpu_s - gpu_s) / (usage.wall_s - wall_s)


def test_servers_count_on_nodes_that_came_and_not_on_those_that_are_lost_or_have_none() -> None:
    usage, nodes = ServedUsage(Running(gpu_s=7.0), time.monotonic(), gpus_of_node=0.25), Nodes()
    assert (usage.gpu_s, gpus_held(usage)) == (7.0, 0.0)
    usage.follow(cast(Roster, cast(Any, nodes)))
    nodes.add("head", gpus=0)
    nodes.add("first", gpus=1)
    assert gpus_held(usage) == pytest.approx(0.25)
    nodes.add("joined", gpus=8)
    nodes.add("too old", gpus=8, state="is unfit")
    assert gpus_held(usage) == pytest.approx(0.5)
    del nodes.members["first"], nodes.members["joined"]
    assert gpus_held(usage) == 0.0

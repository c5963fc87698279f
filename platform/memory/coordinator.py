"""Which node has memory servers, and whose servers a trial asks: a small actor that owns the servers of a search.

A trial lands on a node, and its servers start there; a node without room for them uses another's. The driver owns the
coordinator and it owns the servers, so that all of them end with the search, however the driver ends, also on a cluster
that goes on.
"""

import asyncio
import contextlib
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import ray
from ray.actor import ActorHandle
from ray.exceptions import RayActorError, RayError, RayTaskError
from ray.util.placement_group import (
    PlacementGroup,
    get_placement_group,
    placement_group,
    placement_group_table,
    remove_placement_group,
)
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy, PlacementGroupSchedulingStrategy

from platform.config.errors import UserError
from platform.memory.request import Totals
from platform.memory.server import MemoryServer, Serving

NAMESPACE = "transferable-memory"
# A share so small that only the order of starting matters: Ray counts in ten-thousandths.
SMALLEST_SHARE = 0.0001
FIRST_ROOM_S = 30.0  # before trials start: the servers of the search before may still be ending
LATER_ROOM_S = 3.0  # a trial waits for this
RETRY_ROOM_S = 60.0  # a node that had no room is asked again
LOST_S = 10.0  # how long a server that does not answer is waited for before its node is looked at


@dataclass(frozen=True)
class NodeServers:
    """The servers of one node: whom a trial asks about each source."""

    node_id: str
    of_source: Mapping[str, ActorHandle]
    room: PlacementGroup

    @property
    def actors(self) -> list[ActorHandle]:
        return list(dict.fromkeys(self.of_source.values()))


class Coordinator:
    """An actor through `start_servers`; trials find it by the serving's name."""

    def __init__(self, serving: Serving) -> None:
        self._serving = serving
        self._nodes: dict[str, NodeServers] = {}
        self._starting: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._had_no_room: dict[str, float] = {}  # node -> when
        self._guests: Counter[str] = Counter()  # trials of other nodes that were sent here
        self._lost = Totals()
        if ray.get_runtime_context().was_current_actor_reconstructed:
            self.give_back_rooms()

    async def start(self, nodes: Collection[str] | None) -> list[str]:
        """Servers on these nodes, or on every node there is; returns those that have no room for them.

        Raises UserError where no node has.
        """
        there = {node["NodeID"] for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU", 0) > 0}
        wanted = there if nodes is None else there.intersection(nodes)
        await asyncio.gather(*(self._ensure(node, FIRST_ROOM_S) for node in wanted))
        if not self._nodes:
            raise self._no_room()
        return sorted(wanted & _living_nodes() - self._nodes.keys())

    async def servers(self, node: str) -> NodeServers:
        """Those that a trial on this node asks, ready to answer: the node's own, where it has room.

        Raises UserError where no node has room, or this one cannot serve.
        """
        await self._ensure(node, LATER_ROOM_S)
        if node in self._nodes:
            return self._nodes[node]
        for other in sorted(self._nodes, key=lambda other: self._guests[other]):
            if await self._answers(other):
                self._guests[other] += 1
                return self._nodes[other]
        raise self._no_room()

    async def counts(self) -> dict[str, int]:
        """Servers of each node that has any."""
        return {node: len(servers.actors) for node, servers in self._nodes.items()}

    async def totals(self) -> Totals:
        """Of all servers together."""
        total = self._lost
        for servers in list(self._nodes.values()):
            for actor in servers.actors:
                try:
                    total += await asyncio.wait_for(actor.totals.remote(), LOST_S)
                except (RayActorError, TimeoutError):
                    total += Totals(restarts=1)
        return total

    async def _ensure(self, node: str, room_s: float) -> None:
        """Servers on this node that answer, unless it has no room."""
        async with self._starting[node]:
            if await self._answers(node):
                return
            if time.monotonic() - self._had_no_room.get(node, -RETRY_ROOM_S) < RETRY_ROOM_S:
                return
            room = self._reserve(node)
            if not await asyncio.to_thread(room.wait, room_s):
                remove_placement_group(room)
                self._had_no_room[node] = time.monotonic()
                return
            servers = self._started(node, room)
            try:
                if await self._are_ready(servers):
                    self._nodes[node] = servers
                    return
            except RayTaskError as error:
                remove_placement_group(room)
                raise error.cause from None
            remove_placement_group(room)

    async def _answers(self, node: str) -> bool:
        """Has the node servers, and are they there?"""
        if (servers := self._nodes.get(node)) is None:
            return False
        if await self._are_ready(servers):
            return True
        if self._nodes.pop(node, None) is not None:
            remove_placement_group(servers.room)
            self._lost += Totals(restarts=len(servers.actors))
        return False

    async def _are_ready(self, servers: NodeServers) -> bool:
        """Waits for those that begin, or begin anew, for as long as their node lives."""
        waiting = asyncio.gather(*(actor.ready.remote() for actor in servers.actors))
        while servers.node_id in _living_nodes():
            try:
                await asyncio.wait_for(asyncio.shield(waiting), LOST_S)
                return True
            except TimeoutError:
                continue
            except RayActorError:
                break
        return False

    def _reserve(self, node: str) -> PlacementGroup:
        """The servers' share of this node, which trials then leave alone."""
        hands = self._serving.hands()
        has_gpu = any(each["NodeID"] == node and each["Resources"].get("GPU", 0) > 0 for each in ray.nodes())
        share = {"CPU": max(round(self._serving.cpus / len(hands), 4), SMALLEST_SHARE)}
        if has_gpu and self._serving.gpus > 0:
            share["GPU"] = round(self._serving.gpus / len(hands), 4)
        return placement_group(
            [share] * len(hands),
            name=f"{self._serving.name}-{uuid.uuid4().hex}",
            bundle_label_selector=[{"ray.io/node-id": node}] * len(hands),
        )

    def __ray_shutdown__(self) -> None:
        """Ray calls it when the last handle is dropped: actors end with their owner, what is reserved does not."""
        self.give_back_rooms()

    def give_back_rooms(self) -> None:
        """All that was reserved in this name, also by a coordinator that was killed and is replaced by this one."""
        for room in placement_group_table().values():
            if room["name"].startswith(self._serving.name) and room["state"] != "REMOVED":
                remove_placement_group(get_placement_group(room["name"]))
                self._lost += Totals(restarts=len(room["bundles"]))

    def _started(self, node: str, room: PlacementGroup) -> NodeServers:
        actor: Any = ray.remote(max_restarts=-1)(MemoryServer)
        of_source: dict[str, ActorHandle] = {}
        for bundle, (names, share) in enumerate(zip(self._serving.hands(), room.bundle_specs, strict=True)):
            server = actor.options(
                num_cpus=share["CPU"],
                num_gpus=share.get("GPU", 0),
                scheduling_strategy=PlacementGroupSchedulingStrategy(room, bundle),
            ).remote(self._serving, names)
            of_source |= dict.fromkeys(names, server)
        return NodeServers(node, of_source, room)

    def _no_room(self) -> UserError:
        return UserError(
            f"no node of the Ray cluster has room for memory servers, which take {self._serving.cpus:g} CPU and "
            f"{self._serving.gpus:g} GPU of each. Lower resources.server_cpus and resources.server_gpus, or wait until "
            "other work has ended."
        )


def _living_nodes() -> set[str]:
    return {node["NodeID"] for node in ray.nodes() if node["Alive"]}


def start_servers(serving: Serving, nodes: Collection[str] | None = None) -> tuple[ActorHandle, list[str]]:
    """Servers on every node before any trial starts, so that trials which take everything cannot starve them.

    `nodes`: on these alone, by their ids. Returns the coordinator, whose handle keeps it and them alive, and the nodes
    that have no room for servers.
    Raises UserError where none has, or a node holds other clips than this one.
    """
    actor: Any = ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)(Coordinator)
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
    coordinator = actor.options(name=serving.name, namespace=NAMESPACE, scheduling_strategy=here).remote(serving)
    try:
        return coordinator, ray.get(coordinator.start.remote(nodes))
    except RayTaskError as error:
        raise (error.cause if isinstance(error.cause, UserError) else error) from None


@dataclass(frozen=True)
class Servers:
    """What the driver asks of those that run."""

    coordinator: ActorHandle

    def start_on(self, node: str) -> None:
        """A node that has joined, where it has room. Raises UserError where what it has is not what trials need."""
        starting: Any = self.coordinator.servers
        try:
            ray.get(starting.remote(node))
        except RayTaskError as error:
            raise (error.cause if isinstance(error.cause, UserError) else error) from None

    def counts(self) -> "ray.ObjectRef[dict[str, int]]":
        """How many each node has, by its id; comes when the coordinator has time."""
        counting: Any = self.coordinator.counts
        return counting.remote()

    def end(self) -> None:
        """All of them, and what is reserved for them, whoever holds a handle."""
        giving_back: Any = self.coordinator.give_back_rooms
        with contextlib.suppress(RayError):  # all this ends with a cluster that is gone
            ray.get(giving_back.remote(), timeout=LOST_S)
        with contextlib.suppress(RayError):
            ray.kill(self.coordinator)

"""How a trial reads memories: stored blocks from the files of its own node, and the others through the servers."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import ray
from ray.exceptions import RayActorError, RayTaskError

from platform.config.errors import UserError
from platform.memory.blocks import BlockStore
from platform.memory.coordinator import NAMESPACE, NodeServers
from platform.memory.request import Counters, Request, Shown
from platform.memory.server import Served, Serving

LIVES = 5  # servers that may die over one request before the trial fails with it


@dataclass
class ServedMemory:
    """A trial's MemoryProvider. Servers are looked up when they are needed, so that it survives pickling.

    One object for as long as a trial lives: the store's folders that it reads from are in use until then.
    """

    serving: Serving
    counters: Counters = field(default_factory=Counters)

    def __post_init__(self) -> None:
        self._store: BlockStore = self.serving.store()
        self._servers: NodeServers | None = None

    def states(self, request: Request, shown: Shown | None = None) -> np.ndarray:
        """(N, T-1, S, h, w) float16, read-only. Raises KeyError for a source the run does not serve."""
        identity, was_computed = self.serving.sources[request.source].identity, False
        memories = self._store.read(identity, request) if shown is None else None
        if memories is None:
            served = self._ask(request, shown, maps_files=shown is None)
            was_computed, memories = served.was_computed, served.memories
            self.counters.add(evicted_blocks=served.evicted_blocks)
            if memories is None:
                memories = self._store.read(identity, request)
            if memories is None:  # somebody deleted the file meanwhile
                memories = self._ask(request, shown, maps_files=False).memories
                assert memories is not None
        self.counters.add(ready=not was_computed, computed=was_computed, read_bytes=memories.nbytes)
        return memories

    def announce(self, requests: Sequence[Request]) -> None:
        """The servers compute those that do not lie on this node yet, when nobody waits for something else."""
        sources = self.serving.sources
        missing = [r for r in requests if not self._store.path(sources[r.source].identity, r).is_file()]
        if not missing:
            return
        servers = self._find()
        for server in servers.actors:
            theirs = [request for request in missing if servers.of_source[request.source] == server]
            if theirs:
                server.announce.remote(theirs)

    def _ask(self, request: Request, shown: Shown | None, *, maps_files: bool) -> Served:
        """Asks the server again when it dies meanwhile: the answer is a pure function of the question."""
        for _ in range(LIVES):
            servers = self._find()
            here = servers.node_id == ray.get_runtime_context().get_node_id()
            server: Any = servers.of_source[request.source]
            try:
                return ray.get(server.block.remote(request, shown, maps_files=maps_files and here))
            except RayTaskError as error:
                raise _cause(error) from None
            except RayActorError:
                self._servers = None
        raise RuntimeError(
            f"the memory server of source {request.source!r} died {LIVES} times over block {request.block}, perhaps "
            "for want of memory; lower benchmark.block_clips"
        )

    def _find(self) -> NodeServers:
        """The servers of this node, started where it has none yet; those of another where it has no room for any."""
        servers = self._servers
        if servers is None:
            coordinator: Any = ray.get_actor(self.serving.name, namespace=NAMESPACE)
            try:
                servers = ray.get(coordinator.servers.remote(ray.get_runtime_context().get_node_id()))
            except RayTaskError as error:
                raise _cause(error) from None
            self._servers = servers
        return servers


def _cause(error: RayTaskError) -> BaseException:
    """What the server itself raised, without the traceback that Ray wraps it in."""
    return error.cause if isinstance(error.cause, UserError) else error

"""The Ray actor that hosts a frozen source, and the client through which a trial reads its memories.

A server answers with the place of a stored block, not with its bytes: a trial on the same machine maps the file. A
trial elsewhere is sent the bytes. Servers claim their share of CPU or GPU when a search starts, before any trial does,
so that trials which take everything cannot starve the servers they wait for.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import ray
import torch
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from platform.bank.bank import Bank
from platform.benchmarks.catalog import open_benchmark
from platform.config.benchmark import BenchmarkConfig
from platform.config.errors import UserError
from platform.config.home import Home
from platform.memory.blocks import BlockStore
from platform.memory.compute import SourceRunner
from platform.memory.request import Counters, MemoryIdentity, Request

NAMESPACE = "transferable-memory"
# A share so small that only the order of starting matters: Ray counts in ten-thousandths.
SMALLEST_SHARE = 0.0001


@dataclass(frozen=True)
class ServedSource:
    """One source of a run: which bank entry serves which memory under which identity."""

    name: str
    entry: str
    identity: MemoryIdentity

    def server_name(self, node_id: str) -> str:
        """Of this search's own server: one that another search started would end with it."""
        job = ray.get_runtime_context().get_job_id()
        return f"memory-{job}-{self.identity.folder(Request(self.name, 0))}-{node_id}"


class MemoryServer:
    """Hosts one frozen source on one node; an actor through `start_servers`."""

    def __init__(self, source: ServedSource, benchmark: BenchmarkConfig, home: Home, threads: int) -> None:
        torch.set_num_threads(threads)
        device = "cuda" if ray.get_gpu_ids() and torch.cuda.is_available() else "cpu"
        clips = open_benchmark(benchmark, home, make=False).blocks("train")
        if clips.fingerprint != source.identity.clips_fingerprint:
            raise UserError(
                f"{clips.store.path} on {ray.util.get_node_ip_address()} holds other clips than the search began with. "
                f"Prepare it there again from the same files, or fetch it: python -m platform.prepare {benchmark.name} "
                "--fetch --replace"
            )
        network = Bank(home.bank).load(source.entry)
        self._runner = SourceRunner(network, clips, source.identity, BlockStore(home.memory), device)

    def store_block(self, request: Request) -> tuple[str, bool]:
        """Make sure the block is stored, where the disk has room; returns its path and whether it was computed."""
        before = self._runner.counters.computed
        self._runner.states(request)
        path = self._runner.store.path(self._runner.identity, request)
        return str(path), self._runner.counters.computed > before

    def states(self, request: Request) -> np.ndarray:
        """The block itself, for a trial that cannot map this node's files."""
        return self._runner.states(request)

    def computed(self) -> int:
        """Blocks this server put through its source since it started."""
        return self._runner.counters.computed

    def ready(self) -> bool:
        return True


@dataclass
class ServedMemory:
    """A trial's MemoryProvider: reads stored blocks, and asks the servers for those that are not stored yet.

    Servers are looked up by name when they are needed, so that it survives pickling and a restart of the driver.
    """

    sources: Mapping[str, ServedSource]
    home: Home
    counters: Counters = field(default_factory=Counters)

    def states(self, request: Request) -> np.ndarray:
        """(N, T-1, S, h, w) float16, read-only. Raises KeyError for a source the run does not serve."""
        identity, store = self.sources[request.source].identity, BlockStore(self.home.memory)
        memories, was_computed = store.read(identity, request), False
        if memories is None:
            server = self._server(self.sources[request.source])
            path, was_computed = ray.get(server.store_block.remote(request))
            memories = store.read(identity, request) if Path(path).is_file() else None
            if memories is None:
                memories = ray.get(server.states.remote(request))
        self.counters.add(ready=not was_computed, computed=was_computed, read_bytes=memories.nbytes)
        return memories

    @staticmethod
    def _server(source: ServedSource) -> ray.actor.ActorHandle:
        """The server on this node; where there is none, that of any other node."""
        here = ray.get_runtime_context().get_node_id()
        nodes = [here, *(node["NodeID"] for node in ray.nodes() if node["Alive"] and node["NodeID"] != here)]
        for node in nodes:
            try:
                return ray.get_actor(source.server_name(node), namespace=NAMESPACE)
            except ValueError:
                continue
        raise RuntimeError(f"no memory server for source {source.name!r} on any node; was the search started?")


def start_servers(
    sources: Mapping[str, ServedSource],
    benchmark: BenchmarkConfig,
    home: Home,
    *,
    cpus: float,
    gpus: float,
    threads: int = 1,
) -> list[ray.actor.ActorHandle]:
    """One server a source and node, sharing `cpus` and `gpus` of each node; returns when all of them hold their share.

    The handles keep the servers alive: drop them and the servers end.
    """
    # Calls may be repeated after a restart: what they compute is a pure function.
    actor: Any = ray.remote(max_restarts=-1, max_task_retries=-1)(MemoryServer)
    servers = []
    for node in (node for node in ray.nodes() if node["Alive"]):
        node_gpus = gpus if node["Resources"].get("GPU", 0) else 0
        for source in sources.values():
            servers.append(
                actor.options(
                    name=source.server_name(node["NodeID"]),
                    namespace=NAMESPACE,
                    get_if_exists=True,
                    num_cpus=max(round(cpus / len(sources), 4), SMALLEST_SHARE),
                    num_gpus=round(node_gpus / len(sources), 4),
                    scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False),
                ).remote(source, benchmark, home, threads)
            )
    ray.get([server.ready.remote() for server in servers])
    return servers

"""The Ray actor that hosts frozen sources on one node, and what it is made from.

It answers with the word that a block is stored, not with its bytes: a trial on the same machine maps the file. A trial
elsewhere, and one whose block found no room, is sent the bytes through Ray's object store.

What computes is imported where a server begins to: the coordinator needs this module, and no torch (250 MB, 2 s).
"""

import asyncio
import os
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import ray

from platform.config.benchmark import BenchmarkConfig
from platform.config.errors import UserError
from platform.config.home import Home
from platform.memory.blocks import BlockStore
from platform.memory.request import MemoryIdentity, Request, Shown, Totals

if TYPE_CHECKING:
    from platform.memory.worker import BlockWorker


@dataclass(frozen=True)
class ServedSource:
    """One source of a run: which bank entry serves which memory under which identity."""

    name: str
    entry: str
    identity: MemoryIdentity


@dataclass(frozen=True)
class Serving:
    """Everything that a run's memory servers are made from. Trials carry it: `name` is how they find them."""

    sources: Mapping[str, ServedSource]
    benchmark: BenchmarkConfig
    home: Home
    cpus: float  # of a node, all its servers together
    gpus: float = 0.0  # of a node that has GPUs, all its servers together
    servers_per_node: int = 1  # among which the sources are dealt out
    threads: int = 1
    memory_budget: int | None = None  # bytes that may be stored on a node; None: all that the disk takes
    name: str = field(default_factory=lambda: f"memory-{uuid.uuid4().hex}")

    def store(self) -> BlockStore:
        return BlockStore(self.home.memory, self.memory_budget)

    def hands(self) -> list[tuple[str, ...]]:
        """The names of the sources that each server of a node hosts."""
        names, servers = list(self.sources), min(self.servers_per_node, len(self.sources))
        return [tuple(names[server::servers]) for server in range(servers)]


@dataclass(frozen=True)
class Served:
    """What a server answers: the block (N, T-1, S, h, w), or None where its file lies on the asker's node."""

    memories: np.ndarray | None
    was_computed: bool
    evicted_blocks: int


class MemoryServer:
    """Hosts some of a run's sources on one device. Its calls may be repeated: what they compute is a pure function."""

    def __init__(self, serving: Serving, names: Sequence[str]) -> None:
        self._serving = serving
        self._names = names

    @cached_property
    def _worker(self) -> "BlockWorker":
        """Made when first needed, so that what is wrong is raised to whoever asks, and not lost with the actor.

        Raises UserError where this node holds other clips or another source than the search began with.
        """
        import torch

        from platform.bank.bank import Bank
        from platform.benchmarks.catalog import open_benchmark
        from platform.memory.compute import SourceRunner
        from platform.memory.worker import BlockWorker

        serving = self._serving
        torch.set_num_threads(serving.threads)
        device = "cuda" if ray.get_gpu_ids() and torch.cuda.is_available() else "cpu"
        if device == "cuda":
            torch.cuda.set_per_process_memory_fraction(min(1.0, serving.gpus / len(serving.hands())))
        clips = open_benchmark(serving.benchmark, serving.home, make=False).blocks("train")
        if any(serving.sources[name].identity.clips_fingerprint != clips.fingerprint for name in self._names):
            raise UserError(
                f"{clips.store.path} on {ray.util.get_node_ip_address()} holds other clips than the search began with. "
                "Prepare it there again from the same files, or fetch it: "
                f"python -m platform.prepare {serving.benchmark.name} --fetch --replace"
            )
        bank, store = Bank.of(serving.home), serving.store()
        served = [serving.sources[name] for name in self._names]
        networks = {each.name: bank.load(each.entry) for each in served}
        for each in served:
            if bank.card(each.entry).function_sha256 != each.identity.source_sha256:
                raise UserError(
                    f"{bank.path(each.entry)} on {ray.util.get_node_ip_address()} is another source than the search "
                    "began with. Delete it there, and it is fetched anew; or copy that of the driver's bank."
                )
        return BlockWorker(
            {each.name: SourceRunner(networks[each.name], clips, each.identity, store, device) for each in served}
        )

    # While a server restarts Ray answers calls with an error; this one waits until it can be answered.
    @ray.method(max_task_retries=-1)
    async def ready(self) -> int:
        """The process that serves. Raises UserError where it cannot."""
        self._worker  # noqa: B018
        return os.getpid()

    async def block(self, request: Request, shown: Shown | None = None, *, maps_files: bool) -> Served:
        """`maps_files`: the asker is on this node, and is not sent what it can map."""
        answer = await asyncio.shield(asyncio.wrap_future(self._worker.ask(request, shown)))
        memories = None if answer.is_stored and maps_files else answer.memories
        return Served(memories, answer.was_computed, answer.evicted_blocks)

    async def announce(self, requests: Sequence[Request]) -> None:
        self._worker.announce(requests)

    async def totals(self) -> Totals:
        """Since this process started, which may be the second of its actor."""
        has_died = ray.get_runtime_context().was_current_actor_reconstructed
        return replace(self._worker.totals, restarts=int(has_died))

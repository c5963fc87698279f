"""The memory servers of a run: what each source serves, for how long, and what they did."""

import contextlib
import dataclasses
from collections.abc import Collection, Iterator, Mapping

import ray
from ray.exceptions import RayError
from rich.console import Console
from rich.markup import escape

from platform.bank.bank import Bank
from platform.benchmarks.benchmark import Benchmark
from platform.config.home import Home
from platform.config.run import RunConfig
from platform.memory.compute import no_such_memory
from platform.memory.coordinator import Servers, start_servers
from platform.memory.request import MemoryIdentity
from platform.memory.server import ServedSource, Serving
from platform.results.replacing import replace_text
from platform.results.run_folder import RunFolder
from platform.results.scores import readable_bytes
from platform.results.serving import ServingTotals
from platform.tuning.plan import memory_bytes, source_networks, what_the_store_holds

TOTALS_S = 30.0  # how long the servers' last word is waited for


def served_sources(
    config: RunConfig, home: Home, entries: Mapping[str, str], benchmark: Benchmark
) -> dict[str, ServedSource]:
    """What each source serves. Raises UserError for a memory it does not have, or weights that are not the card's."""
    bank, clips, served = Bank.of(home), benchmark.blocks("train"), {}
    cells = config.benchmark.frame_size // config.network.patch_size
    for name, entry in entries.items():
        card, network, memory = bank.card(entry), bank.load(entry), config.sources[name].memory
        if memory not in network.memory_channels:
            raise no_such_memory(name, memory, network)
        identity = MemoryIdentity(
            card.function_sha256,
            clips.fingerprint,
            config.benchmark.input_length,
            grid=(cells, cells),
            dtype=config.resources.memory_dtype,
            entry=entry,
            clips=benchmark.label,
        )
        served[name] = ServedSource(name, entry, identity)
    return served


@contextlib.contextmanager
def memory_servers(
    serving: Serving, folder: RunFolder, console: Console, nodes: Collection[str] | None = None
) -> Iterator[Servers | None]:
    """The servers of a run for the duration, on `nodes` from the beginning; what they did is written to its folder in
    the end. `nodes`: by their ids; None: all there are.

    Gives None where nothing is served.
    """
    if not serving.sources:
        yield None
        return
    coordinator, without = start_servers(serving, nodes)
    if without:
        console.print(
            f"[yellow]note:[/] {len(without)} of the nodes have no room for memory servers; trials there are sent "
            "their memories by those of other nodes"
        )
    servers = Servers(coordinator)
    try:
        yield servers
    finally:
        with contextlib.suppress(RayError):  # a cluster that is gone tells nothing
            totals = ray.get(coordinator.totals.remote(), timeout=TOTALS_S)
            replace_text(folder.memory, ServingTotals(**dataclasses.asdict(totals)).model_dump_json(indent=2))
        servers.end()


def note_small_store(config: RunConfig, home: Home, benchmark: Benchmark, console: Console) -> None:
    """Say when the store cannot hold every memory that the search may ask for."""
    wanted = memory_bytes(config, source_networks(config, home), benchmark.blocks("train").num_clips)
    if held := what_the_store_holds(config, home, wanted):
        console.print(
            f"[yellow]note:[/] memories may take {readable_bytes(wanted)} at {escape(str(home.memory))}{held}. "
            "Free some with `python -m platform.sources cache --clear`, or raise resources.memory_budget."
        )

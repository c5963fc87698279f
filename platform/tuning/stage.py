"""What trials stand on: prepared benchmarks, a bank that has every source, a begun run folder, memory servers.

A search and a comparison both begin here. What cannot work is refused before anything costly starts.
"""

import contextlib
import dataclasses
import datetime
import json
from collections.abc import Iterator, Mapping

import ray
import torch
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy
from rich.console import Console
from rich.markup import escape

from platform.bank.bank import Bank
from platform.benchmarks.benchmark import Benchmark
from platform.benchmarks.catalog import open_benchmark
from platform.config.home import Home
from platform.config.load import dump_run
from platform.config.run import RunConfig
from platform.config.training import Precision
from platform.memory.compute import no_such_memory
from platform.memory.coordinator import SMALLEST_SHARE, start_servers
from platform.memory.request import MemoryIdentity
from platform.memory.server import ServedSource, Serving
from platform.results.run_folder import RunFolder
from platform.results.scores import readable_bytes
from platform.results.serving import ServingTotals
from platform.training.lpips import load_lpips, why_no_lpips
from platform.training.precision import settled_precision
from platform.training.versions import hardware, package_versions
from platform.tuning.cluster import log_libraries_to
from platform.tuning.plan import (
    check_fits,
    check_memories,
    check_starts,
    memory_bytes,
    source_networks,
    what_the_store_holds,
)
from platform.tuning.pretraining import SourceSpec, bank_entries, pretrain_missing, specs
from platform.tuning.resources import TrialResources, trial_resources
from platform.tuning.target import TargetPlan
from platform.tuning.trial import TrialPlan

TOTALS_S = 30.0  # how long the servers' last word is waited for


@contextlib.contextmanager
def stage(
    config: RunConfig, folder: RunFolder, home: Home, console: Console
) -> Iterator[tuple[TrialPlan, TrialResources]]:
    """Everything trials stand on: benchmarks, sources, the begun run folder, and memory servers for the duration."""
    benchmark = prepare_benchmarks(config, home, console)
    _announce(config, benchmark, home, console)
    load_lpips(home.lpips, config.benchmark.frame_size)  # refuses damaged weights now, not after hours of training
    resources = trial_resources(config.resources, ray.nodes(), len(config.sources))
    config = settle_precision(config, on_gpu=resources.gpus > 0)
    for note in resources.notes:
        console.print(f"[yellow]note:[/] {note}")
    check_memories(config, source_networks(config, home))
    check_starts(config, home, benchmark.channels)
    check_fits(config, home, benchmark.channels)
    entries = pretrain_sources(config, home, resources, console)
    serving = Serving(
        served_sources(config, home, entries, benchmark),
        config.benchmark,
        home,
        cpus=config.resources.server_cpus,
        gpus=config.resources.server_gpus,
        servers_per_node=config.resources.servers_per_node,
        threads=config.resources.threads_per_trial,
        memory_budget=config.resources.memory_budget,
    )
    begin_run_folder(config, folder, benchmark, home, entries)
    log_libraries_to(folder.log)
    note_small_store(config, home, benchmark, console)
    with memory_servers(serving, folder, console):
        yield TrialPlan(TargetPlan(config, home, entries), serving, config.resources.threads_per_trial), resources


@contextlib.contextmanager
def memory_servers(serving: Serving, folder: RunFolder, console: Console) -> Iterator[None]:
    """The servers of a run for the duration; what they did is written to its folder in the end."""
    if not serving.sources:
        yield
        return
    coordinator, without = start_servers(serving)
    if without:
        console.print(
            f"[yellow]note:[/] {len(without)} of the nodes have no room for memory servers; trials there are sent "
            "their memories by those of other nodes"
        )
    try:
        yield
    finally:
        with contextlib.suppress(RayError):  # a cluster that is gone tells nothing
            totals = ray.get(coordinator.totals.remote(), timeout=TOTALS_S)
            folder.memory.write_text(ServingTotals(**dataclasses.asdict(totals)).model_dump_json(indent=2))


def settle_precision(config: RunConfig, *, on_gpu: bool) -> RunConfig:
    """`auto` decided once, here, so that trials on unlike machines compute alike and can be compared."""
    precision = config.training.precision
    if precision == "auto":
        precision = _precision_of_nodes(on_gpu=on_gpu)
    return config.model_copy(update={"training": config.training.model_copy(update={"precision": precision})})


def _precision_of_nodes(*, on_gpu: bool) -> Precision:
    """bfloat16 where every node that may run trials computes in it."""
    nodes = [node for node in ray.nodes() if node["Alive"] and (not on_gpu or node["Resources"].get("GPU"))]
    if not on_gpu and len(nodes) == 1:
        return settled_precision("auto", torch.device("cpu"))
    task = ray.remote(settled_precision)
    told = [
        task.options(
            num_cpus=0,
            num_gpus=SMALLEST_SHARE if on_gpu else 0,
            scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False),
        ).remote("auto", torch.device("cuda" if on_gpu else "cpu"))
        for node in nodes
    ]
    return "bfloat16" if set(ray.get(told)) == {"bfloat16"} else "float32"


def prepare_benchmarks(config: RunConfig, home: Home, console: Console) -> Benchmark:
    """Open the target's benchmark and those of the sources, making stand-ins where that is allowed."""
    benchmark = open_benchmark(config.benchmark, home)
    benchmark.refuse_leaks()
    for name, entry in bank_entries(config, home).items():
        source = config.sources[name].benchmark
        if entry is None and source is not None:
            open_benchmark(source, home).refuse_leaks()
    return benchmark


def pretrain_sources(config: RunConfig, home: Home, resources: TrialResources, console: Console) -> dict[str, str]:
    """The bank entry of every source, pretrained now where the bank had none."""
    entries = bank_entries(config, home)
    missing: dict[str, SourceSpec] = {name: spec for name, spec in specs(config).items() if entries[name] is None}
    made = pretrain_missing(
        missing,
        home,
        console,
        cpus=resources.cpus,
        gpus=resources.gpus,
        threads=config.resources.threads_per_trial,
    )
    return {name: entries[name] or made[name] for name in entries}


def served_sources(
    config: RunConfig, home: Home, entries: Mapping[str, str], benchmark: Benchmark
) -> dict[str, ServedSource]:
    """What each source serves. Raises UserError for a memory it does not have, or weights that are not the card's."""
    bank, clips, served = Bank(home.bank), benchmark.blocks("train"), {}
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


def note_small_store(config: RunConfig, home: Home, benchmark: Benchmark, console: Console) -> None:
    """Say when the store cannot hold every memory that the search may ask for."""
    wanted = memory_bytes(config, source_networks(config, home), benchmark.blocks("train").num_clips)
    if held := what_the_store_holds(config, home, wanted):
        console.print(
            f"[yellow]note:[/] memories may take {readable_bytes(wanted)} at {escape(str(home.memory))}{held}. "
            "Free some with `python -m platform.sources cache --clear`, or raise resources.memory_budget."
        )


def begin_run_folder(
    config: RunConfig, folder: RunFolder, benchmark: Benchmark, home: Home, entries: Mapping[str, str]
) -> None:
    """Write what is known before the first trial: the resolved configuration, and what everything was made of."""
    folder.path.mkdir(parents=True, exist_ok=True)
    folder.config.write_text(dump_run(config))
    cards = {name: Bank(home.bank).card(entry) for name, entry in entries.items()}
    provenance = {
        "benchmark": benchmark.label,
        "synthetic": benchmark.synthetic,
        "fingerprints": {split: benchmark.blocks(split).fingerprint for split in ("train", "validation", "test")},
        "sources": {
            name: {
                "entry": entries[name],
                "benchmark": card.data.label,
                "synthetic": card.data.synthetic,
                "weights_sha256": card.weights_sha256,
                "score": card.score,
                "last_frame": card.last_frame,
            }
            for name, card in cards.items()
        },
        "seed": config.search.seed,
        "started": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "versions": package_versions(),
        "hardware": hardware(),
    }
    folder.provenance.write_text(json.dumps(provenance, indent=2))


def _announce(config: RunConfig, benchmark: Benchmark, home: Home, console: Console) -> None:
    counts = ", ".join(f"{benchmark.blocks(split).num_clips} {split}" for split in ("train", "validation", "test"))
    console.print(f"[bold]{config.name}[/] on [bold]{benchmark.label}[/] · profile {config.profile} · clips: {counts}")
    if why := why_no_lpips(home.lpips, config.benchmark.frame_size):
        console.print(f"[dim]lpips is not scored: it {escape(why)}[/]", soft_wrap=True)

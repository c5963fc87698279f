"""What trials stand on: prepared benchmarks, a bank that has every source, a begun run folder, memory servers.

A search and a comparison both begin here. What cannot work is refused before anything costly starts.
"""

import contextlib
import dataclasses
import datetime
import json
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

import ray
from pydantic import BaseModel, ConfigDict
from ray.exceptions import RayError
from rich.console import Console
from rich.markup import escape

from platform.bank.bank import Bank
from platform.bank.card import CARD
from platform.benchmarks.benchmark import Benchmark
from platform.benchmarks.catalog import open_benchmark, published_name
from platform.benchmarks.manifest import MANIFEST_FILE
from platform.config.bounded import read_json
from platform.config.home import Home
from platform.config.resolved import dump_run
from platform.config.run import RunConfig
from platform.config.splits import SPLIT_NAMES
from platform.memory.compute import no_such_memory
from platform.memory.coordinator import Servers, start_servers
from platform.memory.request import MemoryIdentity
from platform.memory.server import ServedSource, Serving
from platform.results.incidents import Journal
from platform.results.progress import Running
from platform.results.replacing import replace_text
from platform.results.run_folder import RunFolder
from platform.results.scores import readable_bytes
from platform.results.serving import ServingTotals
from platform.training.lpips import load_lpips, why_no_lpips
from platform.tuning.cluster import log_libraries_to
from platform.tuning.gpu_memory import GpuMemory
from platform.tuning.gpu_need import GpuNeed, foretold
from platform.tuning.gpu_shares import GpuShares
from platform.tuning.made_with import RunProvenance, made_with, read_provenance
from platform.tuning.node_precision import settle_precision
from platform.tuning.nodes import Needed, NodeCheck, nodes_for_work
from platform.tuning.plan import (
    check_fits,
    check_memories,
    check_starts,
    memory_bytes,
    source_networks,
    what_the_store_holds,
)
from platform.tuning.pretraining import SourceSpec, bank_entries, pretrain_missing, specs
from platform.tuning.resources import TrialResources
from platform.tuning.resuming import Past
from platform.tuning.roster import Roster, await_resources
from platform.tuning.same_data import entries_as_recorded, refuse_other_clips
from platform.tuning.served_usage import ServedUsage
from platform.tuning.target import TargetPlan
from platform.tuning.trial import TrialPlan
from platform.tuning.usage import Usage, WindDown

TOTALS_S = 30.0  # how long the servers' last word is waited for


@dataclasses.dataclass(frozen=True)
class Begun:
    """What trials stand on, and what watches over them."""

    plan: TrialPlan
    resources: TrialResources
    journal: Journal
    usage: Usage
    wind_down: WindDown
    roster: Roster
    servers: Servers | None = None

    @classmethod
    def plainly(cls, plan: TrialPlan, resources: TrialResources, console: Console) -> "Begun":
        """For trials without memory servers, and without a past."""
        config, journal = plan.target.config, Journal(plan.folder.incidents, console)
        usage = Usage(Running(), time.monotonic(), server_gpus=0.0)
        wind_down = WindDown(config.search.budget, usage, plan.folder.winding_down, journal)
        wanted = config.resources.model_copy(update={"trials_at_once": resources.at_once})
        there = [node["NodeID"] for node in nodes_for_work()]
        return cls(plan, resources, journal, usage, wind_down, Roster(wanted, resources, journal, checked=there))


class _Provenance(BaseModel):
    """What was noted when the run began stays as it is."""

    model_config = ConfigDict(extra="allow")
    resumed: list[dict[str, Any]] = []


@contextlib.contextmanager
def stage(
    config: RunConfig,
    folder: RunFolder,
    home: Home,
    console: Console,
    past: Past | None = None,
    *,
    same_as: RunProvenance | None = None,
) -> Iterator[Begun]:
    """Benchmarks, sources, the begun run folder, and memory servers for the duration.

    `past`: what an earlier driver left of this run. `same_as`: what another was made of, whose clips and sources it
    must have. Raises UserError where clips or sources are others by now.
    """
    past, began = past or Past(), time.monotonic()
    NodeCheck().refuse_unfit()
    made_of = read_provenance(folder) if folder.provenance.exists() else same_as
    benchmark = prepare_benchmarks(config, home, console)
    if made_of is not None:
        refuse_other_clips(made_of, benchmark, SPLIT_NAMES)
    _announce(config, benchmark, home, console)
    load_lpips(home.lpips, config.benchmark.frame_size)  # refuses damaged weights now, not after hours of training
    resources = await_resources(config.resources, len(config.sources), console)
    config = settle_precision(config, on_gpu=resources.gpus > 0)
    journal = Journal(folder.incidents, console)
    usage = ServedUsage(past.used, began, gpus_of_node=config.resources.server_gpus if config.sources else 0.0)
    wind_down = WindDown(config.search.budget, usage, folder.winding_down, journal)
    check_memories(config, networks := source_networks(config, home))
    check_starts(config, home, benchmark.channels)
    check_fits(config, home, benchmark.channels)
    shares = None
    if resources.gpus > 0 and config.resources.gpus_per_trial == "auto":
        need_bytes, told = foretold(config, networks, benchmark.channels)
        console.print(told, markup=False, soft_wrap=True)
        if need_bytes is not None:
            need, gpu_memory = need_after(past, need_bytes), GpuMemory()
            resources = await_resources(config.resources, len(config.sources), console, need, gpu_memory)
            shares = GpuShares(need, gpu_memory, config.resources, resources, journal)
    for note in resources.notes:
        console.print(f"[yellow]note:[/] {escape(note)}", soft_wrap=True)
    if made_of is not None:
        entries = entries_as_recorded(made_of, config.sources, Bank.of(home))
    else:
        if None in bank_entries(config, home).values():
            begin_run_folder(config, folder)  # what is broken off while it pretrains can be gone on with
            NodeCheck.of_run(folder, needed_files(benchmark, home, ()), home.remote).refuse_unfit()
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
    begin_run_folder(config, folder)
    check = NodeCheck.of_run(folder, needed_files(benchmark, home, entries.values()), home.remote)
    checked = check.refuse_unfit()
    log_libraries_to(folder.log)
    note_provenance(config, folder, benchmark, home, entries, device="cuda" if resources.gpus > 0 else "cpu")
    note_small_store(config, home, benchmark, console)
    if past.ended or past.unfinished:
        journal.note("resumed", _what_goes_on(past))
    with memory_servers(serving, folder, console, checked) as servers:
        threads = config.resources.threads_per_trial
        plan = TrialPlan(TargetPlan(config, home, entries), serving, threads, folder.absolute())
        roster = Roster(
            config.resources,
            resources,
            journal,
            checked=checked,
            check=check,
            serve=servers.start_on if servers else None,
            shares=shares,
        )
        usage.follow(roster)
        yield Begun(plan, resources, journal, usage, wind_down, roster, servers)


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


def need_after(past: Past, foretold_bytes: int) -> GpuNeed:
    """Of a GPU, what a trial needs: foretold, and corrected by what trials of earlier drivers took."""
    need = GpuNeed(foretold_bytes)
    used = [*(record.gpu for record in past.ended.values()), *(trial.gpu for trial in past.used.trials)]
    for each in used:
        if each is not None:
            need.saw(each.taken_bytes, each.foretold_bytes)
    return need


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


def note_small_store(config: RunConfig, home: Home, benchmark: Benchmark, console: Console) -> None:
    """Say when the store cannot hold every memory that the search may ask for."""
    wanted = memory_bytes(config, source_networks(config, home), benchmark.blocks("train").num_clips)
    if held := what_the_store_holds(config, home, wanted):
        console.print(
            f"[yellow]note:[/] memories may take {readable_bytes(wanted)} at {escape(str(home.memory))}{held}. "
            "Free some with `python -m platform.sources cache --clear`, or raise resources.memory_budget."
        )


def needed_files(benchmark: Benchmark, home: Home, entries: Iterable[str]) -> Iterator[Needed]:
    """What trials read on their node besides the run folder. What was published they fetch."""
    share, bank = f"Let the nodes share TMU_HOME, {home.root} here", Bank.of(home)
    if published_name(benchmark.config, home) is None:
        publish = f"or set TMU_REMOTE and `python -m platform.prepare {benchmark.config.name} --publish`"
        yield Needed(benchmark.store.path / MANIFEST_FILE, f"{share}, {publish}.")
    for entry in entries:
        if not bank.is_published(entry):
            publish = f"or set TMU_REMOTE and `python -m platform.sources publish {entry}`"
            yield Needed(bank.path(entry) / CARD, f"{share}, {publish}.")


def begin_run_folder(config: RunConfig, folder: RunFolder) -> None:
    """The resolved configuration, with which a search can be gone on with from here on."""
    folder.path.mkdir(parents=True, exist_ok=True)
    replace_text(folder.config, dump_run(config))


def note_provenance(
    config: RunConfig, folder: RunFolder, benchmark: Benchmark, home: Home, entries: Mapping[str, str], device: str
) -> None:
    """What everything was made of, and with what. Of a search that goes on: when, and with what it does."""
    started = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    noted = made_with(folder, config, device).model_dump(exclude_none=True)
    if folder.provenance.is_file():
        before = read_json(folder.provenance, _Provenance)
        before.resumed.append({"started": started, **noted})
        replace_text(folder.provenance, before.model_dump_json(indent=2))
        return
    cards = {name: Bank.of(home).card(entry) for name, entry in entries.items()}
    provenance = {
        "benchmark": benchmark.label,
        "synthetic": benchmark.synthetic,
        "fingerprints": {split: benchmark.blocks(split).fingerprint for split in SPLIT_NAMES},
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
        "started": started,
        **noted,
    }
    replace_text(folder.provenance, json.dumps(provenance, indent=2))


def _what_goes_on(past: Past) -> str:
    """`the search goes on: 12 trials had ended, trial 7 goes on after epoch 3, trial 8 begins anew`."""
    parts = [f"{len(past.ended)} trial{'' if len(past.ended) == 1 else 's'} had ended"]
    for number, trial in sorted(past.unfinished.items()):
        epoch = len(trial.curve)
        parts.append(f"trial {number} {f'goes on after epoch {epoch}' if epoch else 'begins anew'}")
    return f"the search goes on: {', '.join(parts)}"


def _announce(config: RunConfig, benchmark: Benchmark, home: Home, console: Console) -> None:
    counts = ", ".join(f"{benchmark.blocks(split).num_clips} {split}" for split in SPLIT_NAMES)
    console.print(f"[bold]{config.name}[/] on [bold]{benchmark.label}[/] · profile {config.profile} · clips: {counts}")
    if why := why_no_lpips(home.lpips, config.benchmark.frame_size):
        console.print(f"[dim]lpips is not scored: it {escape(why)}[/]", soft_wrap=True)

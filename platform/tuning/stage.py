"""The stage is set for trials: prepared benchmarks, a bank that has every source, a begun run folder, memory servers.

A search and a comparison both begin here. What cannot work is refused before anything costly starts.
"""

import contextlib
import time
from collections.abc import Iterable, Iterator

from rich.console import Console
from rich.markup import escape

from platform.bank.bank import Bank
from platform.bank.card import CARD
from platform.benchmarks.benchmark import Benchmark
from platform.benchmarks.catalog import open_benchmark, published_name
from platform.benchmarks.manifest import MANIFEST_FILE
from platform.config.home import Home
from platform.config.resolved import dump_run
from platform.config.run import RunConfig
from platform.config.splits import SPLIT_NAMES
from platform.memory.server import Serving
from platform.results.incidents import Journal
from platform.results.replacing import replace_text
from platform.results.run_folder import RunFolder
from platform.training.lpips import load_lpips, why_no_lpips
from platform.tuning.begun import Begun
from platform.tuning.cluster.connecting import log_libraries_to
from platform.tuning.cluster.gpu_memory import GpuMemory
from platform.tuning.cluster.gpu_need import GpuNeed, foretold
from platform.tuning.cluster.gpu_shares import GpuShares
from platform.tuning.cluster.nodes import Needed, NodeCheck
from platform.tuning.cluster.precision import settle_precision
from platform.tuning.cluster.resources import TrialResources
from platform.tuning.cluster.roster import Roster, await_resources
from platform.tuning.cluster.served_usage import ServedUsage
from platform.tuning.keeping.made_with import RunProvenance, note_provenance, read_provenance
from platform.tuning.keeping.same_data import entries_as_recorded, refuse_other_clips
from platform.tuning.plan import check_fits, check_memories, check_starts, source_networks
from platform.tuning.pretraining import SourceSpec, bank_entries, pretrain_missing, specs
from platform.tuning.serving import memory_servers, note_small_store, served_sources
from platform.tuning.trials.resuming import Past
from platform.tuning.trials.target import TargetPlan
from platform.tuning.trials.trial import TrialPlan
from platform.tuning.trials.usage import WindDown


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
            need, gpu_memory = GpuNeed.after(past, need_bytes), GpuMemory()
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

"""The ranking of a run's sources, for the command that prints it and for a search that begins with it."""

from collections.abc import Mapping

from rich.table import Table

from platform.bank.bank import Bank
from platform.benchmarks.benchmark import Benchmark
from platform.config.home import Home
from platform.config.run import RunConfig
from platform.memory.blocks import BlockStore
from platform.memory.compute import SourceRunner
from platform.memory.fit import check_fit
from platform.memory.request import MemoryIdentity
from platform.training.ranking import Relevance, rank_sources


def rank_run_sources(
    config: RunConfig, home: Home, entries: Mapping[str, str], benchmark: Benchmark
) -> list[Relevance]:
    """Every source of the run, the most relevant to its benchmark's training clips first.

    Raises UserError for one that cannot be shown these clips, before any computes.
    """
    bank, clips = Bank.of(home), benchmark.blocks("train")
    cells = config.benchmark.frame_size // config.network.patch_size
    runners, store = {}, BlockStore(home.memory, config.resources.memory_budget)
    for name, entry in entries.items():
        network = bank.load(entry)
        check_fit(name, network, channels=benchmark.channels, frame_size=config.benchmark.frame_size)
        identity = MemoryIdentity(
            bank.card(entry).function_sha256,
            clips.fingerprint,
            config.benchmark.input_length,
            (cells, cells),
            dtype=config.resources.memory_dtype,
            entry=entry,
            clips=benchmark.label,
        )
        runners[name] = SourceRunner(network, clips, identity, store)
    return rank_sources(runners, {name: config.sources[name].memory for name in entries})


def ranking_table(ranking: list[Relevance], label: str) -> Table:
    table = Table("source", "memory", "LogME", "ridge R²", box=None, header_style="bold", title_justify="left")
    table.title = f"how much each source's memory says about the next frames of {label}, higher is better"
    for relevance in ranking:
        table.add_row(relevance.source, relevance.memory, f"{relevance.log_me:.3f}", f"{relevance.ridge_r2:.3f}")
    return table

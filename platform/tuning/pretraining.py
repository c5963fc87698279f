"""Sources that the YAML names and the bank lacks, pretrained as Ray tasks, each once.

A task streams its epochs back, so that the user sees each source advance. A lock in the bank keeps two searches from
training the same source twice; whoever waits finds it done. What was pretrained is published at once, where machines
share storage.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import ray
import torch
from filelock import FileLock
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from platform.bank.bank import Bank
from platform.bank.card import Card
from platform.benchmarks.catalog import find_benchmark, open_benchmark
from platform.config.benchmark import BenchmarkConfig
from platform.config.errors import UserError
from platform.config.home import Home
from platform.config.network import NetworkConfig
from platform.config.run import RunConfig
from platform.config.training import PretrainingConfig
from platform.training.pretraining import SourceRecipe, pretrain
from platform.training.run import EpochReport


@dataclass(frozen=True)
class SourceSpec:
    """A recipe as plain values, to be sent to a worker."""

    name: str
    benchmark: BenchmarkConfig
    network: NetworkConfig
    pretraining: PretrainingConfig

    def recipe(self, home: Home) -> SourceRecipe:
        """Raises UserError where the benchmark is not prepared."""
        benchmark = open_benchmark(self.benchmark, home, make=False)
        return SourceRecipe(self.name, benchmark, self.network, self.pretraining)


def specs(config: RunConfig) -> dict[str, SourceSpec]:
    """The sources of a run that have a recipe."""
    return {
        name: SourceSpec(name, source.benchmark, source.network, source.pretraining)
        for name, source in config.sources.items()
        if source.benchmark is not None and source.network is not None and source.pretraining is not None
    }


def bank_entries(config: RunConfig, home: Home) -> dict[str, str | None]:
    """The bank entry of each source of a run; None where it must be pretrained first. Touches nothing."""
    bank = Bank.of(home)
    entries: dict[str, str | None] = {}
    for name, source in config.sources.items():
        if source.bank is not None:
            bank.card(source.bank)
            entries[name] = source.bank
    for name, spec in specs(config).items():
        benchmark = find_benchmark(spec.benchmark, home)
        if benchmark is None:
            entries[name] = None
        else:
            entries[name] = bank.find(SourceRecipe(name, benchmark, spec.network, spec.pretraining).hash)
    return {name: entries[name] for name in config.sources}


def pretrain_missing(
    wanted: Mapping[str, SourceSpec], home: Home, console: Console, *, cpus: float, gpus: float, threads: int
) -> dict[str, str]:
    """Pretrain each of `wanted`, side by side; returns their bank entries. Raises UserError naming what failed."""
    if not wanted:
        return {}
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[state]}"),
        TimeElapsedColumn(),
    )
    entries: dict[str, str] = {}
    task = _pretrain.options(num_cpus=cpus, num_gpus=gpus)
    streams = {task.remote(spec, home, threads): name for name, spec in wanted.items()}
    with Progress(*columns, TimeRemainingColumn(), console=console) as progress:
        bars = {
            name: progress.add_task(f"pretraining {name}", total=wanted[name].pretraining.epochs, state="waiting")
            for name in wanted
        }
        waiting = list(streams)
        while waiting:
            (stream, *_), _ = ray.wait(waiting, fetch_local=False)
            name = streams[stream]
            try:
                update = ray.get(next(stream))
            except StopIteration:
                waiting.remove(stream)
                continue
            except ray.exceptions.RayTaskError as error:
                cause = error.cause or error
                if isinstance(cause, UserError):
                    raise cause from None
                raise UserError(f"pretraining source {name!r} failed: {cause}") from None
            if isinstance(update, EpochReport):
                loss = f"epoch {update.epoch}, loss {update.train_loss:.5f}"
                progress.update(bars[name], completed=update.epoch, state=loss)
            else:
                entry, card = update
                entries[name] = entry
                progress.update(bars[name], completed=wanted[name].pretraining.epochs, state=score_text(card))
    for name in wanted:
        console.print(f"source [bold]{name}[/] pretrained on {Bank.of(home).card(entries[name]).data.label}")
    return entries


def pretrain_here(spec: SourceSpec, home: Home, console: Console) -> str:
    """Pretrain one source in this process, without Ray, under a progress bar; returns its bank entry."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    recipe = spec.recipe(home)
    steps = recipe.run_length
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[state]}"), TimeElapsedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console) as progress, _lock(home, recipe):
        bar = progress.add_task(f"pretraining {spec.name}", total=steps, state="epoch 1")
        reports = pretrain(recipe, Bank.of(home), device=device, on_step=lambda s: progress.update(bar, completed=s))
        for report in reports:
            progress.update(bar, state=f"epoch {report.epoch}, loss {report.train_loss:.5f}")
    Bank.of(home).share(recipe.entry)
    return recipe.entry


def score_text(card: Card) -> str:
    """`mse 12.3 (copying the last frame 45.6)`."""
    return f"mse {card.score['mse']:.4g} (copying the last frame {card.last_frame['mse']:.4g})"


@ray.remote(max_retries=0)
def _pretrain(spec: SourceSpec, home: Home, threads: int) -> Iterator[Any]:
    """Yields an EpochReport an epoch, then (entry, card)."""
    torch.set_num_threads(threads)
    recipe, bank = spec.recipe(home), Bank.of(home)
    device = "cuda" if ray.get_gpu_ids() and torch.cuda.is_available() else "cpu"
    with _lock(home, recipe):
        if (entry := bank.find(recipe.hash)) is None:
            yield from pretrain(recipe, bank, device=device)
            entry = recipe.entry
            bank.share(entry)
    yield entry, bank.card(entry)


def _lock(home: Home, recipe: SourceRecipe) -> FileLock:
    home.bank.mkdir(parents=True, exist_ok=True)
    return FileLock(home.bank / f".{recipe.entry}.lock")

"""One recorded trial, trained again alone from its record and held against it, number by number.

No Ray here: the target, the state of a process before a trial and what runs sources are the search's own, put together
in this process. Nothing is read ahead, so that nothing else computes while the target trains.
"""

import contextlib
import math
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from platform.bank.bank import Bank
from platform.config.home import Home
from platform.memory.blocks import BlockStore
from platform.memory.compute import SourceRunner
from platform.memory.in_process import InProcessMemory
from platform.results.record import TrialRecord
from platform.results.settings_text import setting_text
from platform.tuning.keeping.recorded import Recorded
from platform.tuning.serving import served_sources
from platform.tuning.trials.memory_limit import MemoryLimit
from platform.tuning.trials.target import Target, TargetPlan
from platform.tuning.trials.trial import OWN_FAILURES
from platform.tuning.trials.worker import Worker

MEASURED = "seconds_per_clip"  # the one metric that is a duration
OUT_OF_MEMORY = "out of memory: "  # how such a reason begins; the sizes in it are never quite the same


@dataclass(frozen=True)
class Pair:
    """A number on record, and the same of the replay. `epoch` is None where it stands for the whole trial."""

    name: str
    epoch: int | None
    recorded: float
    replayed: float | None  # None where the replay has no such number

    @property
    def is_equal(self) -> bool:
        """To the last bit, not about."""
        return self.recorded == self.replayed

    @property
    def relative_difference(self) -> float:
        """To the larger of both; infinite where the replay has none, or one of them is infinite."""
        if self.is_equal:
            return 0.0
        if self.replayed is None or math.isinf(self.recorded - self.replayed):
            return math.inf
        return abs(self.recorded - self.replayed) / max(abs(self.recorded), abs(self.replayed))


@dataclass(frozen=True)
class Outcome:
    """What a replay came to. `failure` says why it failed, where it did."""

    record: TrialRecord
    pairs: tuple[Pair, ...]
    failure: str | None

    @property
    def differences(self) -> tuple[Pair, ...]:
        return tuple(pair for pair in self.pairs if not pair.is_equal)

    @property
    def recorded_failure(self) -> str | None:
        return self.record.reason if self.record.state == "failed" else None

    @property
    def fails_alike(self) -> bool:
        """Both for the same reason, or neither."""
        then, now = self.recorded_failure, self.failure
        if then is not None and now is not None and then.startswith(OUT_OF_MEMORY):
            return now.startswith(OUT_OF_MEMORY)
        return then == now

    @property
    def is_equal(self) -> bool:
        return self.fails_alike and not self.differences


def replay(recorded: Recorded, home: Home, on_epoch: Callable[[int], None] | None = None) -> Outcome:
    """Train the trial again, as many epochs as are on record, and one more to see it fail where it did.

    `on_epoch` is told how many are done. Raises UserError where its clips or its sources are others by now.
    """
    record, plan = recorded.record, recorded.plan(home)
    rows: list[dict[str, Any]] = []
    failure = None
    with _as_in_a_worker(recorded.threads, record.seed), _memory_limit(recorded) as limit:
        memory = _memory(recorded, plan)
        try:
            with limit.told(plan.config, recorded.settings):
                target = Target(plan, recorded.settings, seed=record.seed, memory=memory, device=recorded.device)
                while len(rows) < recorded.num_epochs:
                    rows.append(target.epoch())
                    if on_epoch is not None:
                        on_epoch(len(rows))
        except OWN_FAILURES as error:
            failure = str(error)
    return Outcome(record, tuple(_pairs(record, rows)), failure)


def run_replay(recorded: Recorded, home: Home, console: Console) -> bool:
    """The same under a progress bar, with what differs here said before and the outcome after. Is it equal?"""
    record = recorded.record
    console.print(
        f"[bold]trial {record.trial}[/] of {escape(str(recorded.folder.path))}, {record.state}: "
        f"{escape(setting_text(recorded.settings.model_dump(mode='json')))}",
        soft_wrap=True,
    )
    console.print(
        f"again with seed {record.seed}, {_count(recorded.threads, 'thread')}, {recorded.config.training.precision} on "
        f"{recorded.device}"
    )
    if unlike := recorded.unlike(home):
        console.print("[yellow]warning:[/] this is not as it was, so bits may differ:")
        for line in unlike:
            console.print(f"  {line}", markup=False, soft_wrap=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("epoch {task.completed} of {task.total}"))
    with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=console) as progress:
        bar = progress.add_task("training", total=recorded.num_epochs)
        outcome = replay(recorded, home, lambda done: progress.update(bar, completed=done))
    _print_outcome(outcome, console)
    return outcome.is_equal


def _print_outcome(outcome: Outcome, console: Console) -> None:
    then, now, differences = outcome.recorded_failure, outcome.failure, outcome.differences
    if outcome.fails_alike and now is not None:
        console.print(f"it failed as it had: {now}", markup=False, soft_wrap=True)
    elif now is not None:
        had = "it had not failed" if then is None else f"it had failed otherwise: {then}"
        console.print(f"it failed now: {now}; {had}", markup=False, soft_wrap=True)
    elif then is not None:
        console.print(f"it had failed and does not now, so by nothing of its own: {then}", markup=False, soft_wrap=True)
    if not differences:
        numbers, epochs = _count(len(outcome.pairs), "number"), _count(outcome.record.epochs, "epoch")
        end = "" if outcome.fails_alike else ", but not in how it ended"
        console.print(f"[bold]equal bit for bit[/] in {numbers} over {epochs}{end}")
        return
    console.print(f"[bold]not equal[/]: {len(differences)} of {_count(len(outcome.pairs), 'number')} differ")
    console.print(_largest_differences(outcome))


def _largest_differences(outcome: Outcome) -> Table:
    """A row a score: how many of its numbers differ, and the pair that differs most."""
    num_differing = Counter(pair.name for pair in outcome.differences)
    num_all = Counter(pair.name for pair in outcome.pairs)
    table = Table("score", box=None, pad_edge=False)
    for name in ("differ", "most in epoch", "recorded", "now", "relative"):
        table.add_column(name, justify="right", overflow="fold")
    for name, number in num_differing.items():
        most = max((pair for pair in outcome.pairs if pair.name == name), key=lambda pair: pair.relative_difference)
        table.add_row(
            escape(name),
            f"{number} of {num_all[name]}",
            str(most.epoch or "the last"),
            repr(most.recorded),
            "none" if most.replayed is None else repr(most.replayed),
            f"{most.relative_difference:.1e}",
        )
    return table


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


@contextlib.contextmanager
def _as_in_a_worker(threads: int, seed: int) -> Iterator[None]:
    """The state of a worker's process at the beginning of a trial; threads and warnings are as before afterwards."""
    threads_before = torch.get_num_threads()
    with warnings.catch_warnings():
        Worker(threads).reset(seed)
        try:
            yield
        finally:
            torch.set_num_threads(threads_before)


@contextlib.contextmanager
def _memory_limit(recorded: Recorded) -> Iterator[MemoryLimit]:
    """That of the search, held to only where it is what the trial failed by: here sources share the process."""
    limit = MemoryLimit(num_bytes=recorded.config.resources.memory_per_trial)
    if (recorded.record.reason or "").startswith(OUT_OF_MEMORY):
        limit.hold()
    try:
        yield limit
    finally:
        limit.lift()


def _memory(recorded: Recorded, plan: TargetPlan) -> InProcessMemory:
    """What memory servers would answer, from the same store and by the same code."""
    config, benchmark = plan.config, plan.benchmark()
    entries = {name: plan.entries[name] for name in recorded.record.sources}
    on_gpu = recorded.device == "cuda" and config.resources.server_gpus > 0
    bank, store = Bank.of(plan.home), BlockStore(plan.home.memory, config.resources.memory_budget)
    return InProcessMemory(
        {
            name: SourceRunner(
                bank.load(served.entry),
                benchmark.blocks("train"),
                served.identity,
                store,
                "cuda" if on_gpu else "cpu",
            )
            for name, served in served_sources(config, plan.home, entries, benchmark).items()
        }
    )


def _pairs(record: TrialRecord, rows: list[dict[str, Any]]) -> Iterator[Pair]:
    """Every number on record beside the replay's, but the one that is a duration."""
    for number, point in enumerate(record.curve):
        row = rows[number] if number < len(rows) else {}
        for name, value in point.items():
            yield Pair(name, number + 1, value, _number(row, name))
    last = rows[record.epochs - 1] if 0 < record.epochs <= len(rows) else {}
    for name, value in record.metrics.items():
        if name != MEASURED:
            yield Pair(name, None, value, _number(last, name))
    for name, value in record.last_frame.items():
        yield Pair(f"last_frame.{name}", None, value, _number(last, f"last_frame.{name}"))


def _number(row: Mapping[str, Any], name: str) -> float | None:
    value = row.get(name)
    return None if value is None or math.isnan(value) else float(value)

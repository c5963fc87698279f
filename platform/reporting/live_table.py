"""A search while it runs: the trials that run and the best that ended, at the widths that terminals have.

Drawn from a `Progress`, which the driver has in memory, and whoever joins later reads from the run folder.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from platform.reporting.nodes_table import nodes_table
from platform.results.nodes_file import Nodes
from platform.results.progress import RunningTrial
from platform.results.ranking import ranked
from platform.results.record import TrialRecord
from platform.results.scores import Score, readable_bytes

SHOWN_ENDED = 6
ALWAYS_SHOWN = 4  # columns that no terminal is too narrow for: trial, state, epoch, score
COUNTERS = ("ready", "computed", "waited_s", "bytes", "evicted")  # of a trial's memory
NARROWEST = 9  # of the other columns, below which a name says nothing
GAP = 2  # characters between rich's columns


@dataclass(frozen=True)
class Progress:
    """`records` are of trials that ended; `epochs` that a trial is trained; `elapsed_s` what the search has taken."""

    objective: Score
    epochs: int
    num_trials: int
    records: Sequence[TrialRecord]
    running: Sequence[RunningTrial]
    elapsed_s: float
    nodes: Nodes = field(default_factory=Nodes)

    @property
    def ranking(self) -> list[TrialRecord]:
        """Trials with a score, those that trained to the end before others, the best first."""
        return ranked(self.records, self.objective)


def live_table(progress: Progress, width: int) -> Group:
    """The table, that of the nodes where there are several, and a line that sums up."""
    name, rows = progress.objective.name, []
    for trial in progress.running:
        last = trial.curve[-1] if trial.curve else {}
        epoch = int(last.get("epoch", 0))
        rows.append(_cells(progress, trial.trial, "running", trial.settings, epoch, last.get(name)))
    rows += [_record_cells(progress, record) for record in progress.ranking[:SHOWN_ENDED]]
    columns = ["trial", "state", "epoch", name, "sources", "start", "gates", "distil", "lr"]
    widths = fit_columns([max(map(len, column)) for column in zip(columns, *rows, strict=True)], width)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column, column_width in zip(columns, widths, strict=False):
        table.add_column(Text(column), justify="right" if column == name else "left", no_wrap=True, width=column_width)
    for row in rows:
        cells = [Text(text) for text in row[: len(widths)]]
        cells[1].stylize(_colour(row[1]))
        table.add_row(*cells)
    of_nodes = nodes_table(progress.nodes)
    between = (of_nodes, Text()) if of_nodes is not None else ()
    return Group(table, Text(), *between, summary_line(progress))


def ended_line(progress: Progress, record: TrialRecord) -> Text:
    """For a log: a trial that ended."""
    trial, state, epoch, score, *settings = _record_cells(progress, record)
    done = f"{len(progress.records)}/{progress.num_trials}"
    tail = (record.reason or "", "red") if record.state == "failed" else f"{progress.objective.name} {score}"
    return Text.assemble(
        f"{done:>7}  trial {trial:>3} ", (state, _colour(state)), f"  {' · '.join([*settings, epoch])}  ", tail
    )


def summary_line(progress: Progress) -> Text:
    """How many of how many, the best, what memory cost, and how long it will take."""
    records, name = progress.records, progress.objective.name
    count = {state: sum(record.state == state for record in records) for state in ("finished", "stopped", "failed")}
    parts = [
        f"{len(records)} of {progress.num_trials} trials "
        f"({count['finished']} finished, {count['stopped']} stopped early, {count['failed']} failed)"
    ]
    if ranking := progress.ranking:
        best = f"best {name} {ranking[0].metrics[name]:.4g} (trial {ranking[0].trial}"
        floor = ranking[0].last_frame.get(name)
        parts.append(best + (f"; copying the last frame {floor:.4g})" if floor is not None else ")"))
    if (memory := _memory(progress)) is not None:
        parts.append(memory)
    parts.append(f"{_clock(progress.elapsed_s)} gone")
    if records and len(records) < progress.num_trials:
        left = progress.elapsed_s / len(records) * (progress.num_trials - len(records))
        parts.append(f"about {_clock(left)} left")
    return Text(" · ".join(parts))


def _memory(progress: Progress) -> str | None:
    counted = [record.memory for record in progress.records]
    counted += [{name: trial.row.get(f"memory.{name}", 0.0) for name in COUNTERS} for trial in progress.running]
    ready, computed, waited_s, num_bytes, evicted = (
        sum(counters.get(name, 0.0) for counters in counted) for name in COUNTERS
    )
    spent_s = sum(r.duration_s for r in progress.records) + sum(trial.spent_s for trial in progress.running)
    if not ready + computed or not spent_s:
        return None
    told = f"memory {ready / (ready + computed):.0%} ready, waited for {waited_s / spent_s:.1%} of the time"
    return f"{told}, {readable_bytes(num_bytes)} read" + (f", {evicted:.0f} evicted" if evicted else "")


def _cells(
    progress: Progress, number: int, state: str, settings: Mapping[str, Any], epoch: int, score: float | None
) -> list[str]:
    """What stands in a trial's row: first what must always be seen, then its settings."""
    gates = settings.get("tmu", {}) if settings.get("sources") else {}
    return [
        str(number),
        state,
        f"{epoch}/{progress.epochs}",
        "" if score is None else f"{score:.4g}",
        " ".join(settings.get("sources", ())) or "none",
        str(settings.get("start", "")),
        f"{gates['merge']} {list(gates['layers'])}" if gates else "-",
        f"{settings['distil']['weight']:.3g}" if gates else "-",
        f"{settings['learning_rate']:.2g}" if settings else "",
    ]


def _record_cells(progress: Progress, record: TrialRecord) -> list[str]:
    score = record.metrics.get(progress.objective.name)
    return _cells(progress, record.trial, record.state, record.settings, record.epochs, score)


def fit_columns(widths: Sequence[int], room: int) -> list[int]:
    """The widths of as many leading columns as fit into `room` characters.

    The first `ALWAYS_SHOWN` keep theirs. The widest of the others shrink to `NARROWEST`, then the last ones go.
    """
    fitted = list(widths)
    while sum(fitted) + GAP * (len(fitted) - 1) > room and len(fitted) > ALWAYS_SHOWN:
        widest = max(range(ALWAYS_SHOWN, len(fitted)), key=fitted.__getitem__)
        if fitted[widest] > NARROWEST:
            fitted[widest] -= 1
        else:
            fitted.pop()
    return fitted


def _colour(state: str) -> str:
    return {"running": "cyan", "finished": "green", "stopped": "yellow"}.get(state, "red")


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"

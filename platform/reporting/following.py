"""A running search watched from another terminal, by its run folder alone."""

import contextlib
import time
from collections.abc import Callable, Mapping

from rich.console import Console, Group
from rich.live import Live

from platform.config.errors import UserError
from platform.reporting.live_table import Progress, ended_line, live_table, summary_line
from platform.results.nodes_file import read_nodes
from platform.results.progress import Running, read_running
from platform.results.summary import RunSummary

EVERY_S = 1.0


def read_progress(summary: RunSummary, running: Running | None = None) -> Progress:
    """`running`: taken for the list of running trials. Raises UserError where that is read, and damaged."""
    search, training = (summary.config.get(part) for part in ("search", "training"))
    num_trials = search.get("trials") if isinstance(search, Mapping) else None
    epochs = training.get("epochs") if isinstance(training, Mapping) else None
    running = read_running(summary.folder.running) if running is None else running
    ended = {record.trial for record in summary.records}
    return Progress(
        objective=summary.score,
        epochs=epochs if isinstance(epochs, int) else 0,
        num_trials=num_trials if isinstance(num_trials, int) else len(summary.records),
        records=summary.records,
        running=[trial for trial in running.trials if trial.trial not in ended],
        elapsed_s=running.wall_s,
        nodes=read_nodes(summary.folder.nodes),
    )


def follow(summary: RunSummary, console: Console, runs: Callable[[], bool]) -> None:
    """Until `runs` says that the search does not any more: the live table in a terminal, elsewhere a line a trial that
    ends. Ctrl-C leaves, and the search goes on."""
    seen = {record.trial for record in summary.records}
    progress = read_progress(summary)

    def table() -> Group:
        return live_table(progress, console.width)

    live = Live(console=console, refresh_per_second=4, get_renderable=table) if console.is_terminal else None
    if live is not None:
        live.start()
    try:
        while True:
            goes_on = runs()
            with contextlib.suppress(UserError):  # a file that is being written is read the next time
                progress = read_progress(RunSummary.read(summary.folder.path))
            if live is None:
                for record in progress.records:
                    if record.trial not in seen:
                        seen.add(record.trial)
                        console.print(ended_line(progress, record), soft_wrap=True)
            if not goes_on:
                break
            time.sleep(EVERY_S)
    finally:
        if live is not None:
            live.stop()
    if live is None:
        console.print(summary_line(progress), soft_wrap=True)

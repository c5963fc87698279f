"""The progress bar of preparing, on stderr, gone when done. Off a terminal it prints nothing."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from platform.benchmarks.store_writer import Report


@contextmanager
def progress_bar(title: str) -> Iterator[Report]:
    """Yields the function that a store writer reports to."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    silent = not console.is_terminal  # logs and pipes want no bar
    with Progress(
        *columns, TextColumn("{task.fields[now]}"), console=console, transient=True, disable=silent
    ) as progress:
        task = progress.add_task(title, total=None, now="")

        def report(done: int, total: int, now: str) -> None:
            progress.update(task, completed=done, total=total, now=now)

        yield report

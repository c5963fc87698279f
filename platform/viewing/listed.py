"""What the list of runs tells of each, read one run after another in the background and kept until its files change."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from platform.config.errors import UserError
from platform.reporting.comparison_page import verdict_of
from platform.reporting.verdict import verdict
from platform.results.absent import Absent
from platform.viewing.runs import Runs
from platform.viewing.watched import View, WatchedRun

PATIENCE_S = 0.3  # a few runs are read by then


@dataclass(frozen=True)
class Facts:
    """`damaged` says in sentences what of the run cannot be read; where nothing can, all else is empty."""

    benchmark: str = ""
    state: str = ""
    num_ended: int = 0
    num_trials: int = 0
    best: str = ""
    known: str = ""
    spent_s: float = 0.0
    damaged: tuple[str, ...] = ()


class Listed:
    """The facts of all runs, as far as they were read."""

    def __init__(self, runs: Runs) -> None:
        self._runs = runs
        self._facts: dict[Path, tuple[tuple[int, ...], Facts]] = {}
        self.reader = threading.Thread()
        self._lock = threading.Lock()

    def rows(self) -> list[tuple[WatchedRun, Facts | None]]:
        """Soon, for whoever waits; None for a run that was not read yet. The rest is told the next time."""
        runs = self._runs.all()
        with self._lock:
            if not self.reader.is_alive():
                self.reader = threading.Thread(target=self._read, args=(runs,), daemon=True)
                self.reader.start()
        self.reader.join(PATIENCE_S)
        return [(run, self._facts[run.path][1] if run.path in self._facts else None) for run in runs]

    def _read(self, runs: Sequence[WatchedRun]) -> None:
        """Again only where files changed."""
        for run in runs:
            try:
                mark = run.mark()
                if run.path not in self._facts or self._facts[run.path][0] != mark:
                    self._facts[run.path] = mark, _facts(run.glance())
            except UserError as error:
                self._facts[run.path] = (), Facts(damaged=(str(error),))


def _facts(view: View) -> Facts:
    summary, progress = view.summary, view.progress
    best = summary.value(summary.best) if summary.best is not None else None
    return Facts(
        benchmark=summary.benchmark,
        state=view.state,
        num_ended=len(progress.records),
        num_trials=progress.num_trials,
        best=f"{summary.score.name} {summary.score.text(best)}",
        known=verdict(view.findings) if view.comparison is None else verdict_of(view.comparison),
        spent_s=sum(record.duration_s for record in summary.records),
        damaged=tuple(text for text in view.missing if not isinstance(text, Absent)),
    )

"""A run folder as it stands now, read again where its files changed, but no more often than its search can bear."""

import contextlib
import shlex
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from pathlib import Path

from platform.config.errors import UserError
from platform.reporting.following import read_progress
from platform.reporting.live_table import Progress
from platform.results.comparison import Comparison, is_comparison
from platform.results.driven import Driver, is_driven, read_driver
from platform.results.findings import Findings
from platform.results.importances import Importances
from platform.results.progress import Running
from platform.results.record import Known
from platform.results.run_folder import RunFolder
from platform.results.summary import RunSummary
from platform.viewing.importances_process import importances_elsewhere
from platform.viewing.kept import Kept

MOST_OF_TIME = 0.01  # of one core, that looking at a run takes while it is searched
LONGEST_PAUSE_S = 60.0
PENDING = Importances({}, 0, "It is being worked out.")
REWORKED_AT = 1.1  # times as many finished trials, from which importances are worked out again


@dataclass(frozen=True)
class View:
    """What was read. `version` grows with every change and from one dashboard to the next; `confirming` is the progress
    of the run's confirmation while that is not whole; `missing` says in sentences what could not be read; `kept` is
    what was made of it."""

    version: int
    findings: Findings
    progress: Progress
    confirming: Progress | None
    comparison: Comparison | None
    missing: tuple[str, ...]
    driver: Driver | None
    kept: Kept = field(default_factory=Kept)

    @property
    def summary(self) -> RunSummary:
        return self.findings.summary

    @property
    def state(self) -> str:
        """In a word or two, for people."""
        ended, whole = len(self.summary.records), self.progress.num_trials
        if self.driver is not None:
            return "searching" if ended < whole else "confirming" if self.confirming is not None else "ending"
        return "ended" if ended >= whole and self.confirming is None else "ended early"


class WatchedRun:
    """Safe to be asked by several threads."""

    def __init__(self, key: str, path: Path, background: Executor) -> None:
        self.key = key
        self.path = path
        self._background = background
        self._lock = threading.RLock()
        self._view: View | None = None
        self._stamp: tuple[int, ...] = ()
        self._importances_not_before = 0.0
        self._importances: tuple[int, Importances] | None = None  # and of how many finished trials
        self._known_records: Known = {}
        self._not_before = 0.0

    def view(self, *, now: bool = False) -> View:
        """Of the run as it is or, unless `now` is asked for, as it was when there was last time to look.

        Raises UserError where the folder is no run any more, or may not be read.
        """
        with self._lock, _reading(self.path):
            has_ended = self._view is not None and self._view.driver is not None and not is_driven(RunFolder(self.path))
            if self._view is not None and not (now or has_ended) and time.monotonic() < self._not_before:
                return self._view
            with contextlib.nullcontext() if now else self.spending():
                stamp = _stamp(self.path)
                if self._view is None or stamp != self._stamp:
                    self._view = self._read()
                    self._stamp = stamp
            return self._view

    def mark(self) -> tuple[int, ...]:
        """Differs where a glance would. Raises as `view`."""
        with self._lock, _reading(self.path):
            return (self.view().version,) if self._is_followed() else _stamp(self.path)

    def glance(self) -> View:
        """A view that is kept only where a page shows the run, or a search runs in it: a list of runs needs little of
        each. Raises as `view`."""
        with self._lock, _reading(self.path):
            return self.view() if self._is_followed() else WatchedRun(self.key, self.path, self._background).view()

    def _is_followed(self) -> bool:
        return self._view is not None or is_driven(RunFolder(self.path))

    @contextlib.contextmanager
    def spending(self) -> Iterator[None]:
        """What is done inside, for pages that are open, is paid for by a pause, if a search runs: it must not notice
        who looks at it. What people open themselves comes at once, and costs nothing."""
        began = time.thread_time()
        try:
            yield
        finally:
            if self._view is not None and self._view.driver is not None:
                now, pause = time.monotonic(), (time.thread_time() - began) / MOST_OF_TIME
                self._not_before = min(max(self._not_before, now) + pause, now + LONGEST_PAUSE_S)

    def _read(self) -> View:
        findings = Findings.read(self.path, self._known_records)
        missing = list(findings.missing)
        driver = read_driver(findings.summary.folder) if is_driven(findings.summary.folder) else None
        known = self._importances[1] if self._importances is not None else PENDING
        findings = replace(findings, known_importances=known)
        progress, comparison = _progress(findings.summary, missing), _comparison(self.path, missing)
        if comparison is not None:
            progress = replace(progress, num_trials=comparison.num_planned)
        return View(
            version=time.time_ns() // 1000 if self._view is None else self._view.version + 1,
            findings=findings,
            progress=progress,
            confirming=_confirming(findings, missing),
            comparison=comparison,
            missing=tuple(missing),
            driver=driver,
        )

    def ask_for_importances(self) -> None:
        """For a page that shows them. A later view has new ones, where many trials finished since the last, and it was
        time, or the search is over."""
        with self._lock:
            view, known = self.view(), self._importances
            num_finished = len(view.summary.finished)
            is_time = time.monotonic() >= self._importances_not_before
            is_time = is_time and (known is None or num_finished >= REWORKED_AT * known[0] + 1)
            if is_time or (view.driver is None and known is not None and known[0] != num_finished):
                self._importances = (num_finished, known[1] if known is not None else PENDING)
                self._background.submit(self._work_out, num_finished)

    def _work_out(self, num_finished: int) -> None:
        began = time.monotonic()
        found = importances_elsewhere(self.path) or Importances({}, 0, "They could not be worked out.")
        with self._lock:
            self._importances_not_before = time.monotonic() + (time.monotonic() - began) / MOST_OF_TIME
            self._importances = (num_finished, found)
            if self._view is not None:
                findings = replace(self._view.findings, known_importances=found)
                self._view = replace(self._view, version=self._view.version + 1, findings=findings, kept=Kept())


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Raises UserError with the repair where the system refuses to read in the run's folder."""
    try:
        yield
    except OSError as error:
        told = f"{error.filename or path} cannot be read ({error.strerror})."
        if isinstance(error, PermissionError):
            told += f" Who owns the run can let everybody read it: chmod -R a+rX {shlex.quote(str(path))}"
        raise UserError(told) from None


def _stamp(path: Path) -> tuple[int, ...]:
    """Differs where any file differs that a view is read from. A look is written before the driver leaves."""
    folder = RunFolder(path)
    confirm = RunFolder(folder.confirm)
    files = (
        *(
            folder.config,
            folder.provenance,
            folder.results,
            folder.running,
            folder.nodes,
            folder.incidents,
            folder.memory,
        ),
        *(folder.ranking, folder.driver, folder.confirmed, confirm.confirm_plan, confirm.results, confirm.running),
    )
    return (*map(changed_at, files), int(is_driven(folder)))


def changed_at(path: Path) -> int:
    """In nanoseconds; 0 where there is no such file."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _progress(summary: RunSummary, missing: list[str]) -> Progress:
    try:
        return read_progress(summary)
    except UserError as error:
        missing.append(str(error))
        return read_progress(summary, Running())


def _comparison(path: Path, missing: list[str]) -> Comparison | None:
    """None for a search."""
    try:
        return Comparison.read(path) if is_comparison(path) else None
    except UserError as error:
        missing.append(str(error))
        return None


def _confirming(findings: Findings, missing: list[str]) -> Progress | None:
    confirmed = findings.confirmed
    if confirmed is None or confirmed.is_whole:
        return None
    try:
        progress = _progress(RunSummary.read(confirmed.folder.path), missing)
    except UserError:  # nothing has been trained yet
        return None
    return replace(progress, num_trials=len(confirmed.settings) * confirmed.num_seeds)

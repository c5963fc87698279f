"""What changes in the working copy of a run, taken to its storage every few seconds and at the end.

When the driver's machine dies, what is there is the run as it was seconds ago: another machine goes on with that. So
the files that tell the state of trials are copied and uploaded in an order in which any part of them is a state that
the run has been in; and checkpoints are deleted after what made them superfluous was uploaded.
"""

import contextlib
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from platform.config.errors import UserError
from platform.results.claim import is_claimed_by, read_claim
from platform.results.run_folder import RunFolder
from platform.results.scores import readable_time
from platform.results.stored_run import is_copied
from platform.storage.patience import patiently
from platform.storage.storage import Storage

PERIOD_S = 3.0
MOST_BUSY = 0.2  # the share of time that goes into looking and uploading
LAST_PATIENCE_S = 300.0  # at the end, for storage that is away
OF_SQLITE = ("-journal", "-wal", "-shm")  # while it writes, beside the file
Look = tuple[int, int]  # size and time of change of a file


@contextlib.contextmanager
def mirrored(folder: RunFolder, told: Callable[[str], None]) -> Iterator[None]:
    """The run's storage follows its working copy for the duration, and has all of it at the end."""
    if folder.remote is None:
        yield
        return
    storage = folder.remote
    with Mirror(folder, storage, told, lambda: is_claimed_by(read_claim(storage), folder)):
        yield


class Mirror:
    """Uploads in a thread, from the beginning to the end of the `with`. `told` hears when storage is away, and back.

    Nothing is uploaded while `is_ours` says that another driver has taken the run over.
    """

    def __init__(
        self,
        folder: RunFolder,
        storage: Storage,
        told: Callable[[str], None],
        is_ours: Callable[[], bool] = lambda: True,
    ) -> None:
        self._folder, self._storage, self._told, self._is_ours = folder, storage, told, is_ours
        self._uploaded: dict[str, Look] = {}
        self._away_since: float | None = None
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run, name="uploading", daemon=True)

    def __enter__(self) -> "Mirror":
        """Raises UserError where storage is away."""
        for run in (self._folder, self._folder.confirmation):  # signs that an earlier driver set
            run.winding_down.unlink(missing_ok=True)
            self._storage.delete(self._name(run.winding_down))
        self._thread.start()
        return self

    def __exit__(self, *failure: object) -> None:
        """Raises UserError where storage is away for long: what is missing there lies in the working copy."""
        self._ends.set()
        self._thread.join()
        try:
            patiently(self.upload, LAST_PATIENCE_S)
        except (UserError, OSError) as fault:
            raise UserError(
                f"the end of the run is not in {self._storage} ({fault}) It lies in {self._folder.path}; "
                "--resume on this machine uploads it."
            ) from fault
        self._note_back()

    def upload(self) -> None:
        """What has changed since it was last uploaded. Raises UserError or OSError where storage is away."""
        if not self._is_ours():
            return
        superseded = [self._storage.superseded.popleft() for _ in range(len(self._storage.superseded))]
        try:
            self._upload_state(self._folder)
            self._upload_state(self._folder.confirmation)
            self._upload_others()
            while superseded:
                superseded[0]()
                superseded.pop(0)
        finally:
            self._storage.superseded.extendleft(reversed(superseded))

    def _run(self) -> None:
        pause_s = PERIOD_S
        while not self._ends.wait(pause_s):
            began = time.monotonic()
            try:
                self.upload()
            except (UserError, OSError, sqlite3.Error) as fault:
                if self._away_since is None:
                    self._away_since = began
                    self._told(f"{fault} The search goes on, and uploads when it can.")
            else:
                self._note_back()
            pause_s = max(PERIOD_S, (time.monotonic() - began) * (1 / MOST_BUSY - 1))

    def _note_back(self) -> None:
        if self._away_since is not None:
            away = readable_time(time.monotonic() - self._away_since)
            self._away_since = None
            self._told(f"{self._storage} is back after {away}, and has all of the run")

    def _upload_state(self, run: RunFolder) -> None:
        """A trial that begins is drawn in the study, then runs, then is in the results, then does not run any more,
        then has its end in the study. What is copied later is newer, and what is newer is uploaded first: a trial that
        only the study knows is run again, one that has ended and runs has ended."""
        with tempfile.TemporaryDirectory(prefix="tmu-") as name:
            copies: list[tuple[Path, Path, Look]] = []
            for path in (run.running, run.results, run.study):
                if (look := _look(path)) is not None and self._uploaded.get(self._name(path)) != look:
                    copy = Path(name) / path.name
                    _copy_database(path, copy) if path == run.study else copy.write_bytes(path.read_bytes())
                    copies.append((path, copy, look))
            for path, copy, look in reversed(copies):
                self._storage.upload(copy, self._name(path))
                self._uploaded[self._name(path)] = look

    def _upload_others(self) -> None:
        runs = (self._folder, self._folder.confirmation)
        state = {self._name(path) for run in runs for path in (run.running, run.results, run.study)}
        looks = {
            name: look
            for path in self._folder.path.rglob("*")
            if (name := self._name(path)) not in state and self._is_taken(path) and (look := _look(path)) is not None
        }
        for name, look in looks.items():
            if self._uploaded.get(name) != look:
                with contextlib.suppress(FileNotFoundError):  # it has just gone
                    self._storage.upload(self._folder.path / name, name)
                    self._uploaded[name] = look
        for name in self._uploaded.keys() - looks.keys() - state:
            self._storage.delete(name)
            del self._uploaded[name]

    def _is_taken(self, path: Path) -> bool:
        if path.name == self._folder.winding_down.name:  # for trials to see
            return True
        return is_copied(self._name(path)) and not path.name.endswith(OF_SQLITE)

    def _name(self, path: Path) -> str:
        return path.relative_to(self._folder.path).as_posix()


def _look(path: Path) -> Look | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return (status.st_size, status.st_mtime_ns) if path.is_file() else None


def _copy_database(path: Path, copy: Path) -> None:
    """As it was at one moment, while it is written to."""
    with (
        contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as source,
        contextlib.closing(sqlite3.connect(copy)) as target,
    ):
        source.backup(target)

"""A run whose own place is storage that all machines reach: `--run-dir s3://bucket/runs/kth`.

Everything of it but the checkpoints is also in a working copy on the machine that drives it, or that looks at it. What
lies in storage is brought here by `fetch_run`; the driver's changes are taken there by `tuning/keeping/mirror.py`.
"""

import contextlib
import hashlib
import math
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from platform.config.bounded import LARGE_BYTES, Refused, read_bounded, read_json
from platform.config.errors import UserError
from platform.config.home import Home
from platform.config.model import Model
from platform.results.claim import COPY, STALE_S, Claim, is_claimed_by, read_claim
from platform.results.driven import is_driven
from platform.results.replacing import replace_text, replacing
from platform.results.run_folder import RunFolder
from platform.storage.fetching import locked
from platform.storage.storage import Storage, is_uri, without_slash

URI = ".uri"  # in a working copy: that of its run
LONGEST_URI_BYTES = 4096
FETCHED = ".fetched.json"  # in a working copy: of each file that was fetched, how it looked in storage
LOOK_S = 5.0  # between two fetches, for whoever watches a run
# Checkpoints, which are in storage alone, and what Tune keeps for itself.
_NOT_COPIED = re.compile(r"(^|/)trials/([^/]+$|[^/]+/(checkpoint_\d+|paused|earlier)/)|\.pkl$")


class _Fetched(Model):
    """`.fetched.json`: path, size in bytes and time of change in ns of each file."""

    files: tuple[tuple[str, int, int], ...] = ()


def run_at(place: str | Path, home: Home) -> RunFolder:
    """The run in a folder, or at a URI, with its working copy below TMU_HOME. Touches nothing.

    A working copy that is named as a folder is still the run at its URI. Raises UserError for a URI that cannot be
    understood.
    """
    if not is_uri(str(place)):
        return _run_of_copy(Path(place), home) or RunFolder(Path(place))
    remote = Storage(without_slash(str(place)), "the run's URI")
    name = str(remote).rpartition("/")[2] or "run"
    return RunFolder(home.runs / f"{name}-{hashlib.sha256(remote.uri.encode()).hexdigest()[:8]}", remote)


def _run_of_copy(path: Path, home: Home) -> RunFolder | None:
    if path.absolute().parent != home.runs or not (path / URI).is_file():
        return None
    with contextlib.suppress(OSError, Refused, UnicodeDecodeError):
        found = run_at(read_bounded(path / URI, LONGEST_URI_BYTES).decode(), home)
        return found if found.path == path.absolute() else None
    return None


def fetched_run(place: str | Path, home: Home | None = None) -> RunFolder:
    """The same, with its working copy as it lies in storage now. Raises UserError where no run is at that URI."""
    folder = run_at(place, home or Home.from_environment())
    fetch_run(folder)
    return folder


def fetched_trial(trial: str, home: Home) -> str:
    """RUN/NUMBER, with the working copy of that run where RUN is a URI."""
    if not is_uri(trial):
        return trial
    place, mark, how = trial.partition("?")
    run, _, number = place.rstrip("/").rpartition("/")
    return str(fetched_run(f"{run.removesuffix('/trials')}{mark}{how}", home).path / number)


def fetch_run(folder: RunFolder) -> None:
    """Bring the working copy up to date, of which only what differs is copied. Others wait meanwhile.

    Nothing is done where this very copy is the newer one: a search runs in it, or ran in it last.
    """
    if folder.remote is None or is_driven(folder) or is_claimed_by(read_claim(folder.remote), folder):
        return
    folder.path.parent.mkdir(parents=True, exist_ok=True)
    with locked(folder.path, lambda: None):
        copy_run(folder)


def copy_run(folder: RunFolder) -> None:
    """The same, whoever has the newer one."""
    assert folder.remote is not None
    there = {path: info for path, info in folder.remote.files().items() if is_copied(path)}
    if folder.config.name not in there:
        raise UserError(f"no run is at {folder.address}: it has no {folder.config.name}. Give another URI.")
    looks = {path: (path, int(info.size), int(info.mtime_ns)) for path, info in there.items()}
    had = {file[0]: file for file in _read_fetched(folder).files}
    for path, look in looks.items():
        if had.get(path) != look or not (folder.path / path).is_file():
            with replacing(folder.path / path) as unfinished:
                folder.remote.download(path, unfinished)
    for path in had.keys() - looks.keys():
        (folder.path / path).unlink(missing_ok=True)
    replace_text(folder.path / FETCHED, _Fetched(files=tuple(looks.values())).model_dump_json())
    name_copy(folder)


def name_copy(folder: RunFolder) -> None:
    """Note in the working copy whose it is."""
    replace_text(folder.path / URI, folder.address)


def forget_copy(folder: RunFolder) -> None:
    """Nothing of the run has come into this working copy."""
    for name in (COPY, URI):
        (folder.path / name).unlink(missing_ok=True)


@contextlib.contextmanager
def followed(folder: RunFolder) -> Iterator[None]:
    """Keeps the working copy up to date for the duration. Storage that does not answer is asked again later."""
    if folder.remote is None:
        yield
        return
    ends = threading.Event()

    def follow() -> None:
        while not ends.wait(LOOK_S):
            try:
                fetch_run(folder)
            except (UserError, OSError):
                continue

    thread = threading.Thread(target=follow, name="fetching", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ends.set()
        thread.join()


class Heard:
    """Called: does a search run there, on this machine or another? One that is not heard for a minute does not."""

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._claim: Claim | None = None
        self._heard = self._asked = -math.inf

    def __call__(self) -> bool:
        if is_driven(self._folder):
            return True
        now = time.monotonic()
        if self._folder.remote is not None and now - self._asked > LOOK_S:
            self._asked = now
            with contextlib.suppress(UserError):  # it is away
                claim = read_claim(self._folder.remote)
                if claim is not None and not claim.has_ended and claim != self._claim:
                    self._heard = now
                elif claim is None or claim.has_ended:
                    self._heard = -math.inf
                self._claim = claim
        return now - self._heard < STALE_S


def is_copied(path: str) -> bool:
    """Does this file of a run lie in storage and in working copies alike? Names that begin with a dot do not."""
    has_plain_name = all(part and not part.startswith(".") for part in path.split("/"))
    return has_plain_name and not _NOT_COPIED.search(path)


def _read_fetched(folder: RunFolder) -> _Fetched:
    try:
        return read_json(folder.path / FETCHED, _Fetched, LARGE_BYTES)
    except (OSError, Refused):
        return _Fetched()

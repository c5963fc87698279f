"""Which runs there are below the folders that a dashboard was given; runs that begin later are found too."""

import re
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from platform.config.errors import UserError
from platform.results.run_folder import RunFolder
from platform.viewing.watched import WatchedRun, changed_at


class Runs:
    """Each run has a key, its folder's name as far as an address of the web may hold it; it keeps that key."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self.folders = tuple(folders)
        self._known: dict[Path, WatchedRun] = {}
        self._lock = threading.Lock()
        self._background = ThreadPoolExecutor(1, thread_name_prefix="importances")

    def all(self) -> list[WatchedRun]:
        """Those that changed last, first."""
        with self._lock:
            paths = [path for folder in self.folders for path in _runs_in(folder)]
            for path in paths:
                if path not in self._known:
                    self._known[path] = WatchedRun(self._free_key(path), path, self._background)
            return sorted((self._known[path] for path in dict.fromkeys(paths)), key=_changed_at, reverse=True)

    def get(self, key: str) -> WatchedRun:
        """Raises UserError where there is none."""
        for run in self.all():
            if run.key == key:
                return run
        raise UserError(f"There is no run {key} in {', '.join(map(str, self.folders))}.")

    def close(self) -> None:
        """Nothing more is begun in the background."""
        self._background.shutdown(wait=False, cancel_futures=True)

    def _free_key(self, path: Path) -> str:
        taken = {run.key for run in self._known.values()}
        key = name = re.sub(r"[^\w.-]+", "-", path.name) or "run"
        number = 2
        while key in taken:
            key, number = f"{name}-{number}", number + 1
        return key


def _is_run(path: Path) -> bool:
    """One that this user may not look into may be one, and is told as such."""
    folder = RunFolder(path)
    try:
        return folder.config.is_file() or folder.results.is_file()
    except OSError:
        return True


def _runs_in(folder: Path) -> list[Path]:
    """The folder itself, or those in it. One that cannot be listed has none."""
    folder = folder.resolve()
    if _is_run(folder):
        return [folder]
    try:
        return sorted(child for child in folder.iterdir() if _is_run(child))
    except OSError:
        return []


def _changed_at(run: WatchedRun) -> int:
    folder = RunFolder(run.path)
    return max(map(changed_at, (folder.running, folder.results, folder.config)))

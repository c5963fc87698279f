"""Where the trials of a run save themselves: in its folder, or in its storage where not every node sees that folder.

A checkpoint is Tune's: a folder by its path on a file system. What is in it is written by `training/checkpoint.py`.
"""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pyarrow import fs
from ray.tune import Checkpoint

from platform.config.errors import UserError
from platform.results.run_folder import RunFolder
from platform.storage.patience import Answer, patiently
from platform.training.checkpoint import Progress, save_newest, saved_progress
from platform.training.run import TrainingRun

EARLIER = "earlier"  # in a trial's folder: the checkpoint it goes on from, out of the way of those to come
PAUSED = "paused"  # in it: where it saved itself in the midst of an epoch
BESIDE = (EARLIER, PAUSED)
KEPT_WHILE_RUNNING = 2  # checkpoints of a trial: the one before the last is for one that is cut short
LOOK_S = 1.0  # between two looks at whether the search winds down
LOOK_AT_STORAGE_S = 5.0  # likewise, where each is a request


@dataclass(frozen=True)
class SavedTrials:
    """The checkpoints below the `trials` of a run. Local deletions are done at once, those in storage when the driver
    has uploaded what made them superfluous: whoever goes on from there needs them until then."""

    folder: RunFolder

    def told(self) -> contextlib.AbstractContextManager[None]:
        """What storage raises is told within as a UserError, with what to check."""
        return contextlib.nullcontext() if self.folder.remote is None else self.folder.remote.told("read or write")

    def waited(self, call: Callable[[], Answer]) -> Answer:
        """What `call` returns, which reads or writes there; storage that is away is waited for."""
        return call() if self.folder.remote is None else patiently(call)

    @property
    def filesystem(self) -> fs.FileSystem:
        return fs.LocalFileSystem() if self.folder.remote is None else self.folder.remote.filesystem

    @property
    def root(self) -> str:
        """The run's place on it."""
        return str(self.folder.path.absolute()) if self.folder.remote is None else self.folder.remote.at()

    def at(self, path: str) -> Checkpoint:
        """The one whose `path` was told."""
        return Checkpoint(path, self.filesystem)

    def trial_ids(self) -> set[str]:
        """Of the trials that have any."""
        trials = self._trial("")
        there = self.filesystem.get_file_info(fs.FileSelector(trials[:-1], allow_not_found=True, recursive=True))
        paths = (info.path.removeprefix(trials).split("/") for info in there)
        return {parts[0] for parts in paths if len(parts) > 1 and (_is_numbered(parts[1]) or parts[1] in BESIDE)}

    def of(self, trial_id: str) -> list[Checkpoint]:
        """All of a trial, whole or not, in the order in which they were begun."""
        earlier = [path for path in self._folders(trial_id) if path.endswith(f"/{EARLIER}")]
        return [*map(self.at, earlier), *map(self.at, self._numbered(trial_id)), *self.paused(trial_id)]

    def paused(self, trial_id: str) -> list[Checkpoint]:
        """Those that it saved in the midst of an epoch; one, unless it was cut short at it."""
        return [self.at(path) for path in self._folders(f"{trial_id}/{PAUSED}")]

    def pause(self, run: TrainingRun, trial_id: str) -> None:
        """Save a trial where it stands, in place of where it did so before."""
        if self.folder.remote is None:
            save_newest(run, self.folder.paused(trial_id))
            return
        with tempfile.TemporaryDirectory(prefix="tmu-") as name:
            save_newest(run, Path(name))
            (saved,) = Path(name).iterdir()
            place = f"{self._trial(trial_id)}/{PAUSED}/{saved.name}"
            patiently(partial(self._copy, fs.LocalFileSystem(), str(saved), place))
        patiently(lambda: self._delete(each.path for each in self.paused(trial_id) if each.path != place))

    def lay_aside(self, checkpoint: Checkpoint, trial_id: str) -> Checkpoint:
        """Keep the one that a trial goes on from, and none beside it: Tune counts a new run's checkpoints from 0, and
        would write into old ones. May be repeated after a kill."""
        kept = self.at(f"{self._trial(trial_id)}/{EARLIER}")
        if checkpoint.path != kept.path and self.folder.remote is None:
            _rename(Path(checkpoint.path), Path(kept.path))
        elif checkpoint.path != kept.path:
            self._delete([kept.path])
            self._copy(self.filesystem, checkpoint.path, kept.path)
        self._delete(path for path in self._all(trial_id) if path != kept.path)
        return kept

    def drop_all(self, trial_id: str) -> None:
        """It is neither to be gone on with nor among the best."""
        self._when_superseded(lambda: self._delete(self._all(trial_id)))

    def drop_older(self, newest: Checkpoint) -> None:
        """Those of a trial that runs, but for this one and the one before. What it saves after this is not counted: the
        state that is uploaded first may not know of it yet."""
        trial_id, name = newest.path.split("/")[-2:]
        self._when_superseded(lambda: self._delete(self._numbered(trial_id, last=name)[:-KEPT_WHILE_RUNNING]))

    def drop_beside(self, trial_id: str, *names: str) -> None:
        """The trial has ended, and what it was to go on from (`EARLIER`, `PAUSED`) is not needed any more."""
        self._when_superseded(lambda: self._delete(f"{self._trial(trial_id)}/{name}" for name in names))

    def winds_down(self) -> bool:
        """Has the driver set the sign that the search is about to end? Storage that does not answer has none."""
        if self.folder.remote is None:
            return self.folder.winding_down.exists()
        try:
            return self.folder.remote.num_bytes(self.folder.winding_down.name) is not None
        except (UserError, FileNotFoundError):
            return False

    @property
    def look_s(self) -> float:
        """Between two looks at that."""
        return LOOK_S if self.folder.remote is None else LOOK_AT_STORAGE_S

    def _trial(self, trial_id: str) -> str:
        return f"{self.root}/{self.folder.trials.name}/{trial_id}"

    def _folders(self, below: str) -> list[str]:
        there = self.filesystem.get_file_info(fs.FileSelector(self._trial(below), allow_not_found=True))
        return sorted(info.path for info in there if info.type == fs.FileType.Directory)

    def _numbered(self, trial_id: str, last: str | None = None) -> list[str]:
        names = ((path, path.rpartition("/")[2]) for path in self._folders(trial_id))
        return [path for path, name in names if _is_numbered(name) and (last is None or name <= last)]

    def _all(self, trial_id: str) -> list[str]:
        names = ((path, path.rpartition("/")[2]) for path in self._folders(trial_id))
        return [path for path, name in names if _is_numbered(name) or name in BESIDE]

    def _copy(self, source: fs.FileSystem, path: str, place: str) -> None:
        self.filesystem.create_dir(place, recursive=True)
        fs.copy_files(path, place, source_filesystem=source, destination_filesystem=self.filesystem)

    def _when_superseded(self, delete: Callable[[], None]) -> None:
        if self.folder.remote is None:
            delete()
        else:
            self.folder.remote.superseded.append(delete)

    def _delete(self, paths: Iterable[str]) -> None:
        for path in list(paths):
            if self.folder.remote is None:
                shutil.rmtree(path, ignore_errors=True)
            else:
                with contextlib.suppress(FileNotFoundError):
                    self.filesystem.delete_dir(path)


@contextlib.contextmanager
def opened(checkpoint: Checkpoint) -> Iterator[Path]:
    """Its files in a local folder: its own, or a copy for the duration. Storage that is away is waited for.

    Raises FileNotFoundError where there is none in storage, and UserError where that is away for too long.
    """
    if isinstance(checkpoint.filesystem, fs.LocalFileSystem):
        yield Path(checkpoint.path)
        return
    with tempfile.TemporaryDirectory(prefix="tmu-") as name:
        try:
            patiently(lambda: checkpoint.to_directory(name))
        except OSError as fault:
            if isinstance(fault, FileNotFoundError):
                raise
            raise UserError(
                f"checkpoint {checkpoint.path} cannot be read from storage ({fault}). Check the network and the "
                "credentials in the environment, and go on with --resume."
            ) from fault
        yield Path(name)


def progress_of(checkpoint: Checkpoint) -> Progress | None:
    """How far the trial had come; None where anything of the checkpoint is missing, cut short or changed."""
    with contextlib.suppress(FileNotFoundError), opened(checkpoint) as folder:
        return saved_progress(folder)
    return None


def newest_of(checkpoints: Iterable[Checkpoint]) -> tuple[Checkpoint, Progress] | None:
    """The whole one among them that had come farthest."""
    whole = [(each, progress) for each in checkpoints if (progress := progress_of(each)) is not None]
    return max(whole, key=lambda found: found[1], default=None)


def _is_numbered(name: str) -> bool:
    """As Tune calls them: `checkpoint_000003`."""
    return name.startswith("checkpoint_")


def _rename(checkpoint: Path, kept: Path) -> None:
    if not kept.exists():
        os.rename(checkpoint, kept)
        return
    replaced = kept.with_name(f".{EARLIER}-replaced")
    shutil.rmtree(replaced, ignore_errors=True)
    os.rename(kept, replaced)
    os.rename(checkpoint, kept)
    shutil.rmtree(replaced)

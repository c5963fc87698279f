"""Every path of a run folder, in one class: nobody else glues them together."""

import contextlib
import datetime
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from platform.config.errors import UserError
from platform.storage.storage import Storage


@dataclass(frozen=True)
class RunFolder:
    """The folder of one search. Asking for a path creates nothing.

    Where the run's own place is storage (`remote`), this is a working copy of it, see `stored_run.py`.
    """

    path: Path
    remote: Storage | None = None

    @property
    def address(self) -> str:
        """As a user names the run."""
        return str(self.path) if self.remote is None else self.remote.uri

    def absolute(self) -> "RunFolder":
        """For processes that work elsewhere."""
        return replace(self, path=self.path.absolute())

    @property
    def config(self) -> Path:
        """The resolved configuration, YAML."""
        return self.path / "config.yaml"

    @property
    def provenance(self) -> Path:
        """What the run was made of, written when it starts (JSON, shapes in `summary.Provenance`)."""
        return self.path / "provenance.json"

    @property
    def study(self) -> Path:
        """The Optuna study (SQLite): `optuna-dashboard sqlite:///study.db` opens it."""
        return self.path / "study.db"

    @property
    def shared_study(self) -> Path:
        """Instead of that: which study of a shared database it is (JSON), see `shared_study.py`."""
        return self.path / "study.json"

    @property
    def ranking(self) -> Path:
        """How relevant the sources seemed before the search (JSON), see `ranking_file.py`."""
        return self.path / "ranking.json"

    @property
    def results(self) -> Path:
        """A row a trial, see `record.py`."""
        return self.path / "results.parquet"

    @property
    def running(self) -> Path:
        """Trials that have not ended, see `progress.py`."""
        return self.path / "running.json"

    @property
    def nodes(self) -> Path:
        """The nodes of the cluster that it runs on (JSON), see `nodes_file.py`."""
        return self.path / "nodes.json"

    @property
    def trials(self) -> Path:
        """A folder a trial: TensorBoard, checkpoint, log."""
        return self.path / "trials"

    def trial(self, trial_id: str) -> Path:
        return self.trials / trial_id

    def look(self, trial_id: str) -> Path:
        """A trial looked at closely: predictions, horizon, gates (npz), see `look.py`."""
        return self.path.joinpath("trials", trial_id, "look.npz")  # in one step: there may be thousands

    @property
    def memory(self) -> Path:
        """What the run's memory servers did (JSON, shape in `serving.py`)."""
        return self.path / "memory.json"

    @property
    def best(self) -> Path:
        """The best target as safetensors, with its config."""
        return self.path / "best"

    @property
    def confirm(self) -> Path:
        """The run folder of this search's confirmation, a comparison."""
        return self.path / "confirm"

    @property
    def confirmation(self) -> "RunFolder":
        """The same as a run folder of its own."""
        return RunFolder(self.confirm, self.remote and self.remote.below(self.confirm.name))

    @property
    def confirm_plan(self) -> Path:
        """There: which settings, and what for (JSON), see `confirm_plan.py`."""
        return self.path / "plan.json"

    def tested(self, trial_id: str) -> Path:
        """There: what a trial scored on the test split (JSON), see `tested.py`."""
        return self.trial(trial_id) / "test.json"

    @property
    def confirmed(self) -> Path:
        """All those scores as one table, a row a setting, seed and clip."""
        return self.path / "confirm.parquet"

    @property
    def report(self) -> Path:
        return self.path / "report.html"

    @property
    def tables(self) -> Path:
        """The report's tables, each as CSV and Parquet, see `reporting/export.py`."""
        return self.path / "tables"

    @property
    def comparison(self) -> Path:
        """A comparison's rows (JSON)."""
        return self.path / "comparison.json"

    @property
    def comparison_table(self) -> Path:
        """The same as a Markdown table."""
        return self.path / "comparison.md"

    def paused(self, trial_id: str) -> Path:
        """Below it a trial saves itself in the midst of an epoch, where the search winds down."""
        return self.trial(trial_id) / "paused"

    @property
    def winding_down(self) -> Path:
        """There when the search's budget is used up, for trials to see."""
        return self.path / ".winding_down"

    @property
    def incidents(self) -> Path:
        """What befell the search and was survived, see `incidents.py`."""
        return self.path / "incidents.jsonl"

    @property
    def lock(self) -> Path:
        """Held by the process that runs the search."""
        return self.path / ".lock"

    @property
    def driver(self) -> Path:
        """Which process that is (JSON); there while it runs."""
        return self.path / ".driver.json"

    @property
    def log(self) -> Path:
        return self.path / "search.log"


def default_run_path(name: str) -> Path:
    """Where a run goes that was given no --run-dir."""
    return Path("runs") / f"{name}-{datetime.datetime.now():%Y%m%d-%H%M%S}"


@contextlib.contextmanager
def new_run_folder(folder: RunFolder) -> Iterator[None]:
    """The run folder, empty and writable, before anything costly begins; gone again where nothing was put in it.

    Its storage likewise, where it has one. Raises UserError where either is not, and where that cannot be reached.
    """
    path = folder.path
    if folder.remote is not None:
        _refuse_storage_in_use(folder.remote)
    if bad := sorted(set(str(path.absolute())) & set("?#%")):
        raise UserError(
            f"{path} has {' '.join(bad)} in it, which the study's database URL cannot hold. Rename --run-dir."
        )
    try:
        # A driver that was killed before it had begun leaves its lock.
        if path.exists() and (not path.is_dir() or any(path.glob("[!.]*"))):
            raise UserError(f"the run folder {path} is not empty. Give another --run-dir.")
        path.mkdir(parents=True, exist_ok=True)
        (path / ".writable").touch()
        (path / ".writable").unlink()
    except OSError as error:
        raise UserError(f"the run folder {path} cannot be made ({error.strerror}). Give another --run-dir.") from None
    try:
        yield
    finally:
        if not any(path.iterdir()):
            path.rmdir()


def _refuse_storage_in_use(storage: Storage) -> None:
    if any(not name.startswith(".") for name in storage.files()):
        raise UserError(f"{storage} is not empty. Give another --run-dir, or go on with it: --resume '{storage.uri}'.")
    storage.write(".writable", b"")
    storage.delete(".writable")

"""Every path of a run folder, in one class: nobody else glues them together."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class RunFolder:
    """The folder of one search. Asking for a path creates nothing."""

    path: Path

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
    def results(self) -> Path:
        """A row a trial, see `record.py`."""
        return self.path / "results.parquet"

    @property
    def trials(self) -> Path:
        """A folder a trial: TensorBoard, checkpoint, log."""
        return self.path / "trials"

    def trial(self, trial_id: str) -> Path:
        return self.trials / trial_id

    @property
    def best(self) -> Path:
        """The best target as safetensors, with its config."""
        return self.path / "best"

    @property
    def test(self) -> Path:
        """The best trial's scores on the test split, taken once at the end (JSON)."""
        return self.path / "test.json"

    @property
    def predictions(self) -> Path:
        """A few test clips with what the best target predicted for them (npz)."""
        return self.path / "predictions.npz"

    @property
    def report(self) -> Path:
        return self.path / "report.html"

    @property
    def log(self) -> Path:
        return self.path / "search.log"

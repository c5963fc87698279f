"""A run in Python: its trials as tables, its best target as a network, and what that predicted."""

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from platform.config.errors import UserError
from platform.results.confirmed import Confirmed, read_confirmed
from platform.results.look import Look
from platform.results.looks import read_looks
from platform.results.predictions import Predictions
from platform.results.record import TrialRecord, trials_table
from platform.results.stored_run import fetched_run
from platform.results.summary import RunSummary

if TYPE_CHECKING:
    from tmu_models import VideoPredictor


class Run:
    """A run folder that is only read; see `open_run`."""

    def __init__(self, summary: RunSummary) -> None:
        self.summary = summary

    def __repr__(self) -> str:
        return f"<run {self.summary.name}: {len(self.records)} trials on {self.summary.benchmark}>"

    @property
    def records(self) -> tuple[TrialRecord, ...]:
        """Everything known of each trial, in the order of their numbers."""
        return self.summary.records

    @property
    def best(self) -> TrialRecord | None:
        """The best finished trial of the search by the first objective; the setting that was confirmed may be that of
        another: `confirmed.settled`."""
        return self.summary.best

    @property
    def missing(self) -> tuple[str, ...]:
        """In sentences, what of the folder is not there or cannot be read."""
        return self.summary.missing

    @cached_property
    def trials(self) -> pa.Table:
        """A row a trial: number, state, settings (`settings.tmu.merge`), scores on the validation clips (`metric.mse`),
        epochs, seconds. `.to_pandas()` makes a data frame of it."""
        table = trials_table(self.records, sources=self.summary.sources)
        return table.drop_columns([name for name in ("curve", "record") if name in table.column_names])

    @cached_property
    def curves(self) -> pa.Table:
        """A row a trial and epoch: trial, epoch, train_loss, and the scores on the validation clips."""
        points = [{"trial": record.trial, **point} for record in self.records for point in record.curve]
        names = dict.fromkeys(name for point in points for name in point)
        return pa.table({name: pa.array([point.get(name) for point in points]) for name in names})

    @cached_property
    def confirmed(self) -> Confirmed | None:
        """What `platform.confirm` came to; None where nothing was confirmed."""
        return read_confirmed(self.summary)

    def network(self) -> "VideoPredictor":
        """The best target, frozen, float32, on the CPU: `network(frames, input_length=10).frames`, where frames are
        float32 (N, T, C, H, W) in [0, 1]. That of the confirmed setting, where a confirmation is whole.

        Raises UserError where the search has written none yet, or it was changed.
        """
        from platform.bank.bank import Bank

        search = self.summary.folder
        confirmed = search.confirmation
        folder = confirmed if confirmed.best.is_dir() else search
        if not folder.best.is_dir():
            raise UserError(f"{folder.path} has no {folder.best.name}/ yet: it is written when the search ends.")
        return Bank(folder.path).load(folder.best.name)

    @cached_property
    def looks(self) -> tuple[Look, ...]:
        """Closely at the best trials, the best first: predictions for a few validation clips, scores over the horizon,
        how open each source's gate was and what it was worth."""
        settled = None if self.confirmed is None else self.confirmed.settled
        return read_looks(self.summary, [], first=None if settled is None else settled.planned.trial)

    @property
    def predictions(self) -> Predictions:
        """A few validation clips, and what the best trial predicts for them. Raises UserError where there are none."""
        if not self.looks:
            raise UserError(f"{self.summary.folder.path} has no predictions yet: they are made when the search ends.")
        return self.looks[0].predictions


def open_run(path: str | Path) -> Run:
    """The run in the folder `path`, or at a URI (`s3://bucket/runs/kth`), also while it runs or was cut short.

    Raises UserError for what is no run folder.
    """
    return Run(RunSummary.read(fetched_run(path).path))

"""What an earlier driver left in a run folder: trials that ended, and those to go on with.

A trial goes on from its newest whole checkpoint; one that has none begins anew, with its own number, settings and seed.
Nothing is taken from Tune's own snapshots.
"""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from platform.config.run import RunConfig
from platform.config.search import SearchConfig, rungs
from platform.results.progress import Running, RunningTrial, read_running
from platform.results.record import TrialRecord, read_results
from platform.results.run_folder import RunFolder
from platform.training.checkpoint import Progress, newest_saved, saved_progress

EARLIER = "earlier"  # in a trial's folder: the checkpoint it goes on from, out of the way of those to come


@dataclass(frozen=True)
class Past:
    """Of trials by their number. `checkpoints` are of both: what the best of those that ended are exported from, and
    what the others go on from. `used` is what the search has taken so far."""

    ended: Mapping[int, TrialRecord] = field(default_factory=dict)
    unfinished: Mapping[int, RunningTrial] = field(default_factory=dict)
    checkpoints: Mapping[int, Path] = field(default_factory=dict)
    used: Running = field(default_factory=Running)


def rungs_of(search: SearchConfig, epochs: int) -> tuple[int, ...]:
    """The epochs after which successive halving decides; empty where it stops no trial."""
    return () if search.asha is None else rungs(search.asha.grace_epochs, search.asha.reduction, epochs)


def take_over(folder: RunFolder, config: RunConfig) -> Past:
    """Read what there is, and lay the checkpoints of unfinished trials aside. May be repeated after another kill."""
    folder = RunFolder(folder.path.absolute())  # trials run elsewhere
    records = {record.trial: record for record in read_results(folder.results)} if folder.results.is_file() else {}
    running = read_running(folder.running)
    ended = {number: record for number, record in records.items() if record.state != "interrupted"}
    unfinished = {trial.trial: trial for trial in running.trials if trial.trial not in ended}
    checkpoints: dict[int, Path] = {}
    for number, record in ended.items():
        if (found := newest_saved(_saved_below(folder.trial(record.id)))) is not None:
            checkpoints[number] = found[0]
    for number, trial in unfinished.items():
        progress = Progress(0, 0)
        if (newest := _to_go_on_from(folder.trial(trial.id), config)) is not None:
            checkpoints[number], progress = _lay_aside(newest[0], folder.trial(trial.id)), newest[1]
        _drop_others(folder.trial(trial.id))
        curve = tuple(point for point in trial.curve if point.get("epoch", 0) <= progress.epochs)
        row = trial.row if trial.row.get("epoch") == progress.epochs else dict(curve[-1]) if curve else {}
        unfinished[number] = trial.model_copy(update={"curve": curve, "row": row})
    return Past(ended, unfinished, checkpoints, running)


def _to_go_on_from(trial: Path, config: RunConfig) -> tuple[Path, Progress] | None:
    """The newest whole one, unless the trial may have been stopped there without a word of it in the table: then the
    one before, so that the epoch is trained again, comes to the same scores, and is judged again."""
    saved, epochs = _saved_below(trial), config.training.epochs
    newest = newest_saved(saved)
    if newest is None or newest[0].name == EARLIER or newest[1].steps:
        return newest
    if newest[1].epochs not in {*rungs_of(config.search, epochs), epochs}:
        return newest
    return newest_saved(folder for folder in saved if saved_progress(folder) != newest[1])


def _saved_below(trial: Path) -> list[Path]:
    return [*trial.glob("checkpoint_*"), *trial.glob("paused/*"), *trial.glob(EARLIER)]


def _lay_aside(checkpoint: Path, trial: Path) -> Path:
    kept = trial / EARLIER
    if checkpoint != kept:
        if kept.exists():
            replaced = trial / f".{EARLIER}-replaced"
            shutil.rmtree(replaced, ignore_errors=True)
            os.rename(kept, replaced)
            os.rename(checkpoint, kept)
            shutil.rmtree(replaced)
        else:
            os.rename(checkpoint, kept)
    return kept


def _drop_others(trial: Path) -> None:
    """Tune counts a new run's checkpoints from 0 and would write into old ones."""
    for folder in _saved_below(trial):
        if folder.name != EARLIER:
            shutil.rmtree(folder)

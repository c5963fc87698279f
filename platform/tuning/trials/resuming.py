"""What an earlier driver left in a run folder: trials that ended, and those to go on with.

A trial goes on from its newest whole checkpoint; one that has none begins anew, with its own number, settings and seed.
Nothing is taken from Tune's own snapshots.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ray.tune import Checkpoint

from platform.config.run import RunConfig
from platform.config.search import SearchConfig, rungs
from platform.results.progress import Running, RunningTrial, read_running
from platform.results.record import TrialRecord, read_results
from platform.results.run_folder import RunFolder
from platform.training.checkpoint import Progress
from platform.tuning.trials.checkpoints import EARLIER, SavedTrials, newest_of, progress_of


@dataclass(frozen=True)
class Past:
    """Of trials by their number. `checkpoints` are of both: what the best of those that ended are exported from, and
    what the others go on from. `used` is what the search has taken so far."""

    ended: Mapping[int, TrialRecord] = field(default_factory=dict)
    unfinished: Mapping[int, RunningTrial] = field(default_factory=dict)
    checkpoints: Mapping[int, Checkpoint] = field(default_factory=dict)
    used: Running = field(default_factory=Running)


def rungs_of(search: SearchConfig, epochs: int) -> tuple[int, ...]:
    """The epochs after which successive halving decides; empty where it stops no trial."""
    return () if search.asha is None else rungs(search.asha.grace_epochs, search.asha.reduction, epochs)


def take_over(folder: RunFolder, config: RunConfig) -> Past:
    """Read what there is, and lay the checkpoints of unfinished trials aside. May be repeated after another kill.

    Raises UserError where a file cannot be read, or the run's storage is away.
    """
    saved = SavedTrials(folder)
    with saved.told():
        return _take_over(folder, config, saved)


def _take_over(folder: RunFolder, config: RunConfig, saved: SavedTrials) -> Past:
    records = {record.trial: record for record in read_results(folder.results)} if folder.results.is_file() else {}
    running = read_running(folder.running)
    ended = {number: record for number, record in records.items() if record.state != "interrupted"}
    unfinished = {trial.trial: trial for trial in running.trials if trial.trial not in ended}
    there, checkpoints = saved.trial_ids(), dict[int, Checkpoint]()
    for number, record in ended.items():
        if record.id in there and (found := newest_of(saved.of(record.id))) is not None:
            checkpoints[number] = found[0]
    for number, trial in unfinished.items():
        progress, newest = Progress(0, 0), None
        if trial.id in there:
            newest = _to_go_on_from(saved.of(trial.id), trial, config)
        if newest is not None:
            checkpoints[number], progress = saved.lay_aside(newest[0], trial.id), newest[1]
        elif trial.id in there:
            saved.drop_all(trial.id)
        curve = tuple(point for point in trial.curve if point.get("epoch", 0) <= progress.epochs)
        row = trial.row if trial.row.get("epoch") == progress.epochs else dict(curve[-1]) if curve else {}
        unfinished[number] = trial.model_copy(update={"curve": curve, "row": row})
    known = {*(record.id for record in ended.values()), *(trial.id for trial in unfinished.values())}
    for trial_id in there - known:  # it had begun when the driver's last words were on their way to storage
        saved.drop_all(trial_id)
    return Past(ended, unfinished, checkpoints, running)


def _to_go_on_from(
    saved: list[Checkpoint], trial: RunningTrial, config: RunConfig
) -> tuple[Checkpoint, Progress] | None:
    """The newest whole one whose epochs are all on record, unless the trial may have been stopped there without a word
    of it in the table: then the one before, so that the epoch is trained again, comes to the same scores, and is judged
    again."""
    told, epochs = max((point.get("epoch", 0) for point in trial.curve), default=0), config.training.epochs
    whole = [(each, progress) for each in saved if (progress := progress_of(each)) and progress.epochs <= told]
    newest = max(whole, key=lambda found: found[1], default=None)
    if newest is None or newest[0].path.endswith(f"/{EARLIER}") or newest[1].steps:
        return newest
    if newest[1].epochs not in {*rungs_of(config.search, epochs), epochs}:
        return newest
    return max((each for each in whole if each[1] != newest[1]), key=lambda found: found[1], default=None)

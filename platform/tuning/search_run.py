"""One search from a resolved configuration to its report. Each stage is a function; `run_search` is their order."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from ray import tune
from ray.tune.schedulers import ASHAScheduler
from ray.tune.search import Searcher
from rich.console import Console

from platform.config.home import Home
from platform.config.run import RunConfig
from platform.config.search import SearchConfig, direction
from platform.results.record import TrialRecord
from platform.results.run_folder import RunFolder
from platform.tuning.live import LiveTable
from platform.tuning.outcome import export_best, test_best
from platform.tuning.ranking import rank_run_sources, ranking_table
from platform.tuning.recorder import Recorder
from platform.tuning.resources import TrialResources
from platform.tuning.searcher import TrialSearcher, end_running_trials
from platform.tuning.space import SettingsSpace
from platform.tuning.stage import stage
from platform.tuning.target import TargetPlan
from platform.tuning.trial import TargetTrial, TrialPlan, trial_folder


@dataclass(frozen=True)
class SearchOutcome:
    """How a search ended. `best` and `test` are None where no trial came far enough."""

    records: tuple[TrialRecord, ...]
    best: TrialRecord | None
    test: dict[str, Any] | None
    interrupted: bool


def run_search(config: RunConfig, folder: RunFolder, home: Home, console: Console) -> SearchOutcome:
    """Run the whole search on the Ray that is initialised. Ctrl-C ends it within seconds with what has finished."""
    with stage(config, folder, home, console) as (plan, resources):
        ranking: list[str] = []
        if config.search.seed_from_ranking and plan.serving.sources:
            benchmark = plan.target.benchmark()
            relevances = rank_run_sources(config, home, plan.target.entries, benchmark)
            console.print(ranking_table(relevances, benchmark.label))
            ranking = [relevance.source for relevance in relevances]
        storage = open_study_storage(folder)
        space = SettingsSpace(config.search.space, config.trial)
        recorder = run_trials(
            plan,
            folder,
            resources,
            console,
            searcher=TrialSearcher(space, config.search, storage, ranking),
            num_trials=config.search.trials,
            scheduler=_scheduler(config.search, config.training.epochs),
        )
        end_running_trials(storage)
    interrupted = was_interrupted(recorder, config.search.trials)
    return conclude(plan.target, folder, recorder, interrupted=interrupted)


def run_trials(
    plan: TrialPlan,
    folder: RunFolder,
    resources: TrialResources,
    console: Console,
    *,
    searcher: Searcher,
    num_trials: int,
    scheduler: ASHAScheduler | None = None,
    callbacks: Sequence[tune.Callback] = (),
) -> Recorder:
    """Run what `searcher` suggests, under the live table; returns what was recorded. Ctrl-C ends it early.

    Tune calls `callbacks` after the recorder and the table. What outlives a killed search are the results and the
    study, both written whenever a trial ends; Tune's snapshots, each of all trials, nobody reads: they are throttled.
    """
    config = plan.target.config
    recorder = Recorder(config, folder)
    live = LiveTable(config, recorder, console, num_trials)
    trainable = tune.with_resources(
        tune.with_parameters(TargetTrial, plan=plan, limit=resources.limit), resources.of_ray
    )
    tuner = tune.Tuner(
        trainable,
        tune_config=tune.TuneConfig(
            num_samples=num_trials,
            max_concurrent_trials=resources.at_once,
            search_alg=searcher,
            scheduler=scheduler,
            reuse_actors=True,
            trial_dirname_creator=trial_folder,
            trial_name_creator=trial_folder,
        ),
        run_config=tune.RunConfig(
            name=folder.trials.name,
            storage_path=str(folder.path.absolute()),
            verbose=0,
            callbacks=[recorder, live, *callbacks],
            checkpoint_config=tune.CheckpointConfig(checkpoint_frequency=1, num_to_keep=2, checkpoint_at_end=False),
        ),
    )
    with live:
        tuner.fit()
    recorder.interrupt()
    return recorder


def was_interrupted(recorder: Recorder, num_trials: int) -> bool:
    """Did the user end it before its last trial?"""
    states = [record.state for record in recorder.records.values()]
    return len(states) < num_trials or "interrupted" in states


def open_study_storage(folder: RunFolder) -> optuna.storages.BaseStorage:
    """The study's SQLite file; `optuna-dashboard sqlite:///study.db` opens it."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    logging.getLogger("alembic").setLevel(logging.ERROR)
    return optuna.storages.RDBStorage(f"sqlite:///{folder.study.absolute()}")


def _scheduler(search: SearchConfig, epochs: int) -> ASHAScheduler | None:
    if search.asha is None or search.asha.grace_epochs >= epochs:
        return None
    objective = search.objectives[0]
    return ASHAScheduler(
        time_attr="epoch",
        metric=objective,
        mode=direction(objective),
        max_t=epochs,
        grace_period=search.asha.grace_epochs,
        reduction_factor=search.asha.reduction,
        stop_last_trials=False,
    )


def conclude(plan: TargetPlan, folder: RunFolder, recorder: Recorder, *, interrupted: bool) -> SearchOutcome:
    """Write out the best target; after a whole search also score it on the test split."""
    ranking = [record for record in recorder.ranking() if record.trial in recorder.checkpoints]
    best, test = (ranking[0] if ranking else None), None
    if best is not None:
        export_best(plan, folder, best, recorder.checkpoints[best.trial])
        if not interrupted:
            test = test_best(plan, folder, best)
    return SearchOutcome(tuple(recorder.records.values()), best, test, interrupted)

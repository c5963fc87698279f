"""One search from a resolved configuration to its report. Each stage is a function; `run_search` is their order."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from ray import tune
from ray.tune.search import Searcher
from rich.console import Console

from platform.config.home import Home
from platform.config.run import RunConfig
from platform.results.nodes_file import Nodes, write_nodes
from platform.results.ranking_file import RankedSource, write_ranking
from platform.results.record import TrialRecord
from platform.results.run_folder import RunFolder
from platform.tuning.begun import Begun
from platform.tuning.cluster.whereabouts import Whereabouts
from platform.tuning.keeping.made_with import read_provenance
from platform.tuning.keeping.outcome import export_best
from platform.tuning.keeping.recorder import INTERRUPTED, Recorder
from platform.tuning.live import LiveTable
from platform.tuning.looks import look_at_best
from platform.tuning.ranking import rank_run_sources, ranking_table
from platform.tuning.stage import stage
from platform.tuning.study.halving import Halving, halving
from platform.tuning.study.searcher import TrialSearcher
from platform.tuning.study.space import SettingsSpace
from platform.tuning.study.storage import check_study, open_study_storage, study_name
from platform.tuning.study.warm_start import WarmStart, check_warm_start
from platform.tuning.trials.checkpoints import SavedTrials
from platform.tuning.trials.resuming import Past, take_over
from platform.tuning.trials.trial import TargetTrial, trial_folder
from platform.tuning.tune_repair import repaired_tune
from platform.tuning.watch import Watch

MOST_RESTARTS = 5  # of a trial whose process dies
BUDGET_USED_UP = "the search's budget was used up"
Ending = Literal["whole", "budget", "interrupted"]


@dataclass(frozen=True)
class SearchOutcome:
    """How a search ended: `whole` when all its trials did, `budget` when that was used up, `interrupted` by the user.

    `best` is None where no trial came far enough.
    """

    records: tuple[TrialRecord, ...]
    best: TrialRecord | None
    ended: Ending


def run_search(
    config: RunConfig,
    folder: RunFolder,
    home: Home,
    console: Console,
    *,
    resumed: bool = False,
) -> SearchOutcome:
    """Run the whole search on the Ray that is initialised. Ctrl-C ends it within seconds with what has finished.

    `resumed`: the run folder is that of a search which ended early. What has ended there is kept, what ran goes on.
    """
    check_study(config.study, folder)
    if config.search.warm_start is not None:
        check_warm_start(Path(config.search.warm_start))
    past = take_over(folder, config) if resumed else Past()
    with (
        stage(config, folder, home, console, past) as begun,
        open_study_storage(folder, config.study, partial(begun.journal.note, "study")) as storage,
    ):
        plan = begun.plan
        ranking: list[str] = []
        if config.search.seed_from_ranking and plan.serving.sources:
            benchmark = plan.target.benchmark()
            relevances = rank_run_sources(config, home, plan.target.entries, benchmark)
            console.print(ranking_table(relevances, benchmark.label))
            ranking = [relevance.source for relevance in relevances]
            write_ranking(folder.ranking, tuple(RankedSource(**dataclasses.asdict(each)) for each in relevances))
        space, warm_start = SettingsSpace(config.search.space, config.trial), None
        if config.search.warm_start is not None and not past.ended and not past.unfinished:
            warm_start = WarmStart.read(Path(config.search.warm_start), config, read_provenance(folder))
            console.print(warm_start.said, markup=False, soft_wrap=True)
        searcher = TrialSearcher(
            space,
            config.search,
            storage,
            ranking,
            past,
            warm_start=warm_start,
            wind_down=begun.wind_down,
            study_name=study_name(config.study, folder, config.name),
        )
        recorder = run_trials(
            begun,
            folder,
            console,
            searcher=searcher,
            num_trials=config.search.trials,
            scheduler=halving(config.search, config.training.epochs, past),
            past=past,
        )
    if searcher.no_answer is not None:
        raise searcher.no_answer
    return conclude(begun, folder, recorder, console, ended=how_it_ended(recorder, begun, config.search.trials))


def run_trials(
    begun: Begun,
    folder: RunFolder,
    console: Console,
    *,
    searcher: Searcher,
    num_trials: int,
    scheduler: Halving | None = None,
    past: Past | None = None,
    callbacks: Sequence[tune.Callback] = (),
    keep_all: bool = False,
) -> Recorder:
    """Run what `searcher` suggests, under the live table; returns what was recorded. Ctrl-C ends it early.

    Tune calls `callbacks` after those that record and watch. What outlives a killed search are results, running
    trials, checkpoints and the study, written as they come. `num_trials` counts those that ended in the `past`.
    `keep_all`: see Recorder.
    """
    config, resources, journal, roster = begun.plan.target.config, begun.resources, begun.journal, begun.roster
    recorder = Recorder(config, folder, past, journal, begun.usage, keep_all=keep_all)
    if (num_left := num_trials - len(recorder.records)) <= 0 or begun.wind_down.has_begun:
        recorder.interrupt(BUDGET_USED_UP)
        write_nodes(folder.nodes, Nodes())  # an earlier driver that was killed left what ran then
        return recorder
    whereabouts = Whereabouts(roster, folder, begun.servers.counts if begun.servers else None)
    saved, live = SavedTrials(folder), LiveTable(config, recorder, console, num_trials, whereabouts)
    watch = Watch(config.search.epoch_minutes, recorder, journal)
    trainable = tune.with_resources(
        tune.with_parameters(TargetTrial, plan=begun.plan, limit=resources.limit), resources.of_ray
    )
    make_tuner = partial(
        tune.Tuner,
        trainable,
        tune_config=tune.TuneConfig(
            num_samples=num_left,
            search_alg=roster.limited(searcher),
            scheduler=scheduler,
            reuse_actors=True,
            trial_dirname_creator=trial_folder,
            trial_name_creator=trial_folder,
        ),
        run_config=tune.RunConfig(
            name=folder.trials.name,
            storage_path=saved.root,
            storage_filesystem=None if folder.remote is None else saved.filesystem,
            verbose=0,
            stop=begun.wind_down,
            callbacks=[begun.usage, recorder, roster, whereabouts, live, watch, *callbacks],
            failure_config=tune.FailureConfig(max_failures=MOST_RESTARTS),
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
        ),
    )
    try:
        with saved.told():
            tuner = saved.waited(make_tuner)
        with live, repaired_tune(roster, saved):
            tuner.fit()
    finally:
        roster.leave()
    recorder.interrupt(BUDGET_USED_UP if begun.wind_down.has_begun else INTERRUPTED)
    return recorder


def how_it_ended(recorder: Recorder, begun: Begun, num_trials: int) -> Ending:
    states = [record.state for record in recorder.records.values()]
    if len(states) == num_trials and "interrupted" not in states:
        return "whole"
    return "budget" if begun.wind_down.has_begun else "interrupted"


def conclude(begun: Begun, folder: RunFolder, recorder: Recorder, console: Console, *, ended: Ending) -> SearchOutcome:
    """Write out the best target, and look closely at it and the next best."""
    ranking = recorder.ranking()
    best = next((record for record in ranking if record.trial in recorder.checkpoints), None)
    if best is None:
        return SearchOutcome(tuple(recorder.records.values()), None, ended)
    if best is not ranking[0]:
        lost = ranking[0].trial
        recorder.journal.note(
            "trial", f"the weights of trial {lost}, the best, are lost: trial {best.trial} is next", lost
        )
    export_best(begun.plan.target, folder, best, recorder.checkpoints[best.trial])
    look_at_best(begun.plan.target, begun.roster, folder, recorder, console)
    return SearchOutcome(tuple(recorder.records.values()), best, ended)

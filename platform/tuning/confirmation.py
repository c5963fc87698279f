"""A search's best settings and their rivals, trained again as a comparison in `confirm/`, and tested when all have."""

from collections.abc import Mapping
from dataclasses import dataclass

import ray
import torch
from ray.tune import Checkpoint
from rich.console import Console
from rich.progress import Progress

from platform.config.agreement import disagreements
from platform.config.confirm import ConfirmConfig
from platform.config.errors import UserError
from platform.config.home import Home
from platform.config.places import dotted
from platform.config.resolved import load_resolved
from platform.config.run import CompareConfig, RunConfig
from platform.config.search import SearchConfig
from platform.config.study import StudyConfig
from platform.config.trial import SCRATCH, TrialSettings
from platform.results.confirm_plan import ConfirmPlan, read_plan
from platform.results.confirmed import read_confirmed
from platform.results.ranking import ranked
from platform.results.record import TrialRecord
from platform.results.replacing import replace_text
from platform.results.run_folder import RunFolder
from platform.results.summary import RunSummary
from platform.results.tested import TestedTrial, read_tested, write_tested_table
from platform.tuning.begun import Begun
from platform.tuning.candidates import plan_confirmation
from platform.tuning.comparison import run_comparison
from platform.tuning.keeping.made_with import read_provenance
from platform.tuning.keeping.outcome import export_best
from platform.tuning.keeping.recorder import Recorder
from platform.tuning.search_run import Ending
from platform.tuning.trials.target import TargetPlan
from platform.tuning.trials.testing import score_on_test


@dataclass(frozen=True)
class Confirmation:
    """What is to be trained, in its own run folder below the search's. `has_begun`: an earlier driver began it."""

    search: RunFolder
    folder: RunFolder
    config: RunConfig
    plan: ConfirmPlan
    has_begun: bool


def prepare_confirmation(search: RunFolder, config: RunConfig, home: Home) -> Confirmation:
    """That of the search whose configuration is `config`, which says in `confirm` how much is trained.

    One that has begun goes on as it began. Raises UserError where no trial finished, or an earlier one is damaged.
    """
    folder = search.confirmation
    if folder.confirm_plan.exists() and folder.config.exists():
        begun_as = load_resolved(folder.config)
        return Confirmation(search, folder, begun_as, read_plan(folder.confirm_plan), has_begun=True)
    asked = config.confirm or ConfirmConfig()
    plan = plan_confirmation(RunSummary.read(search.path), asked.settings, _Refusal(search, config, home))
    if plan is None:
        raise UserError(
            f"no trial of {search.path} has finished, so there is nothing to confirm. Go on with it: "
            f"python -m platform.search --resume {search.path}"
        )
    return Confirmation(search, folder, _config(config, asked, plan), plan, has_begun=False)


def _config(config: RunConfig, asked: ConfirmConfig, plan: ConfirmPlan) -> RunConfig:
    """A comparison's: the search's, without what only a search needs."""
    settings = {planned.name: TrialSettings.model_validate(planned.settings) for planned in plan.settings}
    search = SearchConfig(
        trials=len(settings) * asked.seeds,
        seed=config.search.seed,
        clip_order="trial",  # chance includes the order of the clips; settings are paired, seed by seed
        objectives=config.search.objectives,
        epoch_minutes=config.search.epoch_minutes,
        asha=None,
    )
    epochs = asked.epochs or config.training.epochs
    return config.model_copy(
        update={
            "compare": CompareConfig(seeds=asked.seeds, settings=settings),
            "search": search,
            "training": config.training.model_copy(update={"epochs": epochs}),
            "study": StudyConfig(),
            "confirm": None,
        }
    )


class _Refusal:
    """Why a target of some settings cannot be built in this run; None where it can."""

    def __init__(self, search: RunFolder, config: RunConfig, home: Home) -> None:
        self._config = config.model_copy(update={"search": SearchConfig(asha=None)})
        entries = {name: used.entry for name, used in read_provenance(search).sources.items()}
        self._target = TargetPlan(config, home, entries)

    def __call__(self, settings: TrialSettings) -> str | None:
        alone = self._config.model_copy(update={"compare": CompareConfig(settings={"setting": settings})})
        faults = [(place, message) for place, message in disagreements(alone) if place[:1] == ("compare",)]
        if faults:
            place, message = faults[0]
            return f"{dotted(place[3:])}: {message}"
        if settings.start == SCRATCH:
            return None
        try:
            self._target.build(TrialSettings(start=settings.start), 0, self._target.benchmark().channels)
        except UserError as refused:
            return str(refused)
        except KeyError:
            return f"the run has no record of source {settings.start}"
        return None


def run_confirmation(confirmation: Confirmation, home: Home, console: Console) -> Ending:
    """Train what is left, and when everything has ended, test what is not tested yet. The Ray is that of the caller."""
    folder, plan = confirmation.folder, confirmation.plan
    if not confirmation.has_begun:
        folder.path.mkdir(parents=True, exist_ok=True)
        replace_text(folder.confirm_plan, plan.model_dump_json(indent=2))
    names = [planned.name for planned in plan.settings]

    def test(begun: Begun, recorder: Recorder) -> None:
        finished = [record for record in recorder.records.values() if record.state == "finished"]
        settings = {record.trial: names[record.trial % len(names)] for record in finished}
        _test_all(begun, folder, finished, settings, recorder.checkpoints, console)
        tested = [found for record in finished if (found := read_tested(folder.tested(record.id))) is not None]
        if tested:
            write_tested_table(confirmation.search.confirmed, tested)
        _export_confirmed(begun, confirmation.search, recorder.checkpoints)

    return run_comparison(
        confirmation.config,
        folder,
        home,
        console,
        resumed=confirmation.has_begun,
        same_as=read_provenance(confirmation.search),
        keep_all=True,
        when_whole=test,
    )


def _export_confirmed(begun: Begun, search: RunFolder, checkpoints: Mapping[int, Checkpoint]) -> None:
    """`best/` of the confirmation: of the setting that it chose, the target that scored best on validation clips."""
    summary = RunSummary.read(search.path)
    confirmed = read_confirmed(summary)
    if confirmed is None or confirmed.settled is None:
        return
    trials = [record for record in confirmed.settled.trials if record.trial in checkpoints]
    if best := next(iter(ranked(trials, summary.score)), None):
        export_best(begun.plan.target, confirmed.folder, best, checkpoints[best.trial])


def _test_all(
    begun: Begun,
    folder: RunFolder,
    records: list[TrialRecord],
    settings: Mapping[int, str],
    checkpoints: Mapping[int, Checkpoint],
    console: Console,
) -> None:
    """Each trained target, by as many tasks at once as trials ran; a test that was taken stays as it is."""
    left = [record for record in records if read_tested(folder.tested(record.id)) is None]
    plan = begun.plan.target
    task = ray.remote(max_retries=3, **begun.roster.of_task())(_test_one)
    waiting = {}
    for record in left:
        if record.trial not in checkpoints:
            begun.journal.note("trial", f"the weights of trial {record.trial} are lost: it is not tested", record.trial)
            continue
        given = (plan, record, settings[record.trial], checkpoints[record.trial], begun.plan.threads)
        waiting[task.remote(*given)] = record
    with Progress(console=console, transient=True) as bar:
        shown = bar.add_task("testing", total=len(waiting))
        while waiting:
            (ready,), _ = ray.wait(list(waiting), num_returns=1)
            tested, path = ray.get(ready), folder.tested(waiting.pop(ready).id)
            replace_text(path, tested.model_dump_json())
            bar.advance(shown)


def _test_one(plan: TargetPlan, record: TrialRecord, setting: str, checkpoint: Checkpoint, threads: int) -> TestedTrial:
    torch.set_num_threads(threads)
    device = torch.device("cuda" if ray.get_gpu_ids() and torch.cuda.is_available() else "cpu")
    return score_on_test(plan, record, setting, checkpoint, device)

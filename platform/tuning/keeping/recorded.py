"""A trial as its run recorded it, found by `RUN/TRIAL`, and whether it can be made again here.

Other code, packages or machines are told: then bits may differ. Other clips or sources are refused.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import ValidationError

from platform.bank.bank import Bank
from platform.config.bounded import first_fault
from platform.config.errors import UserError
from platform.config.home import Home
from platform.config.resolved import load_resolved
from platform.config.run import RunConfig
from platform.config.trial import TrialSettings
from platform.results.progress import read_running
from platform.results.record import TrialRecord, read_results
from platform.results.run_folder import RunFolder
from platform.training.lpips import why_no_lpips
from platform.tuning.keeping.made_with import RunProvenance, differences, made_with, read_provenance
from platform.tuning.keeping.same_data import TRAINED_ON, entries_as_recorded, refuse_other_clips
from platform.tuning.trials.target import TargetPlan


@dataclass(frozen=True)
class Recorded:
    """A trial of a run folder: its record, the run's configuration, and what that was made of."""

    folder: RunFolder
    config: RunConfig
    provenance: RunProvenance
    record: TrialRecord
    settings: TrialSettings

    @classmethod
    def read(cls, trial: str) -> "Recorded":
        """`trial` is RUN/NUMBER: `runs/long/17`, `runs/long/00017`, `runs/long/trials/00017`.

        Raises UserError where there is no such run or trial, or nothing of it can be compared.
        """
        folder, number = _run_and_number(Path(trial))
        config, records = load_resolved(folder.config), _records(folder)
        if number not in records:
            raise UserError(f"{folder.path} has no trial {number}; it has {_listed(records)}.")
        record = records[number]
        if record.epochs == 0 and record.state != "failed":
            raise UserError(
                f"trial {number} of {folder.path} has no whole epoch on record, so nothing can be compared."
            )
        return cls(folder, config, read_provenance(folder), record, _settings(folder, record))

    @property
    def num_epochs(self) -> int:
        """That a replay trains: those on record, and the one in which it failed."""
        more = self.record.state == "failed"
        return min(self.record.epochs + more, self.config.training.epochs)

    @property
    def threads(self) -> int:
        """With which it was trained."""
        return self.provenance.threads or self.config.resources.threads_per_trial

    @property
    def device(self) -> str:
        """On which it is trained now: a GPU where it was trained on one and there is one."""
        if not torch.cuda.is_available():
            return "cpu"
        has_gpu = self.provenance.hardware.get("gpu", "none") != "none" and self.config.resources.gpus_per_trial != 0
        return self.provenance.device or ("cuda" if has_gpu else "cpu")

    def unlike(self, home: Home) -> list[str]:
        """What is not as it was when the run was made, a sentence each: then bits may differ."""
        told = differences(self.provenance, made_with(self.folder, self.config, self.device))
        missing = why_no_lpips(home.lpips, self.config.benchmark.frame_size)
        if "lpips" in self.record.metrics and missing is not None:
            told.append(f"lpips: scored when the trial ran, not here, where it {missing}")
        return told

    def plan(self, home: Home) -> TargetPlan:
        """What the trial was built from. Raises UserError where its clips or its sources are others by now."""
        config = self.config
        alone = config.model_copy(update={"training": config.training.model_copy(update={"readers": 0})})
        entries = entries_as_recorded(self.provenance, self.record.source_columns(), Bank.of(home))
        plan = TargetPlan(alone, home, entries)
        refuse_other_clips(self.provenance, plan.benchmark(), TRAINED_ON)
        return plan


def _run_and_number(trial: Path) -> tuple[RunFolder, int]:
    """Raises UserError for what is no number in a run folder, naming the trials where it can."""
    folder = RunFolder(trial.parent)
    if trial.parent.name == folder.trials.name and not folder.config.is_file():
        folder = RunFolder(trial.parent.parent)
    if trial.name.isascii() and trial.name.isdecimal():
        if not folder.path.is_dir():
            raise UserError(f"there is no run {folder.path}. Give RUN/TRIAL, for example runs/long/17.")
        return folder, int(trial.name)
    for run in (RunFolder(trial), folder):
        if run.config.is_file():
            there = _listed(_records(run))
            raise UserError(f"{trial} names no trial of {run.path}, which has {there}. Give its number: {run.path}/0.")
    raise UserError(f"{trial} is no RUN/TRIAL. Give a run folder and a trial's number, for example runs/long/17.")


def _records(folder: RunFolder) -> dict[int, TrialRecord]:
    """By number: those in the results, and of a search that was killed those that ran, up to their last epoch."""
    records = {record.trial: record for record in read_results(folder.results)} if folder.results.is_file() else {}
    for trial in read_running(folder.running).trials:
        records.setdefault(trial.trial, trial.as_record("interrupted"))
    return dict(sorted(records.items()))


def _settings(folder: RunFolder, record: TrialRecord) -> TrialSettings:
    if not record.settings:
        raise UserError(
            f"trial {record.trial} of {folder.path} has no settings on record, so it cannot be trained again."
        )
    try:
        return TrialSettings.model_validate(record.settings)
    except ValidationError as fault:
        raise UserError(
            f"the settings of trial {record.trial} in {folder.results} are none that this release knows "
            f"({first_fault(fault)}). Replay it with the release that made the run."
        ) from None


def _listed(numbers: Mapping[int, TrialRecord]) -> str:
    """`trials 0-5, 7`."""
    spans: list[tuple[int, int]] = []
    for number in sorted(numbers):
        if spans and spans[-1][1] == number - 1:
            spans[-1] = spans[-1][0], number
        else:
            spans.append((number, number))
    if not spans:
        return "none yet"
    return "trials " + ", ".join(f"{first}" if first == last else f"{first}-{last}" for first, last in spans)

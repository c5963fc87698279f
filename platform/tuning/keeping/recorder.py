"""What a search leaves behind while it runs: the results table, TensorBoard logs, and only the checkpoints that matter.

A Tune callback in the driver. It holds one TrialRecord a trial and writes the table anew whenever a trial ends, so a
killed search has lost no finished trial. A long table is written for some trials together; until then they stand among
those that run, with all their checkpoints, and a search that is killed meanwhile trains their last epoch once more.
"""

import datetime
import errno
import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune import Checkpoint
from tensorboardX import SummaryWriter

from platform.config.run import RunConfig
from platform.config.search import direction
from platform.results.incidents import Journal
from platform.results.pareto import pareto_set
from platform.results.progress import Running, RunningTrial, write_running
from platform.results.ranking import leaders, ranked
from platform.results.record import TrialRecord, TrialState, write_results
from platform.results.run_folder import RunFolder
from platform.results.scores import score
from platform.tuning.keeping.begun_trial import BegunTrial, memory_of
from platform.tuning.keeping.board import add_epoch, add_settings
from platform.tuning.trials.checkpoints import EARLIER, PAUSED, SavedTrials
from platform.tuning.trials.failures import failure_reason
from platform.tuning.trials.resuming import Past
from platform.tuning.trials.trial import FAILURE, trial_folder, trial_seed
from platform.tuning.trials.usage import Usage

CURVE = ("epoch", "steps", "train_loss", "distillation_loss", "mse", "ssim", "psnr")
INTERRUPTED = "the search was interrupted while it ran"
WRITE_RUNNING_S = 60.0  # at the least
WRITTEN_AT_ONCE = 200  # rows: so long a table is written for every trial that ends
# A longer one is not written for so many times as long as that took (0.25 s for 5,000 rows): it takes a fiftieth of the
# time. Meanwhile those who look at the run see its last trials as running.
PAUSE = 49
KEPT_CHECKPOINTS = 4  # of the trials that lead by the first objective


class Recorder(tune.Callback):
    """Keeps `records` (by trial number) and writes them to the run folder."""

    def __init__(
        self,
        config: RunConfig,
        folder: RunFolder,
        past: Past | None = None,
        journal: Journal | None = None,
        usage: Usage | None = None,
        *,
        keep_all: bool = False,
    ) -> None:
        """`past` is what an earlier driver left of this run, `usage` what all of them have used. `keep_all`: the last
        checkpoint of every trial is kept, and not of the best alone."""
        self.config = config
        self.folder = folder
        self.journal = journal or Journal(folder.incidents)
        self._past = past or Past()
        self._usage = usage
        self._keep_all = keep_all
        self.records: dict[int, TrialRecord] = dict(self._past.ended)
        self._saved = SavedTrials(folder)
        self.checkpoints: dict[int, Checkpoint] = {
            n: self._past.checkpoints[n] for n in self.records if n in self._past.checkpoints
        }
        self._begun: dict[int, BegunTrial] = {}
        self._ended: dict[int, tuple[Any, str]] = {}  # in no table yet: Tune's, with their texts in `running.json`
        self._table_due = 0.0
        self._written = time.monotonic()  # what runs

    def __getstate__(self) -> dict[str, Any]:
        """Tune pickles its callbacks; open files and live trials are not something to restore."""
        return {**self.__dict__, "_begun": {}, "_ended": {}}

    # what Tune calls

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._begin(trial)
        self._write_running()

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        if FAILURE in result:
            return
        begun, epoch = self._begin(trial), int(result["epoch"])
        # An epoch may be told again by a new process.
        begun.curve[:] = [point for point in begun.curve if point["epoch"] < epoch]
        begun.curve.append(_only(result, dict.fromkeys((*CURVE, *self.config.search.objectives))))
        spent = {name: value + begun.memory_before.get(name, 0.0) for name, value in memory_of(result).items()}
        begun.row, begun.known = _numbers(result) | spent, None
        self._write_running()
        if begun.writer is None:
            # What a process that died wrote of epochs after its last checkpoint is taken back.
            again = begun.restarts > 0 or trial.config["trial"] in self._past.unfinished
            folder = self.folder.trial(trial_folder(trial))
            begun.writer = SummaryWriter(str(folder), purge_step=epoch if again else None)
        add_epoch(begun.writer, {**result, **spent}, epoch)

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """What was used of the budget is not forgotten, however long an epoch takes."""
        self._settle()
        if time.monotonic() - self._written > WRITE_RUNNING_S:
            self._write_running()

    def on_checkpoint(self, iteration: int, trials: list[Any], trial: Any, checkpoint: Any, **info: Any) -> None:
        """Removes all but the newest two. Tune would, at the price of a snapshot of the whole search each time."""
        self._saved.drop_older(checkpoint)

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        last = trial.last_result or {}
        if FAILURE in last:
            self._end(trial, "failed", last[FAILURE])
        elif not last.get("epoch"):
            self._end(trial, "interrupted", "ended before its first epoch")
        elif last.get("last_epoch"):
            self._end(trial, "finished", None)
        else:
            self._end(trial, "stopped", f"stopped by ASHA after epoch {last['epoch']}: others did better by then")

    def on_trial_recover(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        begun, number = self._begin(trial), trial.config["trial"]
        reason = self._why(begun)
        begun.restart()
        self.journal.note("trial", f"trial {number} is tried again from its last checkpoint: {reason}", number)
        self._write_running()

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        begun = self._begin(trial)
        reason = self._why(begun)
        if begun.restarts:
            reason = f"{reason}; it was tried {begun.restarts + 1} times"
        self._end(trial, "failed", reason)

    # what others ask

    def hung(self, number: int) -> None:
        """The trial's process is about to be killed because it hangs."""
        self._begun[number].hangs = True

    def interrupt(self, reason: str) -> None:
        """The search is over: trials that still run were interrupted. Writes the table, also where no trial began."""
        self._settle(at_once=True)
        for begun in list(self._begun.values()):
            self._end(begun.trial, "interrupted", reason)
        for number, trial in self._yet_to_go_on().items():
            self.records.setdefault(number, trial.as_record("interrupted", reason))
        self.write()
        self._write_running()

    def _begin(self, trial: Any) -> BegunTrial:
        """Take note of it, unless it is known: a process may take another's place, or die before it has begun."""
        number, now = trial.config["trial"], datetime.datetime.now(datetime.UTC)
        if number in self._begun:
            return self._begun[number]
        seed = int(trial.config.get("seed", trial_seed(self.config.search.seed, number)))
        begun = BegunTrial(trial, seed, now)
        if (before := self._past.unfinished.get(number)) is not None:
            begun.started -= datetime.timedelta(seconds=before.spent_s)
            begun.curve, begun.row = [dict(point) for point in before.curve], dict(before.row)
            begun.restarts, begun.memory_before = before.restarts, memory_of(before.row)
        self._begun[number] = begun
        return begun

    def _why(self, begun: BegunTrial) -> str:
        """What ended its process. Raises OSError where that was a full disk, which ends the search."""
        trial = begun.trial
        if begun.hangs:
            begun.hangs = False
            return "an epoch took longer than search.epoch_minutes allows"
        told = trial.error_file is not None and Path(trial.error_file).is_file()
        reason = failure_reason(Path(trial.error_file).read_text() if told else "")
        if os.strerror(errno.ENOSPC) in reason or os.strerror(errno.EDQUOT) in reason:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return reason

    def _write_running(self) -> None:
        begun = {n: each.told() for n, each in self._begun.items() if n not in self._ended}
        used = self._usage or self._past.used
        trials = (*self._yet_to_go_on().values(), *begun.values())
        running = Running(trials=trials, wall_s=used.wall_s, gpu_s=used.gpu_s)
        write_running(self.folder.running, running, (text for _, text in self._ended.values()))
        self._written = time.monotonic()

    def _yet_to_go_on(self) -> dict[int, RunningTrial]:
        """Those that an earlier driver left, which have not begun again: they wait for their turn."""
        return {number: trial for number, trial in self._past.unfinished.items() if not self._is_known(number)}

    def _is_known(self, number: int) -> bool:
        return number in self._begun or (number in self.records and self.records[number].state != "interrupted")

    def write(self) -> None:
        write_results(self.folder.results, self.records.values(), sources=list(self.config.sources))

    def ranking(self) -> list[TrialRecord]:
        """Trials with a score, the best by the first objective first, those that trained to the end before others."""
        name = self.config.search.objectives[0]
        return ranked(self.records.values(), score(name, higher_is_better=direction(name) == "max"))

    @property
    def running(self) -> list[RunningTrial]:
        """The trials that have started and not ended, by their numbers. Any thread may ask."""
        return [begun.as_it_stands() for n, begun in sorted(list(self._begun.items())) if n not in self._ended]

    def _end(self, trial: Any, state: TrialState, reason: str | None) -> None:
        number, begun = trial.config["trial"], self._begin(trial)
        last = begun.told()
        record = self.records[number] = last.as_record(state, reason, begun.started)
        if begun.writer is not None and state != "interrupted":
            add_settings(begun.writer, record, self.config.search.space)
        begun.close()
        if state == "interrupted":
            return  # it stays among those that run, to be gone on with
        self._ended[number] = (trial, last.model_dump_json())
        self._settle(at_once=len(self.records) <= WRITTEN_AT_ONCE)

    def _settle(self, *, at_once: bool = False) -> None:
        """Write the table; nothing of a trial is removed before its record is there."""
        began = time.monotonic()
        if not self._ended or not (at_once or began >= self._table_due):
            return
        self.write()
        for number, (trial, _) in self._ended.items():
            del self._begun[number]
            self._note_checkpoint(trial, self.records[number])
        self._ended.clear()
        self._drop_checkpoints()
        self._write_running()
        ended = time.monotonic()
        self._table_due = ended + PAUSE * (ended - began)

    def _note_checkpoint(self, trial: Any, record: TrialRecord) -> None:
        """Its last one; what it needed to go on from is removed."""
        if trial.checkpoint is not None:
            self.checkpoints[record.trial] = trial.checkpoint
            self._saved.drop_beside(record.id, EARLIER, PAUSED)
            return
        self._saved.drop_beside(record.id, PAUSED)
        if record.trial in self._past.checkpoints:  # it ended before it came to one of its own
            self.checkpoints[record.trial] = self._past.checkpoints[record.trial]

    def _drop_checkpoints(self) -> None:
        """Remove the checkpoints of ended trials that neither lead the others nor are on the Pareto front."""
        if self._keep_all:
            return
        kept = {record.trial for record in (*leaders(self.ranking(), KEPT_CHECKPOINTS), *self.pareto())}
        for number in [number for number in self.checkpoints if number not in kept]:
            self.checkpoints.pop(number)
            self._saved.drop_all(self.records[number].id)

    def pareto(self) -> list[TrialRecord]:
        """Finished trials that no other finished one beats in every objective."""
        signs = {name: 1 if direction(name) == "min" else -1 for name in self.config.search.objectives}

        def point(record: TrialRecord) -> list[float] | None:
            if record.state != "finished" or not signs.keys() <= record.metrics.keys():
                return None
            return [sign * record.metrics[name] for name, sign in signs.items()]

        return pareto_set(self.records.values(), point)


def _numbers(result: dict[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in result.items() if isinstance(value, (int, float))}


def _only(result: Mapping[str, Any], names: Iterable[str]) -> dict[str, float]:
    return {name: float(result[name]) for name in names if isinstance(result.get(name), (int, float))}

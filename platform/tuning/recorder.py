"""What a search leaves behind while it runs: the results table, TensorBoard logs, and only the checkpoints that matter.

A Tune callback in the driver. It holds one TrialRecord a trial and writes the table anew whenever a trial ends, so a
killed search has lost no finished trial.
"""

import datetime
import math
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ray import tune
from tensorboardX import SummaryWriter

from platform.config.run import RunConfig
from platform.config.search import direction
from platform.results.pareto import pareto_set
from platform.results.record import TrialRecord, TrialState, write_results
from platform.results.run_folder import RunFolder
from platform.results.scores import shown
from platform.tuning.trial import trial_folder, trial_seed

CURVE = ("epoch", "steps", "train_loss", "distillation_loss", "mse", "ssim", "psnr")
METRICS = ("mse_openstl", "parameters", "seconds_per_clip", "train_loss", "distillation_loss")
KEPT_CHECKPOINTS = 3  # of the best trials by the first objective


class Recorder(tune.Callback):
    """Keeps `records` (by trial number) and writes them to the run folder."""

    def __init__(self, config: RunConfig, folder: RunFolder) -> None:
        self.config = config
        self.folder = folder
        self.records: dict[int, TrialRecord] = {}
        self.checkpoints: dict[int, Path] = {}
        self._writers: dict[int, SummaryWriter] = {}
        self._running: dict[int, list[dict[str, float]]] = {}
        self._trials: dict[int, Any] = {}  # Tune's own, of those that have started and not ended
        self._started: dict[int, datetime.datetime] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Tune pickles its callbacks; open files and live trials are not something to restore."""
        return {**self.__dict__, "_writers": {}, "_trials": {}}

    # what Tune calls

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        number = trial.config["trial"]
        self._started.setdefault(number, datetime.datetime.now(datetime.UTC))
        self._running.setdefault(number, [])
        self._trials[number] = trial

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        number = trial.config["trial"]
        self._running.setdefault(number, []).append(_only(result, CURVE))
        writer = self._writers.get(number)
        if writer is None:
            writer = self._writers[number] = SummaryWriter(str(self.folder.trial(trial_folder(trial))))
        for name, value in _scalars(result).items():
            writer.add_scalar(name, value, result["epoch"])

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        last = trial.last_result or {}
        if not last.get("epoch"):
            self._end(trial, "interrupted", "ended before its first epoch")
        elif last.get("last_epoch"):
            self._end(trial, "finished", None)
        else:
            self._end(trial, "stopped", f"stopped by ASHA after epoch {last['epoch']}: others did better by then")

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        written = trial.error_file is not None and Path(trial.error_file).is_file()
        self._end(trial, "failed", failure_reason(Path(trial.error_file).read_text() if written else ""))

    # what others ask

    def interrupt(self) -> None:
        """The search is over: trials that still run were interrupted. Writes the table, also where no trial began."""
        for number in [number for number in self._running if number not in self.records]:
            self._end(self._trials[number], "interrupted", "the search was interrupted while it ran")
        self.write()

    def write(self) -> None:
        write_results(self.folder.results, self.records.values(), sources=list(self.config.sources))

    def ranking(self) -> list[TrialRecord]:
        """Trials with a score, the best by the first objective first, those that trained to the end before others."""
        name = self.config.search.objectives[0]
        sign = 1 if direction(name) == "min" else -1
        scored = [r for r in self.records.values() if r.state in ("finished", "stopped") and name in r.metrics]
        return sorted(scored, key=lambda r: (r.state != "finished", sign * r.metrics[name]))

    @property
    def running(self) -> dict[int, list[dict[str, float]]]:
        """Learning curves of the trials that have started and not ended."""
        return self._running

    def _end(self, trial: Any, state: TrialState, reason: str | None) -> None:
        number, last = trial.config["trial"], trial.last_result or {}
        self._trials.pop(number, None)
        started = self._started.get(number)
        now = datetime.datetime.now(datetime.UTC)
        self.records[number] = TrialRecord(
            trial=number,
            id=trial_folder(trial),
            state=state,
            reason=reason,
            seed=trial.config.get("seed", trial_seed(self.config.search.seed, number)),
            settings=trial.config["settings"],
            metrics=_only(last, (*shown(last), *METRICS)),
            last_frame=_below("last_frame.", last),
            curve=tuple(self._running.pop(number, [])),
            epochs=int(last.get("epoch", 0)),
            started=started,
            duration_s=(now - started).total_seconds() if started else 0.0,
            memory=_below("memory.", last),
        )
        if (writer := self._writers.pop(number, None)) is not None:
            writer.close()
        if trial.checkpoint is not None:
            self.checkpoints[number] = Path(trial.checkpoint.path)
        self._drop_checkpoints()
        self.write()

    def _drop_checkpoints(self) -> None:
        """Remove the checkpoints of ended trials that are neither among the best nor on the Pareto front."""
        kept = {record.trial for record in self.ranking()[:KEPT_CHECKPOINTS]} | {r.trial for r in self.pareto()}
        for number in [number for number in self.checkpoints if number not in kept]:
            self.checkpoints.pop(number)
            for folder in self.folder.trial(self.records[number].id).glob("checkpoint_*"):
                shutil.rmtree(folder, ignore_errors=True)

    def pareto(self) -> list[TrialRecord]:
        """Finished trials that no other finished one beats in every objective."""
        signs = {name: 1 if direction(name) == "min" else -1 for name in self.config.search.objectives}

        def point(record: TrialRecord) -> list[float] | None:
            if record.state != "finished" or not signs.keys() <= record.metrics.keys():
                return None
            return [sign * record.metrics[name] for name, sign in signs.items()]

        return pareto_set(self.records.values(), point)


# How Python ends a traceback: "platform.training.run.TrainingDiverged: the loss became nan", "AssertionError". A name
# without a module must sound like an exception: Ray's own texts have lines such as "ip: 192.0.2.2".
_RAISED = re.compile(
    r"""^(?P<name> (?:[A-Za-z_]\w*\.)+ (?:<locals>\.)? [A-Z]\w*  |  [A-Z]\w*(?:Error|Exception|Interrupt|Exit|Warning) )
        (?: :\s(?P<message>.+) )?$""",
    re.VERBOSE,
)
# Of a process that ended without a word. Tune keeps only the texts of these (Ray 2.60: "The actor died unexpectedly
# before finishing this task. ... The actor is dead because its worker process has died."), not their names.
_DIED = re.compile(
    r"actor died unexpectedly|worker died|worker process has died|node has died|node running low on memory"
    r"|ray\.exceptions\.(?:ActorDiedError|RayActorError|WorkerCrashedError|NodeDiedError|OutOfMemoryError)",
)
DIED = "its process died (killed, or out of memory)"


def failure_reason(traceback: str) -> str:
    """What the trial itself raised, in one line, out of the traceback that Ray wrapped it in.

    Or that its process died, which leaves nothing behind but Ray's guesses.
    """
    lines = [line.strip() for line in traceback.splitlines() if line.strip()]
    raised = [match for line in lines if (match := _RAISED.match(line))]
    if raised and not _DIED.match(raised[-1]["name"]):
        return raised[-1]["message"] or raised[-1]["name"]
    if _DIED.search(traceback):
        return DIED
    return (lines or ["no reason was recorded"])[-1]


def _only(result: dict[str, Any], names: Sequence[str]) -> dict[str, float]:
    return {name: float(result[name]) for name in names if isinstance(result.get(name), (int, float))}


def _below(prefix: str, result: dict[str, Any]) -> dict[str, float]:
    return {key.removeprefix(prefix): float(value) for key, value in result.items() if key.startswith(prefix)}


def _scalars(result: dict[str, Any]) -> dict[str, float]:
    """TensorBoard's names: what it is, and on which clips."""
    named = {f"validation/{name}": result[name] for name in shown(result)}
    named |= {f"train/{name}": result[name] for name in ("train_loss", "distillation_loss") if name in result}
    named |= {f"time/{name}": result[name] for name in ("train_s", "validate_s") if name in result}
    named |= {key.replace(".", "/"): value for key, value in result.items() if key.startswith("memory.")}
    return {name: value for name, value in named.items() if math.isfinite(value)}

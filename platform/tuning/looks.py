"""The best targets of a run looked at closely, by the run's own workers: `trials/<id>/look.npz`."""

from collections.abc import Sequence

import ray
import torch
from ray.tune import Checkpoint
from rich.console import Console
from rich.progress import Progress
from safetensors.torch import load_file

from platform.config.trial import TrialSettings
from platform.inspection.looking import Looked, best_median_worst, look_at
from platform.results.look import Look, read_look, write_look
from platform.results.ranking import leaders
from platform.results.record import TrialRecord
from platform.results.run_folder import RunFolder
from platform.training.checkpoint import WEIGHTS
from platform.training.precision import Computing
from platform.tuning.cluster.roster import Roster
from platform.tuning.keeping.board import add_look
from platform.tuning.keeping.recorder import Recorder
from platform.tuning.trials.checkpoints import opened
from platform.tuning.trials.target import TargetPlan

MOST_LOOKS = 4


def look_at_best(plan: TargetPlan, roster: Roster, folder: RunFolder, recorder: Recorder, console: Console) -> None:
    """At the leading trials that have weights, all on the clips that the best of them predicts best, as its median, and
    worst. A search does not fail by it: what went wrong is among its incidents."""
    there = [record for record in recorder.ranking() if record.trial in recorder.checkpoints]
    records = leaders(there, MOST_LOOKS)
    if not records:
        return
    threads = plan.config.resources.threads_per_trial
    task = ray.remote(max_retries=2, **roster.of_task())(_look)

    def begin(record: TrialRecord, kept: Sequence[int] | None) -> "ray.ObjectRef[tuple[Look, list[int]]]":
        return task.remote(plan, record, recorder.checkpoints[record.trial], kept, threads)

    def end(record: TrialRecord, look: Look) -> None:
        write_look(folder.look(record.id), look)
        bar.advance(shown)

    with Progress(console=console, transient=True) as bar:
        shown = bar.add_task("looking at the best trials", total=len(records))
        try:
            first, kept = ray.get(begin(records[0], None))
            end(records[0], first)
            waiting = {begin(record, kept): record for record in records[1:]}
            while waiting:
                (ready,), _ = ray.wait(list(waiting), num_returns=1)
                end(waiting.pop(ready), ray.get(ready)[0])
            for record in records:
                add_look(folder.trial(record.id), read_look(folder.look(record.id)), record.epochs)
        except ray.exceptions.RayError as error:
            told = str(error).strip().splitlines()
            recorder.journal.note("look", f"the best trials could not be looked at: {told[-1] if told else 'unknown'}")


def _look(
    plan: TargetPlan, record: TrialRecord, checkpoint: Checkpoint, kept: Sequence[int] | None, threads: int
) -> tuple[Look, list[int]]:
    """What is seen, and the numbers of the clips whose frames are kept."""
    torch.set_num_threads(threads)
    device = torch.device("cuda" if ray.get_gpu_ids() and torch.cuda.is_available() else "cpu")
    benchmark, config = plan.benchmark(), plan.config
    network, _ = plan.build(TrialSettings.model_validate(record.settings), record.seed, benchmark.channels)
    with opened(checkpoint) as saved:
        network.load_state_dict(load_file(saved / WEIGHTS))
    network.drop_teachers()
    looked = Looked(
        network.to(device).eval(),
        benchmark.blocks("validation"),
        config.benchmark.input_length,
        device,
        Computing.of(config.training, device, operations=0),
        thresholds=config.benchmark.thresholds,
    )
    numbers = best_median_worst(looked.mse()) if kept is None else list(kept)
    return look_at(looked, trial=record.trial, benchmark=benchmark.label, kept=numbers), numbers

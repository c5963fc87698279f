"""The best targets of a run looked at closely, by the run's own workers: `trials/<id>/look.npz`."""

from pathlib import Path

import ray
import torch
from rich.console import Console
from rich.progress import Progress
from safetensors.torch import load_file

from platform.config.trial import TrialSettings
from platform.inspection.looking import Looked, best_median_worst, look_at
from platform.results.look import read_look, write_look
from platform.results.record import TrialRecord
from platform.results.run_folder import RunFolder
from platform.training.checkpoint import WEIGHTS
from platform.training.precision import Computing
from platform.tuning.board import add_look
from platform.tuning.recorder import Recorder
from platform.tuning.resources import TrialResources
from platform.tuning.target import TargetPlan

MOST_LOOKS = 3


def look_at_best(
    plan: TargetPlan, resources: TrialResources, folder: RunFolder, recorder: Recorder, console: Console
) -> None:
    """At the best trials that have weights, all on the clips that the best of them predicts best, as its median, and
    worst. A search does not fail by it: what went wrong is among its incidents."""
    records = [record for record in recorder.ranking() if record.trial in recorder.checkpoints][:MOST_LOOKS]
    if not records:
        return
    threads = plan.config.resources.threads_per_trial
    task = ray.remote(num_cpus=resources.cpus, num_gpus=resources.gpus, max_retries=2)(_look)
    folder = RunFolder(folder.path.absolute())

    def begin(record: TrialRecord, kept: list[int] | None) -> "ray.ObjectRef[list[int]]":
        path = folder.look(record.id)
        return task.remote(plan, record, recorder.checkpoints[record.trial], kept, threads, path)

    with Progress(console=console, transient=True) as bar:
        shown = bar.add_task("looking at the best trials", total=len(records))
        try:
            kept = ray.get(begin(records[0], None))
            bar.advance(shown)
            waiting = [begin(record, kept) for record in records[1:]]
            while waiting:
                ready, waiting = ray.wait(waiting)
                ray.get(ready)
                bar.advance(shown)
            for record in records:
                add_look(folder.trial(record.id), read_look(folder.look(record.id)), record.epochs)
        except ray.exceptions.RayError as error:
            told = str(error).strip().splitlines()
            recorder.journal.note("look", f"the best trials could not be looked at: {told[-1] if told else 'unknown'}")


def _look(
    plan: TargetPlan, record: TrialRecord, checkpoint: Path, kept: list[int] | None, threads: int, path: Path
) -> list[int]:
    torch.set_num_threads(threads)
    device = torch.device("cuda" if ray.get_gpu_ids() and torch.cuda.is_available() else "cpu")
    benchmark, config = plan.benchmark(), plan.config
    network, _ = plan.build(TrialSettings.model_validate(record.settings), record.seed, benchmark.channels)
    network.load_state_dict(load_file(checkpoint / WEIGHTS))
    network.drop_teachers()
    looked = Looked(
        network.to(device).eval(),
        benchmark.blocks("validation"),
        config.benchmark.input_length,
        device,
        Computing.of(config.training, device, operations=0),
    )
    kept = best_median_worst(looked.mse()) if kept is None else kept
    write_look(path, look_at(looked, trial=record.trial, benchmark=benchmark.label, kept=kept))
    return kept

"""The same trials as a user of the public code would run them: plain Ray Tune, and every trial runs its own sources.

A trial is the released step in float32 on one thread, over the same batches in the same order. Workers are reused,
clips are read ahead and validated on as in ours; checkpoints, which ours write, are left out.
"""

import time
from pathlib import Path
from typing import Any

import ray
import torch
from ray import tune

from platform.bank.bank import Bank
from platform.config.errors import UserError
from platform.config.trial import TrialSettings
from platform.measure.released_step import ReleasedStep
from platform.training.evaluation import evaluate
from platform.training.sampling import truth_mask
from platform.training.stream import ClipStream
from platform.tuning.cluster.resources import TrialResources
from platform.tuning.comparison import Job
from platform.tuning.trials.target import TargetPlan


class PlainTrial(tune.Trainable):
    """Config: `job`, its number. One step is one epoch."""

    def setup(self, config: dict[str, Any], plan: TargetPlan, jobs: list[Job], threads: int) -> None:
        torch.set_num_threads(threads)
        self._plan, self._jobs = plan, jobs
        self._begin(jobs[config["job"]])

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._begin(self._jobs[new_config["job"]])
        return True

    def _begin(self, job: Job) -> None:
        plan = self._plan
        settings, benchmark = TrialSettings.model_validate(job.settings), plan.benchmark()
        self._seed, self._steps = job.seed, 0
        self._device = "cuda" if ray.get_gpu_ids() and torch.cuda.is_available() else "cpu"
        self._network = plan.build(settings, job.seed, benchmark.channels)[0].to(self._device)
        bank = Bank(plan.home.bank)
        sources = [bank.load(plan.entries[name]).to(self._device) for name in settings.sources]
        self._plain = ReleasedStep(self._network, sources, settings.learning_rate)
        clips, self._validation = benchmark.blocks("train"), benchmark.blocks("validation")
        self._stream = ClipStream(clips, plan.config.training, order_seed=plan.config.search.seed, device=self._device)

    def step(self) -> dict[str, Any]:
        training, benchmark = self._plan.config.training, self._plan.config.benchmark
        total_steps = training.epochs * self._stream.steps_per_epoch
        for batch in self._stream.epoch(self.iteration):
            B, T = batch.frames.shape[:2]
            shown, mask = truth_mask(
                training.sampling, self._steps / total_steps, B, T, benchmark.input_length, (self._seed, self._steps)
            )
            self._plain.step(batch.frames, shown, None if mask is None else torch.from_numpy(mask).to(self._device))
            self._steps += 1
        self._network.load_state_dict(self._plain.weights)
        scores = evaluate(self._network, self._validation, benchmark.input_length, self._device).scores
        return {"mse": scores["mse"], "done": self.iteration + 1 >= training.epochs}


def plain_search(
    plan: TargetPlan, jobs: list[Job], folder: Path, resources: TrialResources
) -> tuple[float, list[float]]:
    """Seconds of the whole search on the Ray that is initialised, and each trial's mse; `resources` are ours.

    Raises UserError where a trial fails, KeyboardInterrupt where the user ends it.
    """
    trainable = tune.with_parameters(PlainTrial, plan=plan, jobs=jobs, threads=plan.config.resources.threads_per_trial)
    tuner = tune.Tuner(
        tune.with_resources(trainable, resources.of_ray),
        param_space={"job": tune.grid_search(list(range(len(jobs))))},
        tune_config=tune.TuneConfig(max_concurrent_trials=resources.at_once, reuse_actors=True),
        run_config=tune.RunConfig(
            name="plain",
            storage_path=str(folder.absolute()),
            verbose=0,
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
        ),
    )
    began = time.perf_counter()
    results = tuner.fit()
    wall_s = time.perf_counter() - began
    if results.errors:
        raise UserError(f"a trial under plain Tune failed: {str(results.errors[0]).strip().splitlines()[-1]}")
    ended = {result.config["job"]: result.metrics for result in results if result.config and result.metrics}
    if len(ended) < len(jobs) or not all(metrics["done"] for metrics in ended.values()):
        raise KeyboardInterrupt
    return wall_s, [ended[number]["mse"] for number in range(len(jobs))]

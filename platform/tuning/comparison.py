"""Named settings trained side by side: the same clips, the same steps, the same seeds. Nothing is chosen.

What a paper's table is made of. Each (setting, seed) is one trial; they share memory servers and the recorder with a
search, so every learning curve is kept.
"""

from dataclasses import dataclass
from typing import Any

from ray.tune.search import Searcher
from rich.console import Console

from platform.config.home import Home
from platform.config.run import RunConfig
from platform.results.run_folder import RunFolder
from platform.tuning.search_run import run_trials, was_interrupted
from platform.tuning.stage import stage


@dataclass(frozen=True)
class Job:
    """One trial of a comparison."""

    name: str
    seed: int
    settings: dict[str, Any]


class GivenTrials(Searcher):
    """Suggests a list of jobs, each once, in their order."""

    def __init__(self, jobs: list[Job]) -> None:
        super().__init__(metric="mse", mode="min")
        self._jobs = jobs
        self._next = 0

    def suggest(self, trial_id: str) -> Any:
        if self._next == len(self._jobs):
            return Searcher.FINISHED
        job, number = self._jobs[self._next], self._next
        self._next += 1
        return {"trial": number, "settings": job.settings, "seed": job.seed}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Nothing is learned from one trial for the next."""

    def save(self, checkpoint_path: str) -> None:
        """A comparison that was broken off starts anew: nothing to save."""

    def restore(self, checkpoint_path: str) -> None:
        """See `save`."""


def jobs_of(config: RunConfig) -> list[Job]:
    """Seed by seed, so that a comparison that is broken off has whole seeds of every setting."""
    return [
        Job(name, seed, settings.model_dump(mode="json"))
        for seed in range(config.compare.seeds)
        for name, settings in config.compare.settings.items()
    ]


def run_comparison(config: RunConfig, folder: RunFolder, home: Home, console: Console) -> bool:
    """Train every setting with every seed; the run folder then holds the records. Was it the user who ended it?"""
    jobs = jobs_of(config)
    with stage(config, folder, home, console) as (plan, resources):
        recorder = run_trials(plan, folder, resources, console, searcher=GivenTrials(jobs), num_trials=len(jobs))
    return was_interrupted(recorder, len(jobs))

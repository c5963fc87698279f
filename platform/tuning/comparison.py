"""Named settings trained side by side: the same clips, the same steps, the same seeds. Nothing is chosen.

What a paper's table is made of. Each (setting, seed) is one trial; they share memory servers and the recorder with a
search, so every learning curve is kept.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ray.tune.search import Searcher
from rich.console import Console

from platform.config.home import Home
from platform.config.run import RunConfig
from platform.results.run_folder import RunFolder
from platform.tuning.begun import Begun
from platform.tuning.keeping.made_with import RunProvenance
from platform.tuning.keeping.recorder import Recorder
from platform.tuning.search_run import Ending, how_it_ended, run_trials
from platform.tuning.stage import stage
from platform.tuning.trials.resuming import Past, take_over
from platform.tuning.trials.usage import WindDown


@dataclass(frozen=True)
class Job:
    """One trial of a comparison."""

    name: str
    seed: int
    settings: dict[str, Any]


class GivenTrials(Searcher):
    """Suggests a list of jobs, each once, in their order; those that an earlier driver ended are left out."""

    def __init__(self, jobs: list[Job], past: Past | None = None, wind_down: WindDown | None = None) -> None:
        super().__init__(metric="mse", mode="min")
        self._jobs = jobs
        self._past = past or Past()
        self._left = deque(number for number in range(len(jobs)) if number not in self._past.ended)
        self._wind_down = wind_down

    def suggest(self, trial_id: str) -> Any:
        if not self._left or (self._wind_down is not None and self._wind_down.has_begun):
            return Searcher.FINISHED
        number = self._left.popleft()
        job, checkpoint = self._jobs[number], self._past.checkpoints.get(number)
        return {
            "trial": number,
            "settings": job.settings,
            "seed": job.seed,
            "checkpoint": None if checkpoint is None else checkpoint.path,
        }

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Nothing is learned from one trial for the next."""

    def save(self, checkpoint_path: str) -> None:
        """Nothing: a run folder tells what has ended."""

    def restore(self, checkpoint_path: str) -> None:
        """See `save`."""


def jobs_of(config: RunConfig) -> list[Job]:
    """Seed by seed, so that a comparison that is broken off has whole seeds of every setting."""
    return [
        Job(name, seed, settings.model_dump(mode="json"))
        for seed in range(config.compare.seeds)
        for name, settings in config.compare.settings.items()
    ]


def run_comparison(
    config: RunConfig,
    folder: RunFolder,
    home: Home,
    console: Console,
    *,
    resumed: bool = False,
    same_as: RunProvenance | None = None,
    keep_all: bool = False,
    when_whole: Callable[[Begun, Recorder], None] | None = None,
) -> Ending:
    """Train every setting with every seed; the run folder then holds the records.

    `resumed`: what ended there is kept, and what ran goes on. `same_as`: what another run was made of, whose clips and
    sources are used. `when_whole` is called when all have ended, with their checkpoints where `keep_all` says so.
    """
    jobs, past = jobs_of(config), take_over(folder, config) if resumed else Past()
    with stage(config, folder, home, console, past, same_as=same_as) as begun:
        searcher = GivenTrials(jobs, past, begun.wind_down)
        recorder = run_trials(
            begun, folder, console, searcher=searcher, num_trials=len(jobs), past=past, keep_all=keep_all
        )
        ended = how_it_ended(recorder, begun, len(jobs))
        if ended == "whole" and when_whole is not None:
            when_whole(begun, recorder)
        return ended

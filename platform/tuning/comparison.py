"""Named settings trained side by side: the same clips, the same steps, the same seeds. Nothing is chosen.

What a paper's table is made of. Each (setting, seed) is one trial; they share memory servers and the recorder with a
search, so every learning curve is kept.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from ray.tune.search import Searcher
from rich.console import Console
from rich.table import Table
from scipy import stats

from platform.config.home import Home
from platform.config.run import RunConfig
from platform.config.training import TrainingConfig
from platform.results.record import TrialRecord
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


def run_comparison(
    config: RunConfig, folder: RunFolder, home: Home, console: Console
) -> tuple[dict[str, list[TrialRecord]], bool]:
    """Train every setting with every seed; returns the records by setting, and whether the user interrupted."""
    jobs = jobs_of(config)
    with stage(config, folder, home, console) as (plan, resources):
        recorder = run_trials(plan, folder, resources, console, searcher=GivenTrials(jobs), num_trials=len(jobs))
    by_name: dict[str, list[TrialRecord]] = {name: [] for name in config.compare.settings}
    for number, record in sorted(recorder.records.items()):
        by_name[jobs[number].name].append(record)
    return by_name, was_interrupted(recorder, len(jobs))


def mean_and_interval(values: list[float]) -> tuple[float, float | None]:
    """Mean and half the width of its 95 % interval (Student's t); None for the latter below two values."""
    if len(values) < 2:
        return float(np.mean(values)), None
    half = stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values))
    return float(np.mean(values)), float(half)


def comparison_rows(by_name: dict[str, list[TrialRecord]], training: TrainingConfig) -> list[dict[str, Any]]:
    """A row a setting: number of seeds, and mean and interval of each score at the end of training.

    `levelled_off` is None where it cannot be told: under a learning rate that falls to 0 every curve ends flat.
    """
    rows = []
    for name, records in by_name.items():
        finished = [record for record in records if record.state == "finished"]
        row: dict[str, Any] = {"setting": name, "n": len(finished), "failed": len(records) - len(finished)}
        for score in ("mse", "ssim", "psnr"):
            values = [record.metrics[score] for record in finished if score in record.metrics]
            if values:
                row[score], row[f"{score}_interval"] = mean_and_interval(values)
        row["seconds"] = float(np.mean([record.duration_s for record in finished])) if finished else None
        row["parameters"] = finished[0].metrics.get("parameters") if finished else None
        if finished:
            row["last_frame_mse"] = finished[0].last_frame.get("mse")
            row["levelled_off"] = _levelled_off(finished) if training.schedule == "constant" else None
        rows.append(row)
    return rows


def _levelled_off(records: list[TrialRecord]) -> bool | None:
    """Did the mean curve gain less than 2 % in its last fifth? Else longer training may change the order."""
    curves = [[point["mse"] for point in record.curve] for record in records]
    if min(map(len, curves)) < 5:
        return None
    mean = np.mean(curves, axis=0)
    return bool(mean[-1 - len(mean) // 5] - mean[-1] < 0.02 * mean[-1])


def comparison_table(rows: list[dict[str, Any]], label: str) -> Table:
    """For the terminal: mean ± half of the 95 % interval."""
    table = Table("setting", "n", "mse", "ssim", "psnr", "levelled off", "weights", "s a run", box=None)
    table.title, table.title_justify, table.header_style = f"validation clips of {label}", "left", "bold"
    for row in rows:
        scores = [_text(row.get(score), row.get(f"{score}_interval"), digits) for score, digits in _DIGITS.items()]
        settled = {True: "yes", False: "no"}.get(row.get("levelled_off", None), "cannot tell")  # type: ignore[arg-type]
        weights = f"{row['parameters']:,.0f}" if row["parameters"] else ""
        table.add_row(row["setting"], str(row["n"]), *scores, settled, weights, f"{row['seconds'] or 0:.0f}")
    return table


_DIGITS = {"mse": 2, "ssim": 4, "psnr": 2}


def _text(mean: float | None, interval: float | None, digits: int) -> str:
    if mean is None:
        return "-"
    return f"{mean:.{digits}f}" + (f" ± {interval:.{digits}f}" if interval is not None else "")

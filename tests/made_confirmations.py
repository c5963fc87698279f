"""Confirmed searches that were never run: a folder whose tested errors have a known truth."""

from collections.abc import Mapping

import numpy as np
import yaml

from platform.config.trial import TrialSettings
from platform.results.confirm_plan import ConfirmPlan, PlannedSetting, Role
from platform.results.confirmed import Confirmed, read_confirmed
from platform.results.record import TrialRecord, write_results
from platform.results.run_folder import RunFolder
from platform.results.scores import NARROW
from platform.results.summary import RunSummary
from platform.results.tested import TestedTrial, write_tested_table

NUM_CLIPS, NUM_SEEDS = 60, 4


def confirm(
    search: RunFolder,
    means: dict[str, tuple[Role, list[str], float]],
    *,
    seeds: int = NUM_SEEDS,
    starts: Mapping[str, str] | None = None,
) -> Confirmed:
    """Each setting with its role, its sources and the mean of its errors; validation is lower by 1."""
    folder = RunFolder(search.confirm)
    folder.path.mkdir()
    folder.config.write_text(yaml.safe_dump({"name": "kth", "compare": {"seeds": NUM_SEEDS}}))
    planned = []
    for name, (role, sources, _) in means.items():
        settings = TrialSettings(sources=tuple(sources), start=(starts or {}).get(name, "scratch"))
        if role == "control":
            settings = settings.model_copy(update={"distil": settings.distil.model_copy(update={"weight": 0.0})})
        trial = int(name.rpartition("_")[2]) if name.startswith("trial_") else 3
        told = settings.model_dump(mode="json")
        planned.append(PlannedSetting(name=name, role=role, trial=trial, settings=told))
    folder.confirm_plan.write_text(
        ConfirmPlan(settings=tuple(planned), left_out={"control": "of frames"}).model_dump_json()
    )
    generator = np.random.default_rng(0)
    hard = generator.normal(0, 5, NUM_CLIPS)  # some clips are harder, for all
    records, tested = [], []
    for number in range(len(planned) * seeds):
        setting, seed = planned[number % len(planned)], number // len(planned)
        mean = means[setting.name][2]
        values = mean + hard + generator.normal(0, 0.5, NUM_CLIPS) + generator.normal(0, 0.2)
        records.append(
            TrialRecord(
                trial=number,
                id=f"{number:05d}",
                state="finished",
                seed=seed,
                settings=setting.settings,
                metrics={"mse": mean - 1, "parameters": 1000.0},
                duration_s=60,
            )
        )
        each = TestedTrial(
            trial=number,
            setting=setting.name,
            seed=seed,
            benchmark="kth (synthetic)",
            synthetic=True,
            clips=tuple(f"v{clip // 3}@{clip % 3}" for clip in range(NUM_CLIPS)),
            per_clip={"mse": tuple(values.tolist())},
            scores={"mse": float(values.mean())},
            last_frame={"mse": 50.0},
            seconds_per_clip=0.01,
        )
        tested.append(each)
        path = folder.tested(records[-1].id)
        path.parent.mkdir(parents=True)
        path.write_text(each.model_dump_json())
    write_results(folder.results, records)
    write_tested_table(search.confirmed, tested)
    confirmed = read_confirmed(RunSummary.read(search.path))
    assert confirmed is not None
    return confirmed


def plain(text: str) -> str:
    """With common spaces."""
    return text.replace(NARROW, " ")

"""What an earlier run found out, told to a new one's study: trials of the past, by the new space's parameters."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from pydantic import ValidationError

from platform.config.resolved import differences, load_resolved, settled_as
from platform.config.run import RunConfig
from platform.config.search import direction
from platform.config.trial import TrialSettings
from platform.results.record import TrialRecord, read_results
from platform.results.run_folder import RunFolder
from platform.tuning.keeping.made_with import SHORT, RunProvenance, read_provenance
from platform.tuning.keeping.same_data import TRAINED_ON
from platform.tuning.study.space import SettingsSpace

WARM = "warm_start"  # the attribute by which a study knows such trials: run and number
COMPARABLE = ("benchmark.", "network.", "training.")  # runs that agree in these have comparable scores
HIGHEST_PSNR = 100.0  # dB; 8-bit frames that differ in one pixel of a million have 108
MOST_TRIED_FIRST = 5


@dataclass(frozen=True)
class WarmStart:
    """Finished trials that this space could have drawn: with their scores, or, where these are of another scale, the
    best of them to be tried first. `said` tells the user which."""

    told: tuple[optuna.trial.FrozenTrial, ...]
    tried_first: tuple[dict[str, Any], ...]
    said: str

    @classmethod
    def read(cls, run: Path, config: RunConfig, now: RunProvenance) -> "WarmStart":
        """`now`: what the run that begins is made of. Raises UserError where `run` is none that can be read."""
        folder, space = RunFolder(run), SettingsSpace(config.search.space, config.trial)
        earlier, then = load_resolved(folder.config), read_provenance(folder)
        finished = [record for record in read_results(folder.results) if record.state == "finished"]
        drawn = []
        for record in finished:
            same_sources = all(
                earlier.sources.get(name) == config.sources.get(name)
                and _weights(then, name) is not None
                and _weights(then, name) == _weights(now, name)
                for name in record.source_columns()
            )
            if same_sources and (trial := _recalled(space, record)) is not None:
                drawn.append((record, trial))
        unlike = [
            line for line in differences(settled_as(earlier, config), earlier) if line.startswith(COMPARABLE)
        ] + _unlike_clips(then, now)
        overlap = f"{len(drawn)} of {len(finished)} finished trials of {run} overlap with this search"
        if unlike:
            best = _best_first(drawn, earlier)[:MOST_TRIED_FIRST]
            first = tuple(dict(trial.params) for _, trial in best)
            why = f"their scores are of another scale ({'; '.join(unlike[:3])})"
            return cls((), first, f"{overlap}; {why}, so the best {len(first)} are tried first")
        told = tuple(_told(run, record, trial, config.search.objectives) for record, trial in drawn)
        whole = tuple(trial for trial in told if trial is not None)
        return cls(whole, (), f"{overlap}; its study begins with {len(whole)} of them")


def check_warm_start(run: Path) -> None:
    """Before anything costly begins. Raises UserError where `run` is no run folder that can be read."""
    folder = RunFolder(run)
    load_resolved(folder.config)
    read_provenance(folder)
    read_results(folder.results)


def _recalled(space: SettingsSpace, record: TrialRecord) -> optuna.trial.FixedTrial | None:
    """None for settings that this space, or this release, does not know."""
    try:
        return space.recall(TrialSettings.model_validate(record.settings))
    except ValidationError:
        return None


def _weights(provenance: RunProvenance, source: str) -> str | None:
    used = provenance.sources.get(source)
    return None if used is None else used.weights_sha256


def _unlike_clips(then: RunProvenance, now: RunProvenance) -> list[str]:
    return [
        f"{split} clips: {now.fingerprints.get(split, 'unknown')[:SHORT]} here, "
        f"{then.fingerprints.get(split, 'unknown')[:SHORT]} there"
        for split in TRAINED_ON
        if split not in now.fingerprints or now.fingerprints[split] != then.fingerprints.get(split)
    ]


def told_value(name: str, value: Any) -> Any:
    """Identical frames have an infinite psnr, which is good and no fault; a sampler needs a number."""
    return min(value, HIGHEST_PSNR) if name == "psnr" and isinstance(value, (int, float)) else value


def are_numbers(values: Sequence[Any]) -> bool:
    return all(isinstance(value, (int, float)) and math.isfinite(value) for value in values)


def _told(
    run: Path, record: TrialRecord, trial: optuna.trial.FixedTrial, objectives: Sequence[str]
) -> optuna.trial.FrozenTrial | None:
    values = [told_value(name, record.metrics.get(name)) for name in objectives]
    if not are_numbers(values):
        return None
    return optuna.trial.create_trial(
        params=trial.params,
        distributions=trial.distributions,
        values=values,
        user_attrs={WARM: f"{run.resolve().name}/{record.trial}"},
    )


def _best_first(
    drawn: list[tuple[TrialRecord, optuna.trial.FixedTrial]], earlier: RunConfig
) -> list[tuple[TrialRecord, optuna.trial.FixedTrial]]:
    name = earlier.search.objectives[0]
    sign = 1 if direction(name) == "min" else -1
    scored = [each for each in drawn if are_numbers([each[0].metrics.get(name)])]
    return sorted(scored, key=lambda each: sign * each[0].metrics[name])

"""Which settings mattered, from the study that Optuna kept. Read only: a running search is not disturbed.

fANOVA and not Optuna's default (PED-ANOVA, which looks at the top tenth: one or two of a search's trials). It
says which share of the differences between scores a setting explains, over the settings that every trial has.
"""

import math
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from platform.results.run_folder import RunFolder

MIN_TRIALS = 8
ROUGH_BELOW = 30


@dataclass(frozen=True)
class Importances:
    """`shares` by setting, largest first, summing to 1; empty where `why_not` says why there are none."""

    shares: dict[str, float]
    num_trials: int
    why_not: str | None = None


def importances(folder: RunFolder) -> Importances:
    """Of the study's first objective. Stopped and failed trials are left out: their scores are no end scores."""
    if not folder.study.is_file():
        return Importances({}, 0, "The study (study.db) is not there.")
    import optuna
    from sqlalchemy.exc import SQLAlchemyError

    url = f"sqlite:///file:{quote(str(folder.study.resolve()))}?mode=ro&uri=true"
    try:
        storage = optuna.storages.RDBStorage(url, skip_table_creation=True)
        names = optuna.get_all_study_names(storage)
        study = optuna.load_study(study_name=names[0], storage=storage) if names else None
        trials = study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,)) if study else []
    except (SQLAlchemyError, optuna.exceptions.OptunaError, RuntimeError, ValueError, KeyError):
        return Importances({}, 0, "The study (study.db) cannot be read as one that Optuna stored.")
    if study is None or len(trials) < MIN_TRIALS:
        return Importances(
            {}, len(trials), f"Too few finished trials to tell: {len(trials)}, at least {MIN_TRIALS} needed."
        )

    def first_objective(trial: Any) -> float:
        return float(trial.values[0])

    scores = [first_objective(trial) for trial in trials]
    if len({value for value in scores if math.isfinite(value)}) < 2:
        return Importances({}, len(trials), "All finished trials have the same score, so no setting made a difference.")
    shares = optuna.importance.get_param_importances(
        study, evaluator=optuna.importance.FanovaImportanceEvaluator(seed=0), target=first_objective
    )
    if not any(shares.values()):
        return Importances({}, len(trials), "No setting differs between all the finished trials.")
    return Importances({name: share for name, share in shares.items() if share > 0}, len(trials))

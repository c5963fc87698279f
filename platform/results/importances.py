"""Which settings mattered, from the study that Optuna kept. Read only: a running search is not disturbed.

fANOVA and not Optuna's default (PED-ANOVA, which looks at the top tenth: one or two of a search's trials). It
says which share of the differences between scores a setting explains, over the settings that every trial has.
"""

import math
import sqlite3
from dataclasses import dataclass
from typing import Any

from platform.config.errors import UserError
from platform.results.read_study import read_storage
from platform.results.run_folder import RunFolder
from platform.results.shared_study import read_shared_study

MIN_TRIALS = 8
ROUGH_BELOW = 30
MOST_NUMBERS = 20_000_000  # that fANOVA puts into a table: a setting of each trial, or a choice of a setting

# What Optuna raises over a database that it did not write, besides errors of its own and of SQL.
_ODD = (RuntimeError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError, MemoryError, sqlite3.Error)


@dataclass(frozen=True)
class Importances:
    """`shares` by setting, largest first, summing to 1; empty where `why_not` says why there are none."""

    shares: dict[str, float]
    num_trials: int
    why_not: str | None = None


def importances(folder: RunFolder) -> Importances:
    """Of the study's first objective. Stopped and failed trials are left out: their scores are no end scores."""
    shared = read_shared_study(folder)
    if shared is None and not folder.study.is_file():
        return Importances({}, 0, "The study (study.db) is not there.")
    import optuna
    from sqlalchemy.exc import SQLAlchemyError

    where = "study.db" if shared is None else f"in the database of {shared.storage}"
    try:
        storage, name = read_storage(folder)
        study = optuna.load_study(study_name=name, storage=storage)
        trials = study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))
        scores = [float(trial.values[0]) for trial in trials]
        num_numbers = len(trials) * max((_width(trial) for trial in trials), default=0)
    except FileNotFoundError:
        return Importances({}, 0, f"The study ({where}) holds nothing yet.")
    except UserError as error:
        return Importances({}, 0, f"The study ({where}) is not read: {error}")
    except (SQLAlchemyError, optuna.exceptions.OptunaError, *_ODD):
        return Importances({}, 0, f"The study ({where}) cannot be read as one that Optuna stored.")
    if len(trials) < MIN_TRIALS:
        return Importances(
            {}, len(trials), f"Too few finished trials to tell: {len(trials)}, at least {MIN_TRIALS} needed."
        )
    if num_numbers > MOST_NUMBERS:
        return Importances({}, len(trials), "The study is too large to tell.")
    if len({value for value in scores if math.isfinite(value)}) < 2:
        return Importances({}, len(trials), "All finished trials have the same score, so no setting made a difference.")
    try:
        evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
        shares = optuna.importance.get_param_importances(
            study, evaluator=evaluator, target=lambda trial: float(trial.values[0])
        )
    except _ODD:
        return Importances({}, len(trials), f"The study ({where}) has settings that no search draws.")
    if not any(shares.values()):
        return Importances({}, len(trials), "No setting differs between all the finished trials.")
    return Importances({name: share for name, share in shares.items() if share > 0}, len(trials))


def _width(trial: Any) -> int:
    """Numbers of a trial in fANOVA's table, where each choice of a setting has one."""
    return sum(len(getattr(drawn, "choices", "1")) for drawn in trial.distributions.values())

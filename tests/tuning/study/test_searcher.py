"""The study is told the truth: finished is complete, stopped is pruned, failed or undefined is failed."""

from pathlib import Path

import optuna
import pytest

from platform.config.search import SearchConfig
from platform.config.space import Parameter
from platform.config.trial import TrialSettings
from platform.tuning.study.searcher import TrialSearcher
from platform.tuning.study.space import SettingsSpace

RATE = Parameter.model_validate({"float": [1e-4, 1e-2], "log": True})


def searcher(tmp_path: Path, **search: object) -> tuple[TrialSearcher, optuna.Study]:
    storage = optuna.storages.RDBStorage(f"sqlite:///{tmp_path}/study.db")
    config = SearchConfig.model_validate({"trials": 4, "startup_trials": 1, **search})
    made = TrialSearcher(SettingsSpace({"learning_rate": RATE}, TrialSettings()), config, storage)
    return made, optuna.load_study(study_name="search", storage=storage)


@pytest.mark.parametrize(
    ("result", "error", "state"),
    [
        ({"mse": 1.0, "epoch": 3, "last_epoch": True}, False, "COMPLETE"),
        ({"mse": 1.0, "epoch": 1, "last_epoch": False}, False, "PRUNED"),
        ({"mse": 1.0, "epoch": 1, "last_epoch": False}, True, "FAIL"),
        ({"mse": float("nan"), "epoch": 3, "last_epoch": True}, False, "FAIL"),
        ({"mse": float("inf"), "epoch": 3, "last_epoch": True}, False, "FAIL"),
        ({"epoch": 3, "last_epoch": True}, False, "FAIL"),
        (None, True, "FAIL"),
    ],
)
def test_how_a_trial_ended_is_how_it_is_told(tmp_path: Path, result: dict | None, error: bool, state: str) -> None:
    made, study = searcher(tmp_path)
    made.suggest("t")
    if result:
        made.on_trial_result("t", result)
    made.on_trial_complete("t", result, error)
    assert [trial.state.name for trial in study.get_trials()] == [state]


def test_several_objectives_are_told_together(tmp_path: Path) -> None:
    made, study = searcher(tmp_path, objectives=["mse", "ssim"])
    made.suggest("t")
    result = {"mse": 1.0, "ssim": 0.5, "epoch": 3, "last_epoch": True}
    made.on_trial_result("t", result)
    made.on_trial_complete("t", result)
    assert study.get_trials()[0].values == [1.0, 0.5]
    assert [direction.name for direction in study.directions] == ["MINIMIZE", "MAXIMIZE"]


def test_asking_again_for_the_same_trial_gives_the_same_settings(tmp_path: Path) -> None:
    made, study = searcher(tmp_path)
    assert made.suggest("t") == made.suggest("t")
    assert len(study.get_trials()) == 1


def test_the_same_seed_suggests_the_same(tmp_path: Path) -> None:
    drawn = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        made, _ = searcher(tmp_path / name, seed=3)
        drawn.append([made.suggest(str(number)) for number in range(3)])
    assert drawn[0] == drawn[1]

"""What the driver knows of its study by heart is what the database holds."""

from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest
import sqlalchemy
from optuna.trial import FrozenTrial, TrialState

from platform.results.run_folder import RunFolder
from platform.tuning.study.one_driver import OneDriverStorage, drawing
from platform.tuning.study.storage import open_study_storage

NAME = "search"


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[optuna.storages.BaseStorage]:
    with open_study_storage(RunFolder(tmp_path)) as storage:
        yield storage


def in_database(folder: Path) -> list[FrozenTrial]:
    storage = optuna.storages.RDBStorage(f"sqlite:///{folder}/study.db")
    try:
        return optuna.load_study(study_name=NAME, storage=storage).get_trials()
    finally:
        storage.engine.dispose()


def told(trial: FrozenTrial) -> tuple:
    return (
        trial.number,
        trial._trial_id,
        trial.state,
        trial.values,
        trial.params,
        trial.distributions,
        trial.intermediate_values,
        trial.user_attrs,
        trial.system_attrs,
    )


def live(study: optuna.Study) -> None:
    """All that may befall trials."""
    study.enqueue_trial({"x": 0.5})
    study.add_trial(optuna.trial.create_trial(value=1.0, user_attrs={"warm": 1}))
    waited = study.ask()
    with drawing(study._storage, waited):
        waited.suggest_float("x", 0, 1)
        waited.suggest_categorical("y", ["a", "b"])
    waited.report(3.0, 1)
    waited.report(2.0, 2)
    study.tell(waited, state=TrialState.PRUNED)
    for number in range(15):
        trial = study.ask()
        with drawing(study._storage, trial):
            trial.suggest_float("x", 0, 1)
        trial.set_user_attr("number", number)
        study.tell(trial, None if number == 7 else float(number), state=TrialState.FAIL if number == 7 else None)
    study.ask().suggest_float("x", 0, 1)  # and goes on


def test_the_database_holds_what_the_driver_knows(storage: optuna.storages.BaseStorage, tmp_path: Path) -> None:
    study = optuna.create_study(
        study_name=NAME, storage=storage, sampler=optuna.samplers.TPESampler(constant_liar=True, multivariate=True)
    )
    live(study)
    assert isinstance(study._storage, OneDriverStorage)
    known, written = study.get_trials(), in_database(tmp_path)
    assert [told(trial) for trial in known] == [told(trial) for trial in written]
    assert {trial.state for trial in known} == {
        TrialState.COMPLETE,
        TrialState.PRUNED,
        TrialState.FAIL,
        TrialState.RUNNING,
    }
    for states in ((TrialState.RUNNING,), (TrialState.COMPLETE, TrialState.RUNNING), (TrialState.WAITING,)):
        assert [trial.number for trial in study.get_trials(states=states)] == [
            trial.number for trial in written if trial.state in states
        ]


def test_another_driver_goes_on_where_one_was(storage: optuna.storages.BaseStorage, tmp_path: Path) -> None:
    live(optuna.create_study(study_name=NAME, storage=storage))
    with open_study_storage(RunFolder(tmp_path)) as other:
        study = optuna.load_study(study_name=NAME, storage=other)
        left = study.get_trials(states=(TrialState.RUNNING,))
        study.tell(left[0].number, 5.0)
        assert study.ask().number == len(in_database(tmp_path)) - 1
        assert [told(trial) for trial in study.get_trials()] == [told(trial) for trial in in_database(tmp_path)]


def test_a_draw_that_breaks_off_leaves_nothing_of_itself(storage: optuna.storages.BaseStorage, tmp_path: Path) -> None:
    study = optuna.create_study(study_name=NAME, storage=storage)
    trial = study.ask()

    def draw() -> None:
        with drawing(study._storage, trial):
            trial.suggest_float("x", 0, 1)
            assert in_database(tmp_path)[0].params == {}
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        draw()
    assert in_database(tmp_path)[0].params == {}


def test_a_list_that_was_handed_out_does_not_change(storage: optuna.storages.BaseStorage) -> None:
    study = optuna.create_study(study_name=NAME, storage=storage)
    trial = study.ask()
    before = study.get_trials(deepcopy=False)
    trial.suggest_float("x", 0, 1)
    study.tell(trial, 1.0)
    assert (before[0].params, before[0].state) == ({}, TrialState.RUNNING)


def test_a_trial_costs_as_many_queries_however_many_there_are(storage: optuna.storages.BaseStorage) -> None:
    study = optuna.create_study(study_name=NAME, storage=storage, sampler=optuna.samplers.RandomSampler(seed=0))
    asked: list[str] = []
    sqlalchemy.event.listen(
        storage._backend._storage.engine,  # type: ignore[attr-defined]
        "before_cursor_execute",
        lambda connection, cursor, statement, *rest: asked.append(statement),
    )

    def queries() -> int:
        asked.clear()
        trial = study.ask()
        with drawing(study._storage, trial):
            for name in "abcde":
                trial.suggest_float(name, 0, 1)
        trial.report(1.0, 1)
        study.tell(trial, 1.0)
        return len(asked)

    queries()  # the first one finds out that there are none
    few = queries()
    for _ in range(50):
        queries()
    assert queries() == few

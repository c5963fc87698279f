"""Trials that do nothing are drawn, told and recorded like all others, and a cost that grows shows."""

from pathlib import Path

import optuna
import pytest

from platform.results.record import read_results
from platform.results.run_folder import RunFolder
from platform.sizing.driver_limit import DriverCurve, Spent, growth, search_of_nothing
from platform.tuning.cluster.connecting import quiet_libraries

TRIALS, EPOCHS = 12, 3


def test_a_cost_that_grows_is_told_from_one_that_does_not() -> None:
    flat = [0.1 + 0.05 * (number % 3) for number in range(300)]
    assert growth(flat, 30, 30) == pytest.approx(1.0)
    assert growth([cost * (1 + number / 300) for number, cost in enumerate(flat)], 30, 30) > 1.5
    assert growth([*[5.0] * 30, *flat], 30, 30) == pytest.approx(1.0), "what warms up does not count"


def test_too_few_trials_are_not_compared() -> None:
    with pytest.raises(ValueError, match="too few"):
        growth([1.0] * 59, 20, 20)


def test_windows_add_up_to_the_whole_search() -> None:
    spent = tuple(Spent(2.0 * n, 1.0 * n, 0.5 * n, 0.25 * n, 3 * n) for n in range(1, 11))
    curve = DriverCurve(4, spent)
    windows = curve.windows(5)
    assert [(each.wall_s, each.driver_s, each.study_s, each.told_s, each.reports) for each in windows] == [
        (2.0, 1.0, 0.5, 0.25, 3.0)
    ] * 2
    assert windows[0].rest_s == 1.25
    assert curve.after(4) == windows[0]
    assert curve.growth(5, 0) == pytest.approx(1.0)


@pytest.mark.usefixtures("local_ray")
@pytest.mark.timeout(900)  # workers import torch
def test_a_search_of_nothing_is_a_whole_search(tmp_path: Path) -> None:
    quiet_libraries()  # Tune would write tables of its own
    curve = search_of_nothing(TRIALS, tmp_path, at_once=2, epochs=EPOCHS, halved=True, epoch_s=0.0)
    run = RunFolder(tmp_path / "run")
    records = read_results(run.results)
    assert len(curve.spent) == len(records) == TRIALS
    assert {record.state for record in records} == {"finished", "stopped"}
    assert curve.spent[-1].reports == sum(record.epochs for record in records)
    assert list(curve.spent) == sorted(curve.spent, key=lambda spent: spent.wall_s)
    assert 0 < curve.spent[-1].study_s < curve.spent[-1].wall_s
    study = optuna.load_study(study_name="search", storage=f"sqlite:///{run.study}")
    assert len(study.trials) == TRIALS
    assert {trial.state.name for trial in study.trials} == {"COMPLETE", "PRUNED"}
    assert all(list(run.trial(record.id).glob("events.*")) for record in records), "TensorBoard"

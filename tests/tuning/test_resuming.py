"""A search whose driver is killed and which is gone on with is the search that was not disturbed."""

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from platform.config.home import Home
from platform.results.incidents import read_incidents
from platform.results.progress import read_running
from platform.results.record import TrialRecord
from platform.training.checkpoint import saved_progress
from platform.tuning.keeping.recorded import Recorded
from platform.tuning.replay import replay

Begin = Callable[..., Any]  # see conftest.py
ONE_AT_A_TIME = ("resources.trials_at_once=1", "training.epochs=4", "search.trials=5", "search.startup_trials=2")
pytestmark = pytest.mark.timeout(900)  # searches in processes of their own, each of which starts a Ray


def without_times(record: TrialRecord) -> dict:
    told = record.model_dump(exclude={"started", "duration_s", "memory", "restarts"})
    told["metrics"].pop("seconds_per_clip")
    return told


def is_whole(search: Any, num_trials: int) -> None:
    """The study and the run folder have each trial once, and nothing is left to be done."""
    study = search.study()
    assert [trial.number for trial in study] == list(range(num_trials))
    assert all(trial.state.is_finished() for trial in study)
    assert read_running(search.run.running).trials == ()
    assert search.run.report.is_file()


def test_a_killed_search_that_is_gone_on_with_ends_as_if_it_had_not_been(begin: Begin, tiny_home: Home) -> None:
    undisturbed = begin(*ONE_AT_A_TIME, run="undisturbed").ends_well()
    for epochs in (3, 9):
        search = begin(*(ONE_AT_A_TIME if epochs == 3 else ()), resume=epochs > 3)
        search.wait_for(epochs)
        search.kill()
    search = begin(resume=True)
    assert [without_times(record) for record in search.ends_well()] == [without_times(each) for each in undisturbed]
    is_whole(search, 5)
    assert len(json.loads(search.run.provenance.read_text())["resumed"]) == 2

    longer = begin(resume=True, options=("--extend", "2"))
    assert [without_times(each) for each in longer.ends_well()[:5]] == [without_times(each) for each in undisturbed]
    is_whole(longer, 7)

    run = search.run
    for lost in (run.best / "weights.safetensors", *run.trials.glob("*/look.npz"), run.report):  # killed at its end
        lost.unlink()
    assert len(begin("search.budget.hours=1e-6", resume=True).ends_well()) == 7
    assert (search.run.best / "weights.safetensors").is_file()
    assert list(search.run.trials.glob("*/look.npz"))
    assert search.run.report.is_file()
    for number in range(0, 7, 3):
        assert replay(Recorded.read(f"{search.run.path}/{number}"), tiny_home).is_equal


def test_a_search_that_is_stopped_from_elsewhere_can_be_gone_on_with(begin: Begin) -> None:
    search = begin("search.trials=4", "search.asha=null", "training.epochs=40")
    search.wait_for(2)
    again = begin(resume=True)
    code, _, err = again.end()
    assert code == 2
    assert "a search runs in" in err
    assert "--stop r" in err

    command = [sys.executable, "-m", "platform.search", "--stop", str(search.run.path)]
    stopped = subprocess.run(command, capture_output=True, text=True, timeout=400)
    assert stopped.returncode == 0, stopped.stderr
    code, _, err = search.end()
    assert code == 130
    assert f"python -m platform.search --resume {search.run.path}" in err
    assert subprocess.run(command, capture_output=True, text=True, timeout=400).returncode == 2

    assert len(begin(resume=True).ends_well()) == 4
    is_whole(search, 4)


def test_a_budget_ends_a_search_which_goes_on_with_a_larger_one(begin: Begin) -> None:
    search = begin("search.trials=3", "resources.trials_at_once=1", "training.epochs=100000")
    search.wait_for(2)
    search.kill()
    used_s = read_running(search.run.running).wall_s
    assert used_s > 0
    code, _, err = begin(f"search.budget.hours={used_s / 7200:.6f}", resume=True).end()
    assert code == 2
    assert "no trial came to a score" in err
    assert "--resume r --set search.budget.hours" in err

    longer = (f"search.budget.hours={(used_s + 30) / 3600:.6f}", "search.budget.grace_minutes=0.05")
    code, out, err = begin(*longer, resume=True).end()
    assert code == 2, err
    assert "the budget was used up when 0 of 3 trials had ended" in out
    assert "--resume r --set search.budget.hours" in err
    assert [incident.kind for incident in read_incidents(search.run.incidents)] == ["resumed", "resumed", "budget"]
    (trial,) = read_running(search.run.running).trials
    assert [point["epoch"] for point in trial.curve] == list(range(1, len(trial.curve) + 1))
    (paused,) = search.run.paused(trial.id).iterdir()
    assert saved_progress(paused) is not None
    assert search.run.report.is_file()

    search = begin("search.budget.hours=1", resume=True)
    search.wait_until(lambda: len(read_running(search.run.running).trials[0].curve) > len(trial.curve))
    assert read_running(search.run.running).trials[0].curve[: len(trial.curve)] == trial.curve

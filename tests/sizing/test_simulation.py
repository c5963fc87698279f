"""The simulation keeps the laws of queueing that can be written down, and loses no trial."""

import math

import pytest

from platform.sizing.simulation import Demand, Work, saturated_at, simulate

EPOCH_S, EPOCHS, TRIALS = 10.0, 3, 20_000
WORK = Work(EPOCHS, EPOCH_S, trial=Demand(driver=0.2, study=0.1), report=Demand(driver=0.1))
SECONDS = {"driver": 0.6, "storage": 0.6, "network": 0.6}  # of a trial


def shared(name: str) -> Work:
    """Trials that ask for one thing only, as many seconds of it each."""
    return Work(EPOCHS, EPOCH_S, report=Demand(**{name: SECONDS[name] / EPOCHS}))


@pytest.mark.parametrize("name", ["driver", "storage", "network"])
@pytest.mark.parametrize("nodes", [1, 10, 30, 100, 1000])
def test_trials_come_as_fast_as_places_or_what_they_share_allow(name: str, nodes: int) -> None:
    work = shared(name)
    got = simulate(work, num_nodes=nodes, places=1, num_trials=TRIALS)
    bound = min(nodes / work.alone_s, 1 / SECONDS[name])
    assert got.trials_an_hour / 3600 <= bound * 1.02
    if nodes != 30:  # near the knee trials wait for each other by chance
        rate = got.num_trials / (got.wall_s - work.alone_s)  # the last trials leave places empty
        assert rate == pytest.approx(bound, rel=0.02)


@pytest.mark.parametrize("nodes", [3, 40, 500])
def test_as_many_trials_are_under_way_as_there_are_places(nodes: int) -> None:
    """Little's law: how many there are is how many come, times how long each stays."""
    got = simulate(WORK, num_nodes=nodes, places=2, num_trials=TRIALS)
    under_way = got.num_trials / got.wall_s * got.residence_s
    assert under_way == pytest.approx(2 * nodes, rel=0.03)


def test_no_trial_is_lost_and_each_reports_every_epoch() -> None:
    got = simulate(WORK, num_nodes=7, places=3, num_trials=1000)
    asked = 1000 * (0.3 + EPOCHS * 0.1)
    assert (got.busy["driver"] + got.busy["study"]) * got.wall_s == pytest.approx(asked)
    assert got.busy["nodes"] * got.wall_s * 21 == pytest.approx(1000 * EPOCHS * EPOCH_S, rel=0.02)


def test_trials_that_are_stopped_early_report_less() -> None:
    work = Work(9, 1.0, report=Demand(driver=1e-3), rungs=(1, 3), reduction=3)
    assert work.mean_epochs == pytest.approx(1 + 2 / 3 + 6 / 9)
    got = simulate(work, num_nodes=1, places=1, num_trials=TRIALS)
    assert got.wall_s / TRIALS == pytest.approx(work.alone_s, rel=0.02)


def test_the_driver_and_the_study_share_one_thread() -> None:
    got = simulate(WORK, num_nodes=500, places=1, num_trials=TRIALS)
    assert got.busy["driver"] + got.busy["study"] == pytest.approx(1, rel=0.02)
    assert got.limit == "driver"
    asks = Work(EPOCHS, EPOCH_S, trial=Demand(driver=0.1, study=0.5))
    assert simulate(asks, num_nodes=500, places=1, num_trials=TRIALS).limit == "study"


@pytest.mark.parametrize("name", ["driver", "storage", "network"])
def test_what_is_full_first_is_known_beforehand(name: str) -> None:
    work = shared(name)
    knee = saturated_at(work, places=1)
    assert knee.pop(name) == pytest.approx(work.alone_s / SECONDS[name])
    assert set(knee.values()) == {math.inf}
    below = simulate(work, num_nodes=int(work.alone_s / SECONDS[name] / 3), places=1, num_trials=TRIALS)
    above = simulate(work, num_nodes=int(work.alone_s / SECONDS[name] * 3), places=1, num_trials=TRIALS)
    assert (below.limit, above.limit) == ("nodes", name)


def test_a_report_that_costs_more_the_more_trials_run_bends_the_curve_down() -> None:
    work = Work(EPOCHS, EPOCH_S, report=Demand(driver=0.1), report_per_place=Demand(driver=1e-3))
    rates = [simulate(work, num_nodes=n, places=1, num_trials=TRIALS).trials_an_hour for n in (100, 400, 1000)]
    assert rates[0] > rates[1] > rates[2]
    assert saturated_at(work, 1)["driver"] < saturated_at(shared("driver"), 1)["driver"] * 2


def test_places_beyond_the_last_trial_do_not_help() -> None:
    got = simulate(WORK, num_nodes=100, places=1, num_trials=10)
    assert got.limit == "trials"
    assert got.wall_s == pytest.approx(simulate(WORK, num_nodes=10, places=1, num_trials=10).wall_s)


def test_a_node_trains_only_when_its_store_is_filled() -> None:
    filling = Work(EPOCHS, EPOCH_S, node_start_s=500.0)
    without = Work(EPOCHS, EPOCH_S)
    took = [simulate(work, num_nodes=4, places=1, num_trials=40).wall_s for work in (filling, without)]
    assert took[0] == pytest.approx(took[1] + 500)

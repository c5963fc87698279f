"""What a YAML asks of the driver, the storage and the network, and who of them is full first."""

from collections.abc import Callable
from pathlib import Path

import pytest

from platform.config.home import Home
from platform.config.run import RunConfig
from platform.sizing.driver_limit import Window
from platform.sizing.estimate import Costs, Node
from platform.sizing.links import running_seconds, storage_rate
from platform.sizing.many_nodes import (
    KEPT_DRIVER,
    DriverCosts,
    Rates,
    checkpoint_bytes,
    dry_run_lines,
    efficiency,
    on_many_nodes,
    places_of,
    where_it_bends,
    work_of,
)
from platform.sizing.simulation import Demand, Work
from platform.training.step_cost import StepCost
from platform.tuning.plan import SearchPlan
from platform.tuning.plan_page import share_text

Config = Callable[..., RunConfig]
COSTS = Costs(step_s=1.0, block_s={"one": 2.0, "two": 3.0}, evaluation_s=0.5, orchestration_s=0.25)
NODE = Node(cores=2, gpus=0, store_bytes=10**9)
DRIVER = DriverCosts(trial_s=0.03, report_s=0.01, study_trial_s=0.02, study_report_s=0.005, place_s=1e-5)
RATES = Rates(storage=1e9, network=1e9)
EPOCHS, STEPS, VALIDATION, BLOCKS, DIRECTIONS = 3, 5 * 2, 6, 3, 2


@pytest.fixture
def plan(tiny_home: Home, tiny_config: Config, tmp_path: Path) -> SearchPlan:
    home = Home(tmp_path)
    home.benchmarks.symlink_to(tiny_home.benchmarks)
    return SearchPlan.make(tiny_config("search.trials=6"), home)


def test_a_trial_asks_for_what_was_measured(plan: SearchPlan) -> None:
    work = work_of(plan, COSTS, NODE, DRIVER, RATES)
    assert work.epoch_s == STEPS * COSTS.step_s + VALIDATION * COSTS.evaluation_s
    assert work.setup_s == pytest.approx(COSTS.orchestration_s - DRIVER.trial_s - DRIVER.study_trial_s)
    assert work.node_start_s == BLOCKS * DIRECTIONS * (2.0 + 3.0) / NODE.cores
    assert (work.epochs, tuple(work.rungs), work.reduction) == (EPOCHS, (1, 2), 2)
    assert work.report.storage == checkpoint_bytes(plan.config) / RATES.storage
    assert work.report.network == 0  # every node serves its own trials
    sent = work_of(plan, COSTS, NODE, DRIVER, RATES, memories_sent=True)
    assert sent.report.network == plan.memory_bytes / RATES.network


def test_what_the_driver_takes_is_found_from_trials_that_report_few_and_many_times() -> None:
    few, many = (
        Window(0.03 + reports * 0.01 + 0.02 + reports * 0.005, 0.0, 0.02, reports * 0.005, reports)
        for reports in (2.0, 8.0)
    )
    got = DriverCosts.of(few, many, 1e-5)
    assert vars(got) == pytest.approx(vars(DRIVER))


def test_nodes_bring_less_each_once_the_driver_is_full(plan: SearchPlan) -> None:
    work = work_of(plan, COSTS, NODE, DRIVER, RATES)
    one, few, many = on_many_nodes(work, places_of(NODE, plan.config), num_trials=20_000, counts=(1, 10, 1000))
    assert (few.limit, many.limit) == ("nodes", "driver")
    assert efficiency(few, one) > 0.95
    assert efficiency(many, one) < 0.5
    assert few.trials_an_hour < many.trials_an_hour < 3600 / work.demand(1).thread * 1.01


@pytest.mark.parametrize("gpus", [1, 2])
def test_trials_share_the_gpus_of_a_node_as_a_search_would_have_them(plan: SearchPlan, gpus: int) -> None:
    """Each takes 2 GB of 80; there are processors for fewer."""
    shared = Node(cores=17, gpus=gpus, store_bytes=10**9, gpu_bytes=80 * 10**9, need_bytes=2 * 10**9)
    told = share_text(plan.config, 2 * 10**9, 80 * 10**9, num_gpus=gpus, num_cpus=17)
    assert f"{places_of(shared, plan.config)} trials at once" in told
    assert places_of(shared, plan.config) == 16
    first, _ = dry_run_lines(plan, StepCost(seconds=1.0, timed_clips=4), shared)
    assert "16 trials at once on each, were they as fast as one alone on its GPU" in first


def test_a_dry_run_says_that_no_trial_fits_a_gpu_of_this_machine(plan: SearchPlan) -> None:
    small = Node(cores=8, gpus=1, store_bytes=10**9, gpu_bytes=10**9, need_bytes=2 * 10**9)
    (line,) = dry_run_lines(plan, StepCost(seconds=1.0, timed_clips=4), small)
    assert line.startswith("nodes      a trial needs about 2 GB of a GPU's memory")
    assert line.endswith("Lower training.batch_size, or set resources.gpus_per_trial.")


def test_the_sentence_names_who_is_full_first_and_who_would_be_next(plan: SearchPlan) -> None:
    asks = Work(EPOCHS, 10.0, report=Demand(driver=0.01, storage=0.1))
    sent = Work(EPOCHS, 10.0, report=Demand(driver=0.01, storage=0.1, network=0.5))
    told = where_it_bends(asks, 1, sent, plan.config)
    assert told.startswith("the storage limits first, at about 100 nodes for this YAML")
    assert "the driver at about 1,000 nodes" in told
    assert "the network at about 21 nodes, were memories sent" in told
    assert "checkpoint of" in told
    assert "nothing that is shared limits" in where_it_bends(Work(1, 10.0), 1, Work(1, 10.0), plan.config)


def test_where_thousands_of_trials_run_the_note_of_them_is_the_bend(plan: SearchPlan) -> None:
    asks = Work(EPOCHS, 10_000.0, report=Demand(driver=0.01), report_per_place=Demand(driver=3e-5))
    assert "the note of what runs, written whole" in where_it_bends(asks, 2, asks, plan.config)


def test_a_dry_run_tells_what_more_machines_would_bring(plan: SearchPlan) -> None:
    first, second = dry_run_lines(plan, StepCost(seconds=1.0, timed_clips=4), NODE)
    assert [word in first for word in ("1: ", "2: ", "4: ", "8: ")] == [True] * 4
    assert "limits first, at about" in second
    assert min(vars(KEPT_DRIVER).values()) > 0


def test_storage_and_the_note_of_what_runs_are_measured_and_nothing_is_left(tmp_path: Path) -> None:
    assert storage_rate(tmp_path) > 0
    assert running_seconds(tmp_path) > 0
    assert list(tmp_path.iterdir()) == []

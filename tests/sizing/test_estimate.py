"""A search's cost is what was measured, multiplied out: more nodes, fewer waves of trials, the same memory on each."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from platform.config.home import Home
from platform.config.run import RunConfig
from platform.sizing.estimate import Costs, Node, foretell, measure_costs
from platform.tuning.cluster.gpu_need import foretold
from platform.tuning.plan import SearchPlan, source_networks

Config = Callable[..., RunConfig]
COSTS = Costs(step_s=1.0, block_s={"one": 2.0, "two": 3.0}, evaluation_s=0.5, orchestration_s=0.25)
NODE = Node(cores=2, gpus=0, store_bytes=10**9)
BLOCKS, DIRECTIONS, EPOCHS, STEPS, VALIDATION = 3, 2, 3, 5 * 2, 6


@pytest.fixture
def plan(tiny_home: Home, tiny_config: Config, tmp_path: Path) -> SearchPlan:
    home = Home(tmp_path)
    home.benchmarks.symlink_to(tiny_home.benchmarks)
    return SearchPlan.make(tiny_config("search.trials=6"), home)


def test_trials_run_in_waves_and_every_part_is_told(plan: SearchPlan) -> None:
    one, two = (foretell(plan, COSTS, NODE, count) for count in (1, 2))
    assert (one.at_once, two.at_once) == (2, 4)
    for told, waves in ((one, 3), (two, 2)):
        assert told.parts_s["training"] == waves * EPOCHS * STEPS * COSTS.step_s
        assert told.parts_s["evaluation"] == waves * EPOCHS * VALIDATION * COSTS.evaluation_s
        assert told.parts_s["orchestration"] == waves * COSTS.orchestration_s
        assert told.parts_s["sources"] == BLOCKS * DIRECTIONS * (2.0 + 3.0) / NODE.cores  # once on each node
        assert told.wall_s == sum(told.parts_s.values())
        assert told.memory_bytes == plan.memory_bytes
        assert told.limit == "training"
    assert one.parts_s["pretraining"] > 0  # both sources at once, on either


def test_nodes_beyond_the_last_trial_help_no_more(plan: SearchPlan) -> None:
    three, many = (foretell(plan, COSTS, NODE, count) for count in (3, 30))
    assert three.at_once == many.at_once == 6
    assert three.wall_s == many.wall_s


def test_trials_that_share_a_gpu_run_at_once(plan: SearchPlan) -> None:
    node = Node(cores=4, gpus=1, store_bytes=10**9, gpu_bytes=80 * 10**9, need_bytes=20 * 10**9)
    alone, shared = (foretell(plan, COSTS, each, 2) for each in (replace(node, need_bytes=None), node))
    assert (alone.at_once, shared.at_once) == (2, 6)
    assert shared.parts_s["training"] == alone.parts_s["training"] / 3


@pytest.mark.parametrize(("asked", "follows"), [("auto", True), ("0.5", False)])
def test_what_a_trial_takes_of_this_machines_gpus_is_foretold_where_its_share_follows_from_that(
    tiny_home: Home, tiny_config: Config, monkeypatch: pytest.MonkeyPatch, asked: str, follows: bool
) -> None:
    """The GPUs are pretended."""
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda n: SimpleNamespace(total_memory=(n + 1) * 10**9))
    config = tiny_config(f"resources.gpus_per_trial={asked}", "training.precision=float32")
    node = Node.here(config, tiny_home)
    need_bytes, _ = foretold(config, source_networks(config, tiny_home), channels=1)
    assert node.gpus == 2
    assert (node.gpu_bytes, node.need_bytes) == ((10**9, need_bytes) if follows else (None, None))


def test_what_a_store_cannot_hold_is_computed_in_every_epoch_of_every_trial(plan: SearchPlan) -> None:
    half = foretell(plan, COSTS, Node(cores=2, gpus=0, store_bytes=plan.memory_bytes // 2), 1)
    whole = foretell(plan, COSTS, NODE, 1)
    again = 6 * EPOCHS - 1
    assert half.stored_share == pytest.approx(0.5)
    assert half.parts_s["sources"] == pytest.approx(whole.parts_s["sources"] * (1 + 0.5 * again))
    assert half.memory_bytes == pytest.approx(plan.memory_bytes / 2, abs=1)


@pytest.mark.parametrize("sources", ["both", "none"])
def test_costs_are_measured_at_the_yamls_own_sizes(
    tiny_home: Home, tiny_config: Config, tmp_path: Path, sources: str
) -> None:
    config = tiny_config(*(["sources={}", "search.space={}"] if sources == "none" else []))
    threads = torch.get_num_threads()
    costs = measure_costs(config, source_networks(config, tiny_home), tmp_path, orchestration_s=0.5, repeats=1)
    assert min(costs.step_s, costs.evaluation_s) > 0
    assert costs.block_s.keys() == config.sources.keys()
    assert all(seconds > 0 for seconds in costs.block_s.values())
    assert costs.orchestration_s == 0.5
    assert torch.get_num_threads() == threads

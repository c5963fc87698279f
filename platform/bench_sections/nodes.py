"""Two nodes against one, and what a search described by a YAML would cost on some."""

import os
from dataclasses import asdict
from typing import Any

import torch
from rich.markup import escape
from rich.table import Table

from platform.bench_sections.search import small
from platform.bench_sections.section import Asked, Bench, Row, Section
from platform.config.home import Home
from platform.console import console
from platform.memory.room import capacity
from platform.results.scores import readable_bytes, readable_time
from platform.sizing.estimate import Costs, Foretold, Node, foretell, measure_costs
from platform.sizing.trials import make_ready, timed_config
from platform.sizing.two_nodes import on_nodes
from platform.tuning.plan import SearchPlan, source_networks

TRIALS, SOURCES, EPOCHS = 8, 2, 5
LEAST_RATIO = 1.6


def run(bench: Bench) -> Section:
    setting, home = small(bench.setting), bench.home
    config = timed_config(setting, SOURCES, trials=TRIALS, epochs=EPOCHS)
    make_ready(setting, home, SOURCES)
    console.print(f"{TRIALS} trials of {EPOCHS} epochs with {SOURCES} sources, a raylet of one core a node")
    with console.status("running them on one node"):
        one = on_nodes(config, home, 1)
    with console.status("running them on two nodes"):
        two = on_nodes(config, home, 2)
    hourly = [3600 * ran.num_trials / ran.trials_s for ran in (one, two)]
    ratio = hourly[1] / hourly[0]
    console.print(
        f"trials an hour: {hourly[0]:,.0f} on one node, {hourly[1]:,.0f} on two, which share this machine's memory "
        "and disk; not run: nodes with a network between them",
        "",
    )
    figures: dict[str, Any] = {"one": asdict(one), "two": asdict(two), "trials_an_hour": hourly, "ratio": ratio}
    if bench.asked is not None:
        figures["estimate"] = _estimate(bench, bench.asked, orchestration_s=one.orchestration_s)
    has_cores = (os.cpu_count() or 1) >= 2
    row = Row("2 nodes against 1", f"{ratio:.2f} times the trials", f"{LEAST_RATIO} times", None)
    if bench.setting.is_released and has_cores:
        row = Row(row.what, row.measured, row.bar, ratio >= LEAST_RATIO)
    return Section(figures, [row])


def _estimate(bench: Bench, asked: Asked, *, orchestration_s: float) -> dict[str, Any]:
    config, user = asked.config, Home.from_environment()
    plan = SearchPlan.make(config, user)
    node = Node(os.cpu_count() or 1, torch.cuda.device_count(), capacity(user.memory, config.resources.memory_budget))
    with console.status(f"timing a step, a block and the validation of {config.name}"):
        costs = measure_costs(
            config,
            source_networks(config, user),
            bench.home.root / "estimate",
            orchestration_s=orchestration_s,
            repeats=min(3, bench.repeats),
            device=bench.device,
        )
    foretold = [foretell(plan, costs, node, count) for count in asked.node_counts]
    _print(plan, costs, node, foretold)
    return {"config": config.name, "profile": config.profile, "costs": asdict(costs)} | {
        "foretold": [asdict(each) | {"limit": each.limit} for each in foretold]
    }


def _print(plan: SearchPlan, costs: Costs, node: Node, foretold: list[Foretold]) -> None:
    config = plan.config
    console.print(
        f"[bold]{config.name}[/], profile {config.profile}, {escape(plan.target.label)}: {config.search.trials} trials "
        f"of {plan.steps_per_trial:,} steps; nodes like this machine, {node.cores} cores and {node.gpus} GPUs"
    )
    blocks = ", ".join(f"{name} {seconds:.2g} s" for name, seconds in costs.block_s.items())
    console.print(
        f"measured: a step {costs.step_s:.2g} s; a block of {config.benchmark.block_clips} clips through {blocks}; "
        f"validating a clip {1000 * costs.evaluation_s:,.0f} ms; orchestration of a trial {costs.orchestration_s:.2g} s"
    )
    table = Table(
        "nodes", "trials at once", "at most", "memory on each disk", "most of it is", box=None, header_style="bold"
    )
    for each in foretold:
        part = each.parts_s[each.limit] / each.wall_s
        stored = "" if each.stored_share == 1 else f", {each.stored_share:.0%} of what is asked for"
        table.add_row(
            str(each.num_nodes),
            str(each.at_once),
            readable_time(each.wall_s),
            readable_bytes(each.memory_bytes) + stored,
            f"{each.limit}, {part:.0%}",
        )
    console.print(table, "no trial is taken to be stopped early; the network between nodes is not in it", "", sep="\n")

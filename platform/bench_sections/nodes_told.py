"""How the figures of the section `nodes` are told."""

from collections.abc import Sequence

from rich.markup import escape
from rich.table import Table

from platform.config.run import RunConfig
from platform.console import console
from platform.results.scores import percent, readable_bytes, readable_time
from platform.sizing.driver_limit import DriverCurve
from platform.sizing.estimate import Costs, Foretold, Node
from platform.sizing.many_nodes import WITHOUT_END, efficiency, where_it_bends
from platform.sizing.simulation import Simulated, Work
from platform.tuning.plan import SearchPlan


def tell_curve(curve: DriverCurve, window: int, growth: float) -> None:
    console.print(
        f"{len(curve.spent):,} trials that do nothing, {curve.at_once} at once, with all that a search has but the "
        "training; milliseconds of each:",
        soft_wrap=True,
    )
    table = Table("trials", "by the clock", "driver's processor", "study", "reports", box=None, header_style="bold")
    for number, each in enumerate(curve.windows(window)):
        table.add_row(
            f"{number * window:,} to {(number + 1) * window:,}",
            f"{1000 * each.wall_s:.0f}",
            f"{1000 * each.driver_s:.0f}",
            f"{1000 * (each.study_s + each.told_s):.0f}",
            f"{each.reports:.1f}",
        )
    console.print(table)
    console.print(
        f"the last {window:,} took {growth:.2f} times as much of the driver's processor as the first {window:,} after "
        f"as many that warmed it up; by the clock they come at {3600 / curve.windows(window)[-1].wall_s:,.0f} an hour",
        soft_wrap=True,
    )


def tell_estimate(plan: SearchPlan, costs: Costs, node: Node, foretold: Sequence[Foretold]) -> None:
    config = plan.config
    console.print(
        "",
        f"[bold]{config.name}[/], profile {config.profile}, {escape(plan.target.label)}: {config.search.trials} trials "
        f"of {plan.steps_per_trial:,} steps; nodes like this machine, {node.cores} cores and {node.gpus} GPUs",
        sep="\n",
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


def tell_many_nodes(work: Work, places: int, sent: Work, config: RunConfig, simulated: Sequence[Simulated]) -> None:
    console.print(
        f"the same trials without end, {WITHOUT_END:,} of them, {work.mean_epochs:.2g} epochs each as successive "
        "halving has it; simulated, with shares of the time for which each is busy:",
        soft_wrap=True,
    )
    shared = ("driver", "study", "storage", "network")
    table = Table(
        "nodes", "trials at once", "trials an hour", "efficiency", *shared, "limit", box=None, header_style="bold"
    )
    for each in simulated:
        table.add_row(
            f"{each.num_nodes:,}",
            f"{each.num_places:,}",
            f"{each.trials_an_hour:,.0f}" if each.trials_an_hour >= 100 else f"{each.trials_an_hour:.3g}",
            percent(efficiency(each, simulated[0])),
            *(percent(each.busy[name]) for name in shared),
            each.limit,
        )
    console.print(table)
    console.print(escape(where_it_bends(work, places, sent, config)), "", sep="\n", soft_wrap=True)

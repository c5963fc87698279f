"""What a YAML's trials ask of all that is shared, in measured seconds; and what becomes of it on a thousand nodes."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from platform.bank.bank import count_parameters
from platform.bank.networks import build_network
from platform.config.datasets import CHANNELS_UNTIL_KNOWN
from platform.config.errors import UserError
from platform.config.run import RunConfig
from platform.results.scores import readable_bytes, readable_time
from platform.sizing.driver_limit import Window
from platform.sizing.estimate import Costs, Node, source_seconds, trials_at_once
from platform.sizing.simulation import Demand, Simulated, Work, saturated_at, simulate
from platform.training.step_cost import StepCost
from platform.tuning.plan import SearchPlan
from platform.tuning.trials.resuming import rungs_of

NODE_COUNTS = (1, 2, 4, 8, 16, 32, 64, 128, 250, 500, 1000)
DRY_COUNTS = (1, 2, 4, 8)
WITHOUT_END = 100_000  # trials: so many that all places are taken nearly all the time
WEIGHT_BYTES = 3 * 4  # float32, with the two running means that Adam keeps
FAR = 10_000  # nodes: nobody has more
FORWARD = 1 / 3  # of a training step
ORCHESTRATION_S = 0.14  # of a trial, see the README's table


@dataclass(frozen=True)
class DriverCosts:
    """Seconds of the driver's thread, as trials that do nothing show them."""

    trial_s: float  # Tune's, and records: a trial's start and end
    report_s: float  # and of each epoch, with its checkpoint
    study_trial_s: float  # drawing settings, writing and telling the study
    study_report_s: float
    place_s: float  # of a report, for each trial that runs: all of them are written anew

    @classmethod
    def of(cls, few: Window, many: Window, place_s: float) -> "DriverCosts":
        """From searches whose trials report few times and many times, both as fast as the driver can."""
        report_s = max(0.0, (many.rest_s - few.rest_s) / (many.reports - few.reports))
        return cls(
            trial_s=max(0.0, few.rest_s - few.reports * report_s),
            report_s=report_s,
            study_trial_s=few.study_s,
            study_report_s=few.told_s / few.reports,
            place_s=place_s,
        )


@dataclass(frozen=True)
class Rates:
    """Bytes a second."""

    storage: float  # of the run folder
    network: float  # of what one node sends to others


# Measured by `python -m platform.bench nodes`, see there: what a dry run takes for granted.
KEPT_DRIVER = DriverCosts(trial_s=0.014, report_s=0.004, study_trial_s=0.024, study_report_s=0.001, place_s=9e-6)
KEPT_RATES = Rates(storage=5e8, network=1.25e9)
KEPT_FROM = "5,000 trials that did nothing, the last at 47 ms each, on two cores of an EPYC, November 2026"


def work_of(
    plan: SearchPlan, costs: Costs, node: Node, driver: DriverCosts, rates: Rates, *, memories_sent: bool = False
) -> Work:
    """`memories_sent`: no node but one has servers, whose memories go to all others, in every epoch."""
    config, search = plan.config, plan.config.search
    steps_s = plan.steps_per_trial / config.training.epochs * costs.step_s
    sent_bytes = plan.memory_bytes if memories_sent else 0
    report = Demand(
        driver=driver.report_s,
        study=driver.study_report_s,
        storage=checkpoint_bytes(config) / rates.storage,
        network=sent_bytes / rates.network,
    )
    return Work(
        epochs=config.training.epochs,
        epoch_s=steps_s + plan.target.counts["validation"] * costs.evaluation_s,
        setup_s=max(0.0, costs.orchestration_s - driver.trial_s - driver.study_trial_s),
        trial=Demand(driver=driver.trial_s, study=driver.study_trial_s),
        report=report,
        report_per_place=Demand(driver=driver.place_s),
        rungs=rungs_of(search, config.training.epochs),
        reduction=search.asha.reduction if search.asha is not None else 1,
        node_start_s=source_seconds(plan, costs, node),
    )


def guessed_costs(plan: SearchPlan, step: StepCost) -> Costs:
    """From one timed step: forward passes, of sources as large as the target, take a third of it."""
    config = plan.config
    clip_s = step.seconds / config.training.batch_size * FORWARD
    blocks = dict.fromkeys(config.sources, clip_s * config.benchmark.block_clips)
    return Costs(step.seconds, blocks, clip_s, ORCHESTRATION_S)


def checkpoint_bytes(config: RunConfig) -> int:
    """Of a target without its gates: weights, and what Adam keeps of each."""
    network = build_network(config.network, channels=CHANNELS_UNTIL_KNOWN, frame_size=config.benchmark.frame_size)
    return WEIGHT_BYTES * count_parameters(network)


def on_many_nodes(
    work: Work, places: int, *, num_trials: int = WITHOUT_END, counts: Sequence[int] = NODE_COUNTS
) -> list[Simulated]:
    """`places`: trials at once on one node."""
    return [simulate(work, num_nodes=count, places=places, num_trials=num_trials) for count in counts]


def places_of(node: Node, config: RunConfig) -> int:
    """Trials at once on one node, were none forbidden. Raises UserError where it has no room for any."""
    return trials_at_once(node, config.resources.model_copy(update={"trials_at_once": None}), len(config.sources))


def efficiency(simulated: Simulated, one: Simulated) -> float:
    """Trials an hour of each node, beside one that is alone."""
    return simulated.trials_an_hour / simulated.num_nodes / (one.trials_an_hour / one.num_nodes)


def limits_first(work: Work, places: int) -> str:
    """Who is full first, with how many nodes."""
    full = saturated_at(work, places)
    first = min(full, key=lambda name: full[name])
    if full[first] >= FAR:
        return f"nothing that is shared limits this search on up to {FAR:,} nodes"
    return f"the {first} limits first, at {_nodes(full[first])} for this YAML"


def where_it_bends(work: Work, places: int, sent: Work, config: RunConfig) -> str:
    """That in one sentence, with who would come next, and what is left to do. `sent`: memories are."""
    full = saturated_at(work, places)
    first = min(full, key=lambda name: full[name])
    others = [f"the {name} at {_nodes(nodes)}" for name, nodes in full.items() if name != first and nodes < FAR]
    network = saturated_at(sent, places)["network"]
    if network < FAR:
        others.append(f"the network at {_nodes(network)}, were memories sent to all nodes by one")
    told = limits_first(work, places) + (f" ({'; '.join(others)})" if others else "")
    if full[first] < FAR:
        told += f"; where the design bends: {_repair(first, work, places, config)}"
    return told


def _nodes(count: float) -> str:
    return f"about {max(1, math.floor(float(f'{count:.2g}'))):,} nodes"


def _repair(name: str, work: Work, places: int, config: RunConfig) -> str:
    if name == "storage":
        size = readable_bytes(checkpoint_bytes(config))
        return f"every epoch writes a checkpoint of {size} to the run folder's storage"
    if name == "network":
        return "memories are sent to every node; with room for servers each node computes and keeps its own"
    running = saturated_at(work, places)["driver"] * places
    parts = {
        "the study": work.trial.study + work.mean_epochs * work.report.study,
        "Tune's steps and the records": work.trial.driver + work.mean_epochs * work.report.driver,
        "the note of what runs, written whole at each report": work.mean_epochs
        * running
        * work.report_per_place.driver,
    }
    largest = max(parts, key=lambda part: parts[part])
    return (
        f"one thread serves all trials, {1000 * sum(parts.values()):.0f} ms each there, {largest} "
        f"{parts[largest] / sum(parts.values()):.0%} of it; beyond that run several searches side by side"
    )


def dry_run_lines(plan: SearchPlan, step: StepCost, node: Node) -> Iterator[str]:
    """What more machines like this one would bring, from the step just timed and figures that are kept."""
    config = plan.config
    try:
        places = places_of(node, config)
    except UserError as error:
        yield f"nodes      {error}"
        return
    work = work_of(plan, guessed_costs(plan, step), node, KEPT_DRIVER, KEPT_RATES)
    took = on_many_nodes(work, places, num_trials=config.search.trials, counts=DRY_COUNTS)
    told = ", ".join(f"{each.num_nodes}: {readable_time(each.wall_s)}" for each in took)
    share = config.resources.gpus_per_trial != 0 and 0 < node.gpus < places
    alone = ", were they as fast as one alone on its GPU" if share else ""
    yield f"nodes      so many like this machine would search for, {places} trials at once on each{alone}: {told}"
    yield f"           {limits_first(work, places)}; the driver's part is kept: {KEPT_FROM}"

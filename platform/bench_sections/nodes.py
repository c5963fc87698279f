"""Nodes against one, what the driver can do at most, and what a search described by a YAML would cost on many."""

import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from platform.bench_sections.nodes_told import tell_curve, tell_estimate, tell_many_nodes
from platform.bench_sections.search import small
from platform.bench_sections.section import Asked, Bench, Row, Section
from platform.config.home import Home
from platform.console import console
from platform.results.scores import readable_bytes
from platform.sizing.driver_limit import driver_curve
from platform.sizing.estimate import Node, foretell, measure_costs
from platform.sizing.links import object_rate, running_seconds, storage_rate
from platform.sizing.many_nodes import DriverCosts, Rates, on_many_nodes, places_of, work_of
from platform.sizing.simulation import Demand, Work, simulate
from platform.sizing.trials import Searched, make_ready, timed_config
from platform.sizing.two_nodes import on_nodes
from platform.tuning.plan import SearchPlan, source_networks

TRIALS, SOURCES, EPOCHS = 8, 2, 5
RAYLETS = (1, 2, 4)
LEAST_RATIO = 1.6

NOTHING_A_REPEAT = 1_000  # trials that do nothing: 5,000 of them, unless --repeats says otherwise
AT_ONCE = 4  # of them: so that the driver always finds one to go on with
SHARE = 10  # the last tenth of them is compared with the first one after as many have warmed it all up
MOST_GROWTH = 1.2
MANY_REPORTS, REPORTING = 8, 150
PLACES, A_PLACE = (2, 8), 20  # that need no processor, and trials for each: their epochs are slept
SLEPT_EPOCHS, SLEPT_S = 3, 0.5


def run(bench: Bench) -> Section:
    figures, one, of_raylets = _raylets(bench)
    driver, told, of_driver = _driver(bench)
    figures |= told
    if bench.asked is not None:
        figures["estimate"] = _estimate(bench, bench.asked, driver, one.orchestration_s)
    return Section(figures, [of_raylets, of_driver])


def _raylets(bench: Bench) -> tuple[dict[str, Any], Searched, Row]:
    """Also that of one raylet alone."""
    setting, home, cores = small(bench.setting), bench.home, os.cpu_count() or 1
    config = timed_config(setting, SOURCES, trials=TRIALS, epochs=EPOCHS)
    make_ready(setting, home, SOURCES)
    console.print(f"{TRIALS} trials of {EPOCHS} epochs with {SOURCES} sources, a raylet of one core a node")
    ran = {}
    for count in RAYLETS:
        with console.status(f"running them on {count}"):
            ran[count] = on_nodes(config, home, count)
    one, hourly = ran[1], {count: 3600 * each.num_trials / each.trials_s for count, each in ran.items()}
    ratio, foretold = hourly[2] / hourly[1], _foretold_ratio(one)
    told = ", ".join(f"{each:,.0f} on {count}" for count, each in hourly.items())
    console.print(
        f"trials an hour: {told}; they share this machine's {cores} cores, memory and disk. Two against one: "
        f"{ratio:.2f} times, where the simulation below has {foretold:.2f}",
        "",
        soft_wrap=True,
    )
    figures: dict[str, Any] = {"trials_an_hour": hourly, "ratio": ratio, "ratio_simulated": foretold}
    figures |= {"raylets": {count: asdict(each) for count, each in ran.items()}}
    met = ratio >= LEAST_RATIO if bench.setting.is_released and cores >= 2 else None
    return figures, one, Row("2 nodes against 1", f"{ratio:.2f} times the trials", f"{LEAST_RATIO} times", met)


def _foretold_ratio(one: Searched) -> float:
    """From what the trials of one node took, with nothing lost between two."""
    work = Work(EPOCHS, one.in_epochs_s / one.num_trials / EPOCHS, setup_s=max(0.0, one.orchestration_s))
    took = [simulate(work, num_nodes=nodes, places=1, num_trials=TRIALS).wall_s for nodes in (1, 2)]
    return took[0] / took[1]


def _driver(bench: Bench) -> tuple[DriverCosts, dict[str, Any], Row]:
    num_trials = NOTHING_A_REPEAT * bench.repeats
    window = num_trials // SHARE
    with console.status(f"running {num_trials:,} trials that do nothing"):
        curve = driver_curve(num_trials, at_once=AT_ONCE)
    growth = curve.growth(window, window)
    tell_curve(curve, window, growth)
    with console.status("running some that report often"):
        many = driver_curve(REPORTING, at_once=AT_ONCE, epochs=MANY_REPORTS, halved=False).after(REPORTING // 5)
    driver = DriverCosts.of(curve.windows(window)[-1], many, running_seconds(bench.home.root))
    console.print(
        f"of the driver's thread a trial takes {1000 * driver.trial_s:.0f} ms and each of its reports "
        f"{1000 * driver.report_s:.0f} ms, the study {1000 * driver.study_trial_s:.0f} and "
        f"{1000 * driver.study_report_s:.0f} ms; a report {1e6 * driver.place_s:.0f} µs more for each trial that runs",
        soft_wrap=True,
    )
    checked = [_slept(places, driver) for places in PLACES]
    for each in checked:
        console.print(
            f"trials of {SLEPT_EPOCHS} epochs that sleep {SLEPT_S} s, {each['places']} at once: "
            f"{each['measured']:,.0f} an hour, simulated {each['simulated']:,.0f}",
            soft_wrap=True,
        )
    figures = {
        "nothing": {
            "at_once": AT_ONCE,
            "windows": [asdict(each) for each in curve.windows(window)],
            "growth": growth,
        },
        "driver": asdict(driver),
        "slept": checked,
    }
    row = Row(
        f"{num_trials:,} trials that do nothing, the last beside the first",
        f"{growth:.2f} times, {1000 * curve.windows(window)[-1].wall_s:.0f} ms each",
        f"at most {MOST_GROWTH} times",
        growth <= MOST_GROWTH,
    )
    return driver, figures, row


def _slept(places: int, driver: DriverCosts) -> dict[str, float]:
    """Trials an hour while all places are taken, measured and simulated."""
    num_trials = A_PLACE * places
    curve = driver_curve(num_trials, at_once=places, epochs=SLEPT_EPOCHS, halved=False, epoch_s=SLEPT_S)
    work = Work(
        SLEPT_EPOCHS,
        SLEPT_S,
        trial=Demand(driver.trial_s, driver.study_trial_s),
        report=Demand(driver.report_s, driver.study_report_s),
        report_per_place=Demand(driver.place_s),
    )
    simulated = simulate(work, num_nodes=places, places=1, num_trials=num_trials)
    measured = 3600 / curve.after(A_PLACE // 4 * places).wall_s
    return {"places": places, "measured": measured, "simulated": simulated.trials_an_hour}


def _estimate(bench: Bench, asked: Asked, driver: DriverCosts, orchestration_s: float) -> dict[str, Any]:
    config, user = asked.config, Home.from_environment()
    plan = SearchPlan.make(config, user)
    node = Node.here(config, user)
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
    tell_estimate(plan, costs, node, foretold)
    rates = _rates(bench.home.root)
    places = places_of(node, config)
    work, sent = (work_of(plan, costs, node, driver, rates, memories_sent=memories) for memories in (False, True))
    with console.status("simulating up to 1,000 nodes"):
        simulated = on_many_nodes(work, places)
    tell_many_nodes(work, places, sent, config, simulated)
    return {
        "config": config.name,
        "profile": config.profile,
        "costs": asdict(costs),
        "foretold": [asdict(each) | {"limit": each.limit} for each in foretold],
        "rates": asdict(rates),
        "work": asdict(work),
        "simulated": [
            asdict(each) | {"trials_an_hour": each.trials_an_hour, "limit": each.limit} for each in simulated
        ],
    }


def _rates(folder: Path) -> Rates:
    with console.status("writing and sending"):
        rates = Rates(storage=storage_rate(folder), network=object_rate())
    console.print(
        f"the storage takes {readable_bytes(rates.storage)} a second; one raylet sends another on this machine "
        f"{readable_bytes(rates.network)} a second"
    )
    return rates

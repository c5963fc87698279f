"""Who gets which share of the machine: memory servers first, trials of what is left.

A trial that asks for more than any node has left after the servers would wait for ever; it is given what there is, and
the user is told.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from platform.config.errors import UserError
from platform.config.search import ResourcesConfig


@dataclass(frozen=True)
class TrialResources:
    """What one trial takes, how many run at once, and the sentences a user should read about it."""

    cpus: float
    gpus: float
    at_once: int
    notes: tuple[str, ...] = ()


def trial_resources(wanted: ResourcesConfig, nodes: Sequence[Mapping[str, Any]], num_sources: int) -> TrialResources:
    """`nodes` as `ray.nodes()` gives them, before servers start. Raises UserError where no node could run a trial."""
    totals = [node["Resources"] for node in nodes if node["Alive"] and node["Resources"].get("CPU", 0) > 0]
    if not totals:
        raise UserError("the Ray cluster has no node with a CPU; start one with `ray start`.")
    serve = num_sources > 0
    left = [
        {
            "CPU": total.get("CPU", 0) - (wanted.server_cpus if serve else 0),
            "GPU": total.get("GPU", 0) - (wanted.server_gpus if serve and total.get("GPU", 0) else 0),
        }
        for total in totals
    ]
    notes: list[str] = []
    most_gpus = max(node["GPU"] for node in left)
    auto = max(0.0, min(1.0, most_gpus))
    gpus = auto if wanted.gpus_per_trial == "auto" else wanted.gpus_per_trial
    if gpus > most_gpus:
        if most_gpus <= 0:
            raise UserError(
                f"resources.gpus_per_trial is {gpus:g}, but no node has a GPU to give (memory servers take "
                f"{wanted.server_gpus:g}). Set resources.gpus_per_trial=0, or lower resources.server_gpus."
            )
        notes.append(f"a trial asks for {gpus:g} GPU, {most_gpus:g} is left beside the memory servers: it gets that")
        gpus = most_gpus
    fitting = [node for node in left if node["GPU"] >= gpus]
    most_cpus = max(node["CPU"] for node in fitting)
    if most_cpus <= 0:
        raise UserError(
            f"memory servers take resources.server_cpus={wanted.server_cpus:g} of every node, which leaves no CPU "
            "for trials. Lower it."
        )
    cpus = wanted.cpus_per_trial
    if cpus > most_cpus:
        notes.append(f"a trial asks for {cpus:g} CPUs, {most_cpus:g} are left beside the memory servers: it gets that")
        cpus = most_cpus
    cpus, gpus = _floor(cpus), _floor(gpus)
    fit = sum(_fits(node, cpus, gpus) for node in left)
    cores = int(sum(total["CPU"] for total in totals))
    # The servers' share is bookkeeping that must not idle a core: two one-core trials still run on two cores.
    if fit < cores and gpus == 0 and cpus == 1.0 and serve:
        cpus = _floor(min(node["CPU"] / round(total["CPU"]) for node, total in zip(left, totals, strict=True)))
        fit = sum(_fits(node, cpus, gpus) for node in left)
    return TrialResources(cpus, gpus, min(fit, wanted.trials_at_once or fit), tuple(notes))


def _fits(node: Mapping[str, float], cpus: float, gpus: float) -> int:
    by_cpu = int(node["CPU"] / cpus + 1e-6)
    return min(by_cpu, int(node["GPU"] / gpus + 1e-6)) if gpus else by_cpu


def _floor(share: float) -> float:
    """Ray counts in ten-thousandths and rounds; a sum must not exceed what there is."""
    return int(share * 10_000 + 1e-6) / 10_000

"""Who gets which share of the machine: memory servers first, trials of what is left.

A trial that asks for more than any node has left after the servers would wait for ever; it is given what there is, and
the user is told.
"""

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from platform.config.errors import UserError
from platform.config.search import ResourcesConfig
from platform.results.scores import readable_bytes
from platform.tuning.cluster.nodes import name_of
from platform.tuning.trials.memory_limit import MemoryLimit

LEAST_SHARE = 0.5  # of a GPU, that `auto` gives a trial where others could have whole ones


@dataclass(frozen=True)
class TrialResources:
    """What one trial takes, how many run at once, and the sentences a user should read about it."""

    cpus: float
    gpus: float  # the largest share, where nodes give different ones
    at_once: int
    notes: tuple[str, ...] = ()
    memory_bytes: int | None = None
    serve: bool = False  # memory servers have their share of each node
    need_bytes: int | None = None  # of a GPU, where `gpus` follows from it: then other nodes may give another share

    @property
    def limit(self) -> MemoryLimit:
        """What a trial is held to. With GPUs of its own it may fill them."""
        share = self.gpus if 0 < self.gpus < 1 else None
        return MemoryLimit(gpu_share=share, num_bytes=self.memory_bytes, may_grow=self.need_bytes is not None)

    @property
    def of_ray(self) -> dict[str, float]:
        """As `tune.with_resources` takes them."""
        memory = {} if self.memory_bytes is None else {"memory": float(self.memory_bytes)}
        return {"CPU": self.cpus, "GPU": self.gpus, **memory}


@dataclass(frozen=True)
class _Left:
    """What the servers leave of a node: CPUs, of each GPU a share, bytes of memory."""

    cpus: float
    gpus: tuple[float, ...]
    memory_bytes: float
    cores: float  # with the servers'

    @classmethod
    def on(cls, total: Mapping[str, float], wanted: ResourcesConfig, *, serve: bool) -> "_Left":
        served, gpus = wanted.server_gpus if serve else 0.0, []
        for _ in range(int(total.get("GPU", 0))):
            gpus.append(max(0.0, 1 - served))
            served = max(0.0, served - 1)
        cores = total.get("CPU", 0)
        cpus = cores - (wanted.server_cpus if serve else 0)
        return cls(cpus, tuple(gpus), total.get("memory", 0), cores)

    def most_gpus(self) -> float:
        """The largest share that one trial can be given: Ray gives whole GPUs, or a part of one."""
        whole = sum(share == 1 for share in self.gpus)
        return float(whole) if whole else max(self.gpus, default=0.0)

    def fits(self, cpus: float, gpus: float, memory_bytes: int | None) -> int:
        """How many trials of this size."""
        counts = [_times(self.cpus, cpus)]
        if gpus >= 1:
            counts.append(_times(sum(share == 1 for share in self.gpus), gpus))
        elif gpus > 0:
            counts.append(sum(_times(share, gpus) for share in self.gpus))
        if memory_bytes is not None:
            counts.append(_times(self.memory_bytes, memory_bytes))
        return min(counts)


def trial_resources(
    wanted: ResourcesConfig,
    nodes: Sequence[Mapping[str, Any]],
    num_sources: int,
    need_bytes: int | None = None,
    gpu_bytes: Mapping[str, int | None] = MappingProxyType({}),
) -> TrialResources:
    """`nodes` as `ray.nodes()` gives them, before servers start. Where a trial's `need_bytes` of a GPU are known,
    `auto` follows from them and from `gpu_bytes` of each node, by its id.

    Raises UserError where no node could run a trial.
    """
    there = [node for node in nodes if node["Alive"] and node["Resources"].get("CPU", 0) > 0]
    if not there:
        raise UserError("the Ray cluster has no node with a CPU; start one with `ray start`.")
    serve = num_sources > 0
    left = [_Left.on(node["Resources"], wanted, serve=serve) for node in there]
    notes: list[str] = []
    if need_bytes is not None and max(node.most_gpus() for node in left) > 0:
        known = [gpu_bytes.get(node["NodeID"]) for node in there]
        shares = [_share(node, wanted, need_bytes, each) for node, each in zip(left, known, strict=True)]
        _tell_too_small(there, known, shares, need_bytes, notes)
    else:
        shares = [_floor(_gpus(wanted, left, notes))] * len(left)
        need_bytes = None
    usable = [(node, gpus) for node, gpus in zip(left, shares, strict=True) if gpus is not None]
    gpus = max(share for _, share in usable)
    fitting = [node for node, share in usable if node.fits(0, share, None)]
    cpus = _floor(_cpus(wanted, fitting, notes))
    can_run = [node for node, share in usable if node.fits(cpus, share, None) and node.fits(0, share, None)]
    memory_bytes = _memory_bytes(wanted, can_run, notes)
    fit = sum(node.fits(cpus, share, memory_bytes) for node, share in usable)
    # The servers' share is bookkeeping that must not idle a core: two one-core trials still run on two cores.
    if fit < int(sum(node.cores for node in left)) and gpus == 0 and cpus == 1.0 and serve:
        cpus = _floor(min(node.cpus / round(node.cores) for node in left))
        fit = sum(node.fits(cpus, gpus, memory_bytes) for node in left)
    return TrialResources(
        cpus, gpus, min(fit, wanted.trials_at_once or fit), tuple(notes), memory_bytes, serve, need_bytes
    )


def share_on(
    total: Mapping[str, float],
    wanted: ResourcesConfig,
    resources: TrialResources,
    need_bytes: int,
    gpu_bytes: int | None,
) -> float | None:
    """What a trial that needs so much asks for of a GPU of this node; None where it does not fit."""
    return _share(_Left.on(total, wanted, serve=resources.serve), wanted, need_bytes, gpu_bytes)


def trials_on(
    total: Mapping[str, float], wanted: ResourcesConfig, resources: TrialResources, gpus: float | None = None
) -> int:
    """How many trials fit on a node of these resources, beside its memory servers. `gpus`: of each, where not usual."""
    left = _Left.on(total, wanted, serve=resources.serve)
    return left.fits(resources.cpus, resources.gpus if gpus is None else gpus, resources.memory_bytes)


def _share(node: _Left, wanted: ResourcesConfig, need_bytes: int, gpu_bytes: int | None) -> float | None:
    """1/k of a GPU with room for k such trials, a whole one (but for the servers' part) where it has room for one.

    Where the processor has room for fewer, they share the GPU among them. Of a GPU that nobody knows, a whole one.
    """
    if node.most_gpus() <= 0:
        return None
    if gpu_bytes is None:
        return _floor(_gpus(wanted, [node], []))
    part, largest = need_bytes / gpu_bytes, max(node.gpus)
    num = min(int(1 / part), _times(node.cpus, wanted.cpus_per_trial) // len(node.gpus))
    alone = [share for share in node.gpus if share >= max(part, LEAST_SHARE)]
    share = 1 / num if num > 1 else min(alone, default=largest)
    share = min(share, largest)
    return _floor(share) if share >= part else None


def _tell_too_small(
    nodes: Sequence[Mapping[str, Any]],
    known: Sequence[int | None],
    shares: Sequence[float | None],
    need_bytes: int,
    notes: list[str],
) -> None:
    """Notes the nodes whose GPUs have no room for a trial. Raises UserError where no other has."""
    small = [
        f"{name_of(node)} has {readable_bytes(each)}"
        for node, each, share in zip(nodes, known, shares, strict=True)
        if share is None and each is not None
    ]
    needs = f"a trial needs about {readable_bytes(need_bytes)} of a GPU's memory beside the memory servers"
    repair = "Lower training.batch_size, or set resources.gpus_per_trial"
    if all(share is None for share in shares):
        raise UserError(f"{needs}, and no node has so much: {', '.join(small)}. {repair}.")
    if small:
        notes.append(f"{needs}: {', '.join(small)}, and gets no trials. {repair} to use it too.")


def _gpus(wanted: ResourcesConfig, left: Sequence[_Left], notes: list[str]) -> float:
    """Whole GPUs, or 1/k of one, so that k trials fill it."""
    most = max(node.most_gpus() for node in left)
    if wanted.gpus_per_trial == "auto":
        # One trial a GPU, also on that which the servers share: no other stays idle for the difference.
        worthwhile = [share for node in left for share in node.gpus if share >= LEAST_SHARE]
        return min(worthwhile, default=min(1.0, most))
    asked = wanted.gpus_per_trial
    if asked == 0:
        return 0.0
    gpus = float(math.floor(asked + 1e-6)) if asked >= 1 else 1 / math.floor(1 / asked + 1e-6)
    if not math.isclose(gpus, asked, rel_tol=1e-3):
        share = f"{gpus:g} whole ones" if gpus >= 1 else f"1/{round(1 / gpus)} of one, which as many trials fill"
        notes.append(f"resources.gpus_per_trial={asked:g} is neither a whole number of GPUs nor 1/k: it gets {share}")
    if gpus > most:
        if most <= 0:
            raise UserError(
                f"resources.gpus_per_trial is {asked:g}, but no node has a GPU to give (memory servers take "
                f"{wanted.server_gpus:g}). Set resources.gpus_per_trial=0, or lower resources.server_gpus."
            )
        notes.append(f"a trial asks for {gpus:g} GPU, {most:g} is left beside the memory servers: it gets that")
    return min(gpus, most)


def _cpus(wanted: ResourcesConfig, fitting: Sequence[_Left], notes: list[str]) -> float:
    most = max(node.cpus for node in fitting)
    if most <= 0:
        raise UserError(
            f"memory servers take resources.server_cpus={wanted.server_cpus:g} of every node, which leaves no CPU "
            "for trials. Lower it."
        )
    if wanted.cpus_per_trial > most:
        notes.append(
            f"a trial asks for {wanted.cpus_per_trial:g} CPUs, {most:g} are left beside the memory servers: "
            "it gets that"
        )
    return min(wanted.cpus_per_trial, most)


def _memory_bytes(wanted: ResourcesConfig, fitting: Sequence[_Left], notes: list[str]) -> int | None:
    if wanted.memory_per_trial is None:
        return None
    most = int(max(node.memory_bytes for node in fitting))
    if wanted.memory_per_trial > most:
        notes.append(
            f"a trial asks for {readable_bytes(wanted.memory_per_trial)} of memory, no node that could run it has more "
            f"than {readable_bytes(most)} to give: it gets that"
        )
    return min(int(wanted.memory_per_trial), most)


def _times(whole: float, part: float) -> int:
    """How often `part` fits; without limit where nothing is asked for."""
    return max(0, int(whole / part + 1e-6)) if part > 0 else sys.maxsize


def _floor(share: float) -> float:
    """Ray counts in ten-thousandths and rounds; a sum must not exceed what there is."""
    return int(share * 10_000 + 1e-6) / 10_000

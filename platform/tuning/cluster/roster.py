"""Which nodes trials may run on, and how many of them at once: nodes come, go, and are announced to be taken away.

A node that joins is asked like those that were there when the search began, gets its memory servers, and only then
trials. One that cannot take part is named with the repair and passed over. Where nodes have GPUs of different sizes,
a trial asks for the share that follows on the nodes which it is meant for (`gpu_shares.py`).
"""

import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import ray
from ray import tune
from ray.autoscaler.sdk import request_resources
from ray.tune import PlacementGroupFactory
from ray.tune.search import ConcurrencyLimiter, Searcher
from rich.console import Console

from platform.config.errors import UserError
from platform.config.search import ResourcesConfig
from platform.results.incidents import Journal
from platform.results.nodes_file import NodeState
from platform.tuning.cluster.gpu_memory import GpuMemory
from platform.tuning.cluster.gpu_need import GpuNeed
from platform.tuning.cluster.gpu_shares import GpuShares
from platform.tuning.cluster.nodes import NodeCheck, name_of, nodes_for_work
from platform.tuning.cluster.resources import TrialResources, trial_resources, trials_on
from platform.tuning.trials.preemption import draining_nodes

LOOK_S = 1.0
ASK_S = 60.0  # an autoscaler
NODE_ID = "ray.io/node-id"  # the label that Ray gives each node


def await_resources(
    wanted: ResourcesConfig,
    num_sources: int,
    console: Console,
    need: GpuNeed | None = None,
    gpu_memory: GpuMemory | None = None,
) -> TrialResources:
    """What a trial takes of the nodes there are. Where none could run one, an autoscaler is asked, and nodes are waited
    for as long as `resources.wait_minutes` allows; raises UserError after that. `need`: of a GPU, whose memory
    `gpu_memory` asks for."""
    ends, has_asked = time.monotonic() + 60 * wanted.wait_minutes, False
    try:
        while True:
            try:
                known = {} if need is None or gpu_memory is None else gpu_memory.of(nodes_for_work())
                return trial_resources(wanted, ray.nodes(), num_sources, need.of() if need else None, known)
            except UserError as error:
                if time.monotonic() >= ends:
                    raise
                if not has_asked:
                    gpus = float(need is not None) if wanted.gpus_per_trial == "auto" else wanted.gpus_per_trial
                    has_asked = True
                    request_resources(bundles=[_some({"CPU": wanted.cpus_per_trial, "GPU": gpus})])
                    console.print(f"waiting up to {wanted.wait_minutes:g} min for a node: {error}", markup=False)
            time.sleep(LOOK_S)
    finally:
        if has_asked:
            request_resources(bundles=[])  # from here on trials that wait ask for themselves


@dataclass
class Member:
    """A node that lives. One that `joins` is being asked, and gets its servers."""

    node: Mapping[str, Any]
    state: Literal["joins", "takes part", "is unfit"]
    leaves: bool = False  # it is about to be taken away

    @property
    def takes_trials(self) -> bool:
        return self.state == "takes part" and not self.leaves

    @property
    def standing(self) -> NodeState:
        return "leaves" if self.leaves else self.state


class Roster(tune.Callback):
    """Watches the nodes of the Ray that is initialised."""

    def __init__(
        self,
        wanted: ResourcesConfig,
        resources: TrialResources,
        journal: Journal,
        *,
        checked: Collection[str],
        check: NodeCheck | None = None,
        serve: Callable[[str], None] | None = None,
        shares: GpuShares | None = None,
    ) -> None:
        """The nodes `checked`, by their ids, take part from the beginning; others that are there have joined since.
        `check` asks a node that joins, `serve` starts its memory servers; both None where there is nothing to.
        `shares` tells what trials ask for of a GPU; None: all of them ask for the same."""
        self._wanted, self._resources, self._journal = wanted, resources, journal
        self._check, self._serve, self._shares = check or NodeCheck(), serve, shares
        there = {node["NodeID"]: node for node in nodes_for_work()}
        self._members = {id: Member(there[id], "takes part") for id in checked if id in there}
        self._limiter: ConcurrencyLimiter | None = None
        self._lock = threading.Lock()
        self._looked = self._asked = 0.0

    def __getstate__(self) -> dict[str, Any]:
        """Tune pickles its callbacks, and nobody reads that."""
        return {}

    def limited(self, searcher: Searcher) -> ConcurrencyLimiter:
        """It suggests as many trials at once as there is room for, from now on. Asks an autoscaler for that room."""
        self._limiter = ConcurrencyLimiter(searcher, max_concurrent=self.room())
        self._ask_autoscaler()
        return self._limiter

    def _ask_autoscaler(self) -> None:
        """For the room that is wanted. It knows one wish, the last of anybody's, so this is said again and again."""
        if self._wanted.trials_at_once is not None:
            request_resources(bundles=[self._bundle(self._resources.gpus)] * self._wanted.trials_at_once)
            self._asked = time.monotonic()

    def leave(self) -> None:
        """The search is over, and nothing is wanted of an autoscaler any more."""
        if self._wanted.trials_at_once is not None:
            request_resources(bundles=[])

    @property
    def members(self) -> dict[str, Member]:
        """The nodes that live, by their ids."""
        with self._lock:
            return dict(self._members)

    def room(self) -> int:
        """Trials that fit side by side. At least 1: where there is no node, a trial waits for one."""
        nodes = self._nodes()
        if self._shares is None:
            fit = sum(trials_on(node["Resources"], self._wanted, self._resources) for node in nodes)
        else:
            fit = self._shares.room(nodes)
        return max(1, min(fit, self._wanted.trials_at_once or fit))

    def place(self, trial: Any, *, waits: bool) -> PlacementGroupFactory:
        """See Placing: a share of a node that takes part. One that waits asks for those nodes by their names, or one
        that joins would get it before it was asked."""
        number, selector, gpus = trial.config["trial"], self._selector(named=waits), self._resources.gpus
        if self._shares is not None:
            if waits and not self._shares.is_misplaced(number, self._nodes()):
                return trial.placement_group_factory
            if (asked := self._shares.place(number, self._nodes())) is not None:
                selector, gpus = _only(asked.nodes), asked.gpus
        where = {"bundle_label_selector": [selector]} if selector else {}
        return PlacementGroupFactory([self._bundle(gpus)], **where)

    def told(self, trial: Any, error: Exception) -> Exception:
        """See Placing."""
        return error if self._shares is None else self._shares.told(trial, error, self._nodes())

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        if self._shares is not None:
            self._shares.saw(result, self._nodes())

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        if self._shares is not None:
            self._shares.forget(trial.config["trial"])

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self.on_trial_complete(iteration, trials, trial)

    def of_task(self) -> dict[str, Any]:
        """What a task asks of Ray that takes as much as a trial, as `ray.remote` takes it."""
        shares = {"num_cpus": self._resources.cpus, "num_gpus": self._resources.gpus}
        selector = self._selector()
        return {**shares, "label_selector": selector} if selector else shares

    def _nodes(self) -> list[Mapping[str, Any]]:
        """Those that take part."""
        with self._lock:
            return [each.node for each in self._members.values() if each.takes_trials]

    def _selector(self, *, named: bool = False) -> dict[str, str]:
        """The nodes that take part, in Ray's terms; empty where all do, unless they are to be `named`."""
        self.look()
        able = {
            node["NodeID"] for node in self._nodes() if self._shares is None or self._shares.share(node) is not None
        }
        if named and able:
            return _only(able)
        with self._lock:
            others = sorted(self._members.keys() - able)
        return {NODE_ID: f"!in({','.join(others)})"} if others else {}

    def on_step_begin(self, iteration: int, trials: list[Any], **info: Any) -> None:
        if time.monotonic() - self._looked > LOOK_S:
            self.look()
            if self._limiter is not None:
                self._limiter.max_concurrent = self.room()
            if time.monotonic() - self._asked > ASK_S:
                self._ask_autoscaler()

    def look(self) -> None:
        """Take note of nodes that came and went. Those that came are asked in the background."""
        self._looked = time.monotonic()
        there = {node["NodeID"]: node for node in nodes_for_work()}
        leaving = draining_nodes()
        with self._lock:
            lost = [self._members.pop(id) for id in self._members.keys() - there.keys()]
            joined = [Member(there[id], "joins") for id in there.keys() - self._members.keys()]
            self._members |= {each.node["NodeID"]: each for each in joined}
            announced = [id for id in leaving if id in self._members and not self._members[id].leaves]
            for id in announced:
                self._members[id].leaves = True
        for member in lost:
            self._journal.note("node", f"node {name_of(member.node)} was {'taken away' if member.leaves else 'lost'}")
        for id in announced:
            self._journal.note(
                "node", f"node {name_of(there[id])} is about to be taken away; its trials go on elsewhere"
            )
        for member in joined:
            threading.Thread(target=self._admit, args=(member,), name="admitting", daemon=True).start()

    def _admit(self, member: Member) -> None:
        try:
            faults = self._check.faults(member.node)
            if not faults and self._shares is not None:
                faults = self._shares.too_small(member.node)
            if not faults and self._serve is not None:
                self._serve(member.node["NodeID"])
        except (UserError, OSError, ray.exceptions.RayError) as error:
            faults = [f"node {name_of(member.node)} cannot take part: {str(error).strip().splitlines()[-1]}"]
        with self._lock:
            if self._members.get(member.node["NodeID"]) is not member:
                return  # it is gone again
            member.state = "is unfit" if faults else "takes part"
        told = faults or [f"node {name_of(member.node)} joined"]
        for sentence in told:
            self._journal.note("node", f"{sentence} It gets no trials." if faults else sentence)

    def _bundle(self, gpus: float) -> dict[str, float]:
        return _some({**self._resources.of_ray, "GPU": gpus})


def _only(nodes: Collection[str]) -> dict[str, str]:
    return {NODE_ID: f"in({','.join(sorted(nodes))})"}


def _some(bundle: dict[str, float]) -> dict[str, float]:
    """Ray takes no shares of nothing."""
    return {name: share for name, share in bundle.items() if share > 0}

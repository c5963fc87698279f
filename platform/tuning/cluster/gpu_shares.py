"""What each trial asks for of a GPU, and on which nodes, where that follows from the memory it needs.

A node's share is the trial's need by what its GPUs have; nodes with equal shares are a class. The number of places is
kept by what trials asked for (`gpu_classes.py`).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from ray.tune import TuneError

from platform.config.search import ResourcesConfig
from platform.results.incidents import Journal
from platform.results.scores import readable_bytes
from platform.tuning.cluster.gpu_classes import Asked, GpuClass, choose, room
from platform.tuning.cluster.gpu_memory import GpuMemory
from platform.tuning.cluster.gpu_need import GpuNeed
from platform.tuning.cluster.nodes import name_of
from platform.tuning.cluster.resources import TrialResources, share_on, trials_on
from platform.tuning.trials.memory_limit import GpuIsFull, TrialOutOfMemory
from platform.tuning.trials.trial import FORETOLD, TAKEN

Nodes = Sequence[Mapping[str, Any]]  # as `ray.nodes()` gives them: those that trials may run on now


class GpuShares:
    """Knows what the trials that run or wait asked for; trials go by their numbers."""

    def __init__(
        self, need: GpuNeed, memory: GpuMemory, wanted: ResourcesConfig, resources: TrialResources, journal: Journal
    ) -> None:
        self._need, self._memory = need, memory
        self._wanted, self._resources, self._journal = wanted, resources, journal
        self._asked: dict[int, Asked] = {}

    def share(self, node: Mapping[str, Any], trial: int | None = None) -> float | None:
        """Of one of the node's GPUs; None where a trial gets none there. Asks a node that was not asked before."""
        known = self._memory.of([node])[node["NodeID"]]
        if known is None and trial is not None and self._need.is_unusual(trial):
            return None  # it had a whole GPU of a size that nobody knows
        return share_on(node["Resources"], self._wanted, self._resources, self._need.of(trial), known)

    def too_small(self, node: Mapping[str, Any]) -> list[str]:
        """Why the node gets no trials, where its GPUs have no room for one."""
        known = self._memory.of([node])[node["NodeID"]]
        if known is None or self.share(node) is not None:
            return []
        return [
            f"node {name_of(node)} has {readable_bytes(known)} of GPU memory, and a trial needs about "
            f"{readable_bytes(self._need.of())}: lower training.batch_size in the next search."
        ]

    def place(self, trial: int, nodes: Nodes) -> Asked | None:
        """What a trial that begins to wait asks for; None where no node has room for it."""
        if (asked := self._choose(trial, nodes)) is None:
            self.forget(trial)
        else:
            self._asked[trial] = asked
        return asked

    def is_misplaced(self, trial: int, nodes: Nodes) -> bool:
        """Have other nodes room for a trial that waits, or are those gone that it waits for?"""
        return self._choose(trial, nodes) not in (None, self._asked.get(trial))

    def forget(self, trial: int) -> None:
        """It has ended."""
        self._asked.pop(trial, None)

    def room(self, nodes: Nodes) -> int:
        """Trials that fit side by side."""
        unusual = Counter(asked for trial, asked in self._asked.items() if self._need.is_unusual(trial))
        return room(self._classes(nodes), unusual)

    def told(self, trial: Any, error: Exception, nodes: Nodes) -> Exception:
        """One of Tune's trials failed. If it filled its GPU, it is tried again with twice as much, where that fits."""
        number, full = trial.config["trial"], getattr(error, "cause", None)
        asked = self._asked.get(number)
        if asked is None or not isinstance(full, GpuIsFull):
            return error
        before = self._need.of(number)
        had = [self._memory.of([node])[node["NodeID"]] or 0 for node in nodes if node["NodeID"] in asked.nodes]
        now = self._need.was_too_small(number, int(asked.gpus * max(had, default=0)))
        needs = f"needs more than {readable_bytes(before)} of a GPU's memory"
        if not nodes or self._classes(nodes, number):
            self._journal.note("trial", f"trial {number} {needs}: it is given {readable_bytes(now)}", number)
            return error
        trial.max_failures = 0
        # As a traceback ends, from which the reason is taken.
        kind = f"{TrialOutOfMemory.__module__}.{TrialOutOfMemory.__name__}"
        return TuneError(f"{kind}: {full}; it {needs}, and no node has {readable_bytes(now)}")

    def saw(self, result: Mapping[str, Any], nodes: Nodes) -> None:
        """A trial's row, which tells what it took: later ones are given what follows from that."""
        if TAKEN not in result:
            return
        before = [self.share(node) for node in nodes]
        self._need.saw(result[TAKEN], result[FORETOLD])
        if [self.share(node) for node in nodes] != before:
            self._journal.note(
                "trial",
                f"trials take {self._need.factor:.2g} times the GPU memory that was foretold: from now on they are "
                f"given {readable_bytes(self._need.of())}",
            )

    def _choose(self, trial: int, nodes: Nodes) -> Asked | None:
        others = Counter(asked for number, asked in self._asked.items() if number != trial)
        return choose(self._classes(nodes, trial), others, self._asked.get(trial))

    def _classes(self, nodes: Nodes, trial: int | None = None) -> list[GpuClass]:
        of_share: dict[float, dict[str, Mapping[str, float]]] = {}
        for node in nodes:
            if (share := self.share(node, trial)) is not None:
                of_share.setdefault(share, {})[node["NodeID"]] = node["Resources"]
        return [GpuClass(share, each, self._fits) for share, each in of_share.items()]

    def _fits(self, total: Mapping[str, float], gpus: float) -> int:
        return trials_on(total, self._wanted, self._resources, gpus)

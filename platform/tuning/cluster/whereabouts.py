"""Which trial runs on which node, which nodes have memory servers, and what waits for what: for who looks on."""

import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

import ray
from ray import tune

from platform.results.nodes_file import NodeNow, Nodes, write_nodes
from platform.results.run_folder import RunFolder
from platform.tuning.cluster.nodes import name_of
from platform.tuning.cluster.roster import Member, Roster
from platform.tuning.trials.living import Living
from platform.tuning.trials.usage import asked_of_ray

LOOK_S = 2.0
ANSWERS = ("memory.ready", "memory.computed")  # in a trial's row; each of its processes counts from nothing


class Whereabouts(tune.Callback):
    """Keeps `nodes`, and writes them to the run folder as they change."""

    def __init__(
        self,
        roster: Roster,
        folder: RunFolder,
        servers: Callable[[], "ray.ObjectRef[Mapping[str, int]]"] | None = None,
    ) -> None:
        """`servers` asks how many memory servers each node has, by its id; None where nothing is served."""
        self.nodes = Nodes()
        self._roster, self._folder = roster, folder
        self._ask, self._asked = servers, servers() if servers is not None else None
        self._living = Living()
        self._servers: Mapping[str, int] = {}
        self._node_of_actor: dict[str, str] = {}
        self._last: dict[int, tuple[float, ...]] = {}  # of each running trial
        self._answers: defaultdict[str, list[float]] = defaultdict(lambda: [0.0] * len(ANSWERS))  # of each node
        self._looked = 0.0

    def __getstate__(self) -> dict[str, Any]:
        """Tune pickles its callbacks, and nobody reads that."""
        return {}

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        number, now = trial.config["trial"], tuple(float(result.get(name, 0.0)) for name in ANSWERS)
        before = self._last.get(number, (0.0,) * len(now))
        if sum(now) < sum(before):
            before = (0.0,) * len(now)
        self._last[number] = now
        if (node := self._node(trial)) is not None:
            for place, (new, old) in enumerate(zip(now, before, strict=True)):
                self._answers[node][place] += new - old

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        if time.monotonic() - self._looked >= LOOK_S:
            self._looked = time.monotonic()
            self._hear_of_servers()
            self._look(self._living.of(trials))

    def on_experiment_end(self, trials: list[Any], **info: Any) -> None:
        """No trial runs any more, and the driver may still be at work for long."""
        self._look([])

    def _look(self, living: list[Any]) -> None:
        running = {trial.config["trial"]: trial for trial in living if trial.status == "RUNNING"}
        self._last = {number: last for number, last in self._last.items() if number in running}
        of_node: defaultdict[str, list[int]] = defaultdict(list)
        for number, trial in sorted(running.items()):
            if (node := self._node(trial)) is not None:
                of_node[node].append(number)
        waiting = sorted(
            (trial for trial in living if trial.status == "PENDING"), key=lambda trial: int(trial.config["trial"])
        )
        members = self._roster.members
        nodes = tuple(self._node_now(id, member, of_node[id]) for id, member in members.items())
        joining = [name_of(member.node) for member in members.values() if member.state == "joins"]
        seen = Nodes(nodes=nodes, waits=self._waits(waiting, joining))
        if seen != self.nodes:
            self.nodes = seen
            write_nodes(self._folder.nodes, seen)

    def _node(self, trial: Any) -> str | None:
        """On which its process is; Ray is asked once about each process."""
        if (actor := trial.temporary_state.ray_actor) is None:
            return None
        key = actor._actor_id.hex()
        if key not in self._node_of_actor:
            if not (node := ray._private.state.actors(key).get("Address", {}).get("NodeID")):
                return None
            self._node_of_actor[key] = node
        return self._node_of_actor[key]

    def _hear_of_servers(self) -> None:
        if self._ask is None or self._asked is None or not ray.wait([self._asked], timeout=0)[0]:
            return
        try:
            self._servers = ray.get(self._asked)
        except ray.exceptions.RayError:
            self._servers = {}
        self._asked = self._ask()

    def _node_now(self, id: str, member: Member, trials: list[int]) -> NodeNow:
        ready, computed = self._answers[id]
        return NodeNow(
            name=name_of(member.node),
            state=member.standing,
            cpus=member.node["Resources"].get("CPU", 0.0),
            gpus=member.node["Resources"].get("GPU", 0.0),
            trials=tuple(trials),
            servers=self._servers.get(id, 0),
            ready=ready,
            computed=computed,
        )

    @staticmethod
    def _waits(trials: list[Any], joining: list[str]) -> tuple[str, ...]:
        told = []
        for trial in trials[:1]:
            asked = " and ".join(f"{share:g} {name}" for name, share in asked_of_ray(trial).items() if share)
            told.append(f"trial {trial.config['trial']} waits for {asked}")
        told += [f"{len(trials) - 1} more wait"] if len(trials) > 1 else []
        return (*told, *(f"{name} is asked, and gets its memory servers" for name in joining))

"""What a search with memory servers uses: their share of a GPU is held on every node that takes part, also on one that
joins later, and on none that is lost."""

from typing import Any

from platform.results.progress import Running
from platform.tuning.cluster.roster import Roster
from platform.tuning.trials.usage import Usage


class ServedUsage(Usage):
    """Counts the servers from when it follows a roster."""

    def __init__(self, before: Running, began: float, *, gpus_of_node: float) -> None:
        """`gpus_of_node`: what the servers of a node that has GPUs hold of them."""
        super().__init__(before, began, server_gpus=0.0)
        self._gpus_of_node = gpus_of_node
        self._roster: Roster | None = None

    def follow(self, roster: Roster) -> None:
        self._roster = roster

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        if self._roster is not None:
            nodes = [each.node for each in self._roster.members.values() if each.state == "takes part"]
            self._server_gpus = self._gpus_of_node * sum(node["Resources"].get("GPU", 0) > 0 for node in nodes)
        super().on_step_end(iteration, trials, **info)

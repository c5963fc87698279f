"""Nodes that are about to be taken away, of which a cloud, an autoscaler or `ray drain-node` gives notice to Ray."""

import ray
from ray.exceptions import RayActorError, RayError


class Preempted(RayActorError):
    """Raised by a trial that is to go on elsewhere: Tune begins it again from its checkpoint, and counts no failure."""

    preempted = True

    def __init__(self, text: str) -> None:
        super().__init__()
        self.base_error_msg = text

    def __str__(self) -> str:
        return str(self.base_error_msg)

    def __reduce__(self) -> tuple[type, tuple[str]]:
        return type(self), (str(self),)


class NodeIsTakenAway(Preempted):
    """Raised on such a node, once the trial has saved itself."""

    def __init__(self, text: str = "its node is about to be taken away") -> None:
        super().__init__(text)


def draining_nodes() -> set[str]:
    """Their ids, as Ray knows them now; none where it does not answer."""
    try:
        return set(ray._private.state.state.get_draining_nodes())
    except (RayError, OSError):
        return set()


def is_taken_away(node: str) -> bool:
    return node in draining_nodes()

"""How much memory the GPUs of each node have: asked of the node, or told by a label of its Ray."""

import contextlib
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import ray

from platform.config.errors import UserError
from platform.tuning.cluster.nodes import ANSWER_S, NoAnswer, answer_of, ask, name_of

LABEL = "tmu-gpu-gib"  # `ray start --labels tmu-gpu-gib=16`: counts before what the node says
GIB = 1 << 30


class GpuMemory:
    """Asks each node of the Ray that is initialised once. Of a node with unlike GPUs the smallest counts."""

    def __init__(self) -> None:
        self._told: dict[str, int | None] = {}

    def of(self, nodes: Sequence[Mapping[str, Any]]) -> dict[str, int | None]:
        """Bytes of a GPU of each of `nodes`, as `ray.nodes()` gives them, by its id. None where it has no GPU, or does
        not tell. Raises UserError for a label that is no size."""
        unknown = [node for node in nodes if node["NodeID"] not in self._told]
        labelled = {node["NodeID"]: _label(node) for node in unknown}
        unlabelled = [node["NodeID"] for node in unknown if labelled[node["NodeID"]] is None and _has_gpu(node)]
        asked = {id: ask(id, _asker(), max_calls=1) for id in unlabelled}
        if asked:
            ray.wait(list(asked.values()), num_returns=len(asked), timeout=ANSWER_S)
        self._told |= labelled | {id: _answer(answer) for id, answer in asked.items()}
        return {node["NodeID"]: self._told[node["NodeID"]] for node in nodes}


def _has_gpu(node: Mapping[str, Any]) -> bool:
    return bool(node["Resources"].get("GPU", 0) > 0)


def _label(node: Mapping[str, Any]) -> int | None:
    told = node.get("Labels", {}).get(LABEL)
    if told is None or not _has_gpu(node):
        return None
    with contextlib.suppress(ValueError):
        if 0 < (gib := float(told)) < math.inf:
            return int(gib * GIB)
    raise UserError(
        f"node {name_of(node)} has the label {LABEL}={told}, which is no number of GiB. Start its Ray with what one of "
        f"its GPUs has, for example `ray start --labels {LABEL}=16`."
    )


def _asker() -> Callable[[], int | None]:
    """Pickled by value, because it is no attribute of a module."""

    def ask() -> int | None:
        try:
            import torch

            count = torch.cuda.device_count() if torch.cuda.is_available() else 0
            return min((torch.cuda.get_device_properties(n).total_memory for n in range(count)), default=None)
        except (ImportError, RuntimeError):  # no torch, or a driver that is broken
            return None

    return ask


def _answer(asked: "ray.ObjectRef[int | None]") -> int | None:
    with contextlib.suppress(NoAnswer):
        return cast(int | None, answer_of(asked, 0))
    return None

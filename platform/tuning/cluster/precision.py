"""In which precision `training.precision: auto` computes on a cluster: decided once, from what its nodes say.

So trials on unlike machines compute alike and can be compared.
"""

from collections.abc import Mapping
from typing import Any

import ray
import torch

from platform.config.errors import UserError
from platform.config.run import RunConfig
from platform.config.training import Precision
from platform.training.precision import settled_precision
from platform.tuning.cluster.nodes import ANSWER_S, NoAnswer, answer_of, ask, lives, name_of, nodes_for_work


def settle_precision(config: RunConfig, *, on_gpu: bool) -> RunConfig:
    """The same without `auto`. Raises UserError that names a node which does not say what it can."""
    precision = config.training.precision
    if precision == "auto":
        precision = _precision_of_nodes(on_gpu=on_gpu)
    return config.model_copy(update={"training": config.training.model_copy(update={"precision": precision})})


def _precision_of_nodes(*, on_gpu: bool) -> Precision:
    """bfloat16 where every node that may run trials computes in it. One that is lost meanwhile is nobody's concern."""
    nodes = [node for node in nodes_for_work() if not on_gpu or node["Resources"].get("GPU")]
    if not on_gpu and [node["NodeID"] for node in nodes] == [ray.get_runtime_context().get_node_id()]:
        return settled_precision("auto", torch.device("cpu"))
    device = torch.device("cuda" if on_gpu else "cpu")
    # A task without a share of the GPUs sees them all (Ray 2.60, `set_visible_accelerator_ids`), however full they are.
    asked = [ask(node["NodeID"], settled_precision, "auto", device, max_calls=1) for node in nodes]
    if asked:
        ray.wait(asked, num_returns=len(asked), timeout=ANSWER_S)
    told = {_told(node, answer) for node, answer in zip(nodes, asked, strict=True)} - {None}
    return "bfloat16" if told == {"bfloat16"} else "float32"


def _told(node: Mapping[str, Any], asked: "ray.ObjectRef[Any]") -> Precision | None:
    """None of a node that is lost."""
    try:
        told: Precision = answer_of(asked, 0)
    except NoAnswer as silence:
        if not lives(node):
            return None
        raise UserError(
            f"node {name_of(node)} {silence} With training.precision=float32 no node is asked how it computes."
        ) from None
    return told

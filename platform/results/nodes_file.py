"""`nodes.json`: the nodes of the cluster that a search runs on, who runs what, and what waits for what."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt

from platform.config.bounded import LARGE_BYTES, Refused, parse_json, read_bounded
from platform.config.model import Model
from platform.results.record import TrialNumber
from platform.results.replacing import replace_text

MOST_NODES = 10_000
NodeState = Literal["joins", "takes part", "is unfit", "leaves"]


class NodeNow(Model):
    """One node. `ready` and `computed`: the blocks of memory that its trials asked for, by whether they were stored."""

    name: str
    state: NodeState
    cpus: NonNegativeFloat
    gpus: NonNegativeFloat
    trials: tuple[TrialNumber, ...] = ()  # that run there
    servers: NonNegativeInt = 0  # of memory
    ready: NonNegativeFloat = 0.0
    computed: NonNegativeFloat = 0.0


class Nodes(Model):
    """The file. `waits`: what waits for what, in sentences."""

    schema_version: int = 1
    nodes: Annotated[tuple[NodeNow, ...], Field(max_length=MOST_NODES)] = ()
    waits: tuple[str, ...] = ()


def write_nodes(path: Path, nodes: Nodes) -> None:
    replace_text(path, nodes.model_dump_json())


def read_nodes(path: Path) -> Nodes:
    """Nothing where there is no such file, or none that this release reads: it is for looking at, and soon renewed."""
    try:
        return parse_json(read_bounded(path, LARGE_BYTES), Nodes)
    except (OSError, Refused):
        return Nodes()

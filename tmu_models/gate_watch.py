"""Looking at the gates of a trained target while it predicts, and shutting some of them.

With its gate shut a source adds nothing: `mean` and `sum` leave out its term, `softmax` shares its weight out among the
others, `released` carries c^ in its place, as its cell does where a gate is closed.
"""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from tmu_models.cell import CellState, CellStep, Projected, source_key
from tmu_models.errors import ShapeError
from tmu_models.network import VideoPredictor
from tmu_models.pointwise import apart
from tmu_models.released import ReleasedTMUCell
from tmu_models.tmu import TMUCell, TransferGates

# B clips, H hidden channels, h w grid cells


@dataclass(frozen=True)
class GateStep:
    """One layer in one time step, for each source (B, h, w). `openness`: the gate, from 0 to 1, mean over channels.
    `drawn`: how far the memory carried on would differ with this gate shut, and `carried` the memory itself, both as
    root mean square over channels."""

    openness: Mapping[str, torch.Tensor]
    drawn: Mapping[str, torch.Tensor]
    carried: torch.Tensor


@contextmanager
def watch_gates(network: VideoPredictor, shut: Collection[str] = ()) -> Iterator[dict[int, list[GateStep]]]:
    """The steps of each TMU layer, as the network makes them meanwhile; those of sources named in `shut` stay shut.

    For evaluation: nothing is differentiated through what is told. Raises ShapeError for a source no layer draws on.
    """
    layers = {n: cell for n, cell in enumerate(network.cells) if isinstance(cell, (TMUCell, ReleasedTMUCell))}
    known = {name for cell in layers.values() for name in _sources(cell)}
    if unknown := sorted(set(shut) - known):
        raise ShapeError(f"no layer draws on {unknown[0]!r}; sources: {', '.join(sorted(known)) or 'none'}")
    told: dict[int, list[GateStep]] = {layer: [] for layer in layers}
    watched: list[Any] = []
    try:
        for layer, cell in layers.items():
            place = cell.gates if isinstance(cell, TMUCell) else cell
            advance: Any = _advance_gates if isinstance(cell, TMUCell) else _advance_released
            place.__dict__["advance"] = partial(advance, place, set(shut), told[layer])  # before the class's own
            watched.append(place)
        yield told
    finally:
        for place in watched:
            del place.__dict__["advance"]


def _sources(cell: TMUCell | ReleasedTMUCell) -> tuple[str, ...]:
    return cell.gates.sources if isinstance(cell, TMUCell) else cell.sources


def _advance_gates(
    gates: TransferGates,
    shut: Collection[str],
    told: list[GateStep],
    projected: Projected,
    hidden: torch.Tensor | None,
    proposed: torch.Tensor,
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """`TransferGates.advance`, told."""
    memory, distilled = TransferGates.advance(gates, projected, hidden, proposed)
    drawn = {name: gates.expanders[source_key(name)](distilled[name]).to(proposed.dtype) for name in gates.sources}
    opened = gates.opened(projected, hidden, proposed)
    if shut:
        opened = _shut(gates.merge, opened, shut)
        memory = _blend(gates.merge, proposed, drawn, opened)
    told.append(_step(gates.merge, proposed, drawn, opened, memory))
    return memory, distilled


def _advance_released(
    cell: ReleasedTMUCell,
    shut: Collection[str],
    told: list[GateStep],
    projected: Projected,
    state: CellState,
    flow: torch.Tensor | None,
) -> CellStep:
    """`ReleasedTMUCell.advance`, told."""
    step = ReleasedTMUCell.advance(cell, projected, state, flow)
    assert step.distilled is not None
    gates, proposed = cell.proposed(projected, state)
    shares = apart(gates, len(cell.sources))
    opened = {name: torch.sigmoid(s.to(proposed.dtype)) for name, s in zip(cell.sources, shares, strict=True)}
    drawn = {name: each.to(proposed.dtype) for name, each in step.distilled.items()}
    if shut:
        opened = _shut("released", opened, shut)
        memory = _blend("released", proposed, drawn, opened)
        step = step._replace(state=CellState(step.state.hidden, memory))
    told.append(_step("released", proposed, drawn, opened, step.state.memory))
    return step


def _step(
    merge: str,
    proposed: torch.Tensor,
    drawn: Mapping[str, torch.Tensor],
    opened: Mapping[str, torch.Tensor],
    memory: torch.Tensor,
) -> GateStep:
    without = {name: _blend(merge, proposed, drawn, _shut(merge, opened, {name})) for name in drawn}
    return GateStep(
        openness={name: opened[name].expand_as(proposed).float().mean(dim=1) for name in drawn},
        drawn={name: _rms(memory - without[name]) for name in drawn},
        carried=_rms(memory),
    )


def _rms(values_BHhw: torch.Tensor) -> torch.Tensor:
    return values_BHhw.float().square().mean(dim=1).sqrt()


def _shut(merge: str, opened: Mapping[str, torch.Tensor], shut: Collection[str]) -> dict[str, torch.Tensor]:
    left: Any = 1.0
    if merge == "softmax":
        left = 1 - sum(opened[name] for name in opened if name in shut)
    return {name: torch.zeros_like(o) if name in shut else o / left for name, o in opened.items()}


def _blend(
    merge: str, proposed: torch.Tensor, drawn: Mapping[str, torch.Tensor], opened: Mapping[str, torch.Tensor]
) -> torch.Tensor:
    """The memory carried on: the merges of `tmu.py` and `released.py`, from gates that are open so far."""
    memory = proposed
    for name, each in drawn.items():
        o = opened[name]
        if merge == "mean":
            memory = memory + o * (each - proposed) / len(drawn)
        elif merge == "softmax":
            memory = memory + o * (each - proposed)
        elif merge == "sum":
            memory = memory + o * each
        else:
            memory = memory + o * each + (1 - o) * proposed
    return memory

"""The families of networks. A new one is a file with its cell and a line here."""

from typing import Protocol

from tmu_models.cell import Cell
from tmu_models.convlstm import ConvLSTMCell, OpenSTLConvLSTMCell
from tmu_models.errors import ShapeError
from tmu_models.stlstm import STLSTMCell


class MakeCell(Protocol):
    """Builds one layer's cell; with a layer norm where `norm_grid` (h, w) gives its shape."""

    def __call__(
        self, in_channels: int, hidden_channels: int, kernel_size: int, norm_grid: tuple[int, int] | None = None
    ) -> Cell: ...


FAMILIES: dict[str, MakeCell] = {
    "convlstm": ConvLSTMCell,
    "convlstm_openstl": OpenSTLConvLSTMCell,
    "predrnn": STLSTMCell,
}


def cell_maker(family: str) -> MakeCell:
    """Raises ShapeError for a family that is not registered."""
    if family not in FAMILIES:
        raise ShapeError(f"no family {family!r}; known: {', '.join(FAMILIES)}")
    return FAMILIES[family]

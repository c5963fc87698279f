"""The families of networks. A new one is a file with its cell and a line here.

Families of other packages join through the entry point group `transferable_memory.families`: a name, and a Cell class
that is called like those below. A configuration names families, never code.
"""

from functools import cache
from importlib.metadata import entry_points

from tmu_models.cell import Cell
from tmu_models.convlstm import ConvLSTMCell, OpenSTLConvLSTMCell
from tmu_models.errors import ShapeError
from tmu_models.stlstm import STLSTMCell

ENTRY_POINTS = "transferable_memory.families"

# Called as Family(in_channels, hidden_channels, kernel_size, norm_grid); norm_grid (h, w) asks for layer norms.
FAMILIES: dict[str, type[Cell]] = {
    "convlstm": ConvLSTMCell,
    "convlstm_openstl": OpenSTLConvLSTMCell,
    "predrnn": STLSTMCell,
}


@cache
def known_families() -> dict[str, type[Cell]]:
    """Our families and those of installed packages. Raises ShapeError for an entry point that is no Cell."""
    found = dict(FAMILIES)
    for point in entry_points(group=ENTRY_POINTS):
        family = point.load()
        if not (isinstance(family, type) and issubclass(family, Cell)):
            raise ShapeError(f"entry point {point.name!r} ({point.value}) is no subclass of tmu_models.Cell")
        if point.name in FAMILIES:
            raise ShapeError(
                f"entry point {point.name!r} ({point.value}) takes the name of a built-in family; rename it"
            )
        found[point.name] = family
    return found


def cell_class(family: str) -> type[Cell]:
    """Raises ShapeError for a family that nobody registered."""
    families = known_families()
    if family not in families:
        raise ShapeError(f"no family {family!r}; known: {', '.join(families)}")
    return families[family]

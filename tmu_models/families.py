"""The families of networks. A new one is a file with its cell and a line here.

Families of other packages join through the entry point group `transferable_memory.families`: a name, and a Cell class
that is called like those below. A configuration names families, never code.
"""

from functools import cache
from importlib.metadata import EntryPoint, entry_points

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
def _entry_points() -> dict[str, EntryPoint]:
    """What installed packages offer, by name; nothing is imported."""
    return {point.name: point for point in entry_points(group=ENTRY_POINTS)}


def known_families() -> tuple[str, ...]:
    """The names of our families and of those that installed packages offer."""
    return (*FAMILIES, *(name for name in _entry_points() if name not in FAMILIES))


def cell_class(family: str) -> type[Cell]:
    """Imports a package's family when it is asked for, so that a broken one disturbs no other.

    Raises ShapeError for a family that nobody registered, and for an entry point that is no Cell, cannot be imported,
    or takes the name of a built-in family.
    """
    point = _entry_points().get(family)
    if point is None:
        if family not in FAMILIES:
            raise ShapeError(f"no family {family!r}; known: {', '.join(known_families())}")
        return FAMILIES[family]
    if family in FAMILIES:
        raise ShapeError(f"entry point {family!r} ({point.value}) takes the name of a built-in family; rename it")
    try:
        found = point.load()
    except Exception as error:  # whatever a package's import raises
        raise ShapeError(
            f"family {family!r} ({point.value}) cannot be imported: {error!r}; mend its package"
        ) from error
    if not (isinstance(found, type) and issubclass(found, Cell)):
        raise ShapeError(f"entry point {family!r} ({point.value}) is no subclass of tmu_models.Cell")
    return found

"""Nothing of ours unpickles a file: a pickle is a program, and running it is what reading it means."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
# Dates of MeteoNet's files: every instruction is looked at first, and nothing that they name is known.
LOOKED_AT_FIRST = "platform/benchmarks/formats/pickled_times.py"
UNPICKLES = {"torch.load", "pandas.read_pickle", "pd.read_pickle", "joblib.load", "numpy.load", "np.load"}
MODULES = {"pickle", "_pickle", "cloudpickle", "dill", "shelve", "marshal", "joblib"}


def named(tree: ast.AST) -> Iterator[str]:
    """Modules that are imported, and functions that are named by their module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (node.module, *(f"{node.module}.{alias.name}" for alias in node.names))
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            yield f"{node.value.id}.{node.attr}"


def test_no_file_is_unpickled() -> None:
    found = {
        str(path.relative_to(ROOT)): names
        for package in ("platform", "tmu_models")
        for path in (ROOT / package).glob("**/*.py")
        if (names := {*named(ast.parse(path.read_text()))} & (UNPICKLES | MODULES))
    }
    assert found == {LOOKED_AT_FIRST: {"pickle"}}

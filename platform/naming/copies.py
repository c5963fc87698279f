"""Refuse to run on two copies of the project at once.

`platform` is looked up when the interpreter starts (see `finder.py`), `tmu_models` when it is imported, and
by then Python has put the current folder first. Somebody who installed the wheel and stands in a checkout,
or who installed one checkout and stands in another, would search with half of each.
"""

import importlib.util
from pathlib import Path


class MixedCopies(SystemExit):
    """Two copies of the project are in use. Left uncaught it prints its message and exits with code 1."""


def check_single_copy() -> None:
    """Raise MixedCopies unless `platform` and `tmu_models` stand side by side. Commands call this first."""
    platform_home, models_home = _home_of("platform"), _home_of("tmu_models")
    if models_home is None:
        raise MixedCopies(
            f"`platform` comes from {platform_home}, but there is no `tmu_models`, beside it or elsewhere: "
            "the installation is incomplete. Install again: `pip install --force-reinstall "
            "transferable-memory`, or `pip install -e .` in a checkout."
        )
    if platform_home != models_home:
        raise MixedCopies(
            f"`platform` comes from {platform_home}, but `tmu_models` from {models_home}: two copies of this "
            f"project are mixed. Run the command from a folder outside {models_home}, or make that copy the "
            f"installed one: pip install -e {models_home}"
        )


def _home_of(package: str) -> Path | None:
    """The folder that holds the package, None if there is no such package; imports nothing."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations))).resolve().parent

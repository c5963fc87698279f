"""The configuration of a run that is gone on with: its own, with more trials or a larger budget at most."""

from collections.abc import Sequence
from pathlib import Path

from platform.config.errors import UserError
from platform.config.load import differences, load_resolved, load_run
from platform.config.run import RunConfig

BUDGET = "search.budget."
GROWS = (BUDGET, "search.trials:")  # what may differ from the YAML that the run was begun with


def resumed_config(resolved: Path, *, yaml: str | None, overrides: Sequence[str] = (), extend: int = 0) -> RunConfig:
    """Of the run whose config.yaml is at `resolved`, with `extend` trials more.

    Raises UserError where a `yaml` is given beside it that differs, or overrides change anything but the budget.
    """
    config = load_resolved(resolved)
    if yaml is not None and (found := _differences(yaml, config)):
        raise UserError(
            f"{yaml} is not what {resolved.parent} was begun with:\n  " + "\n  ".join(found) + "\nLeave the YAML out, "
            "or begin a new search with it."
        )
    if fixed := [override for override in overrides if not override.startswith(BUDGET)]:
        raise UserError(
            f"--set {fixed[0]}: a run goes on with its own configuration; beside --resume only search.budget can be "
            "changed, and --extend adds trials."
        )
    longer = [f"search.trials={config.search.trials + extend}"] if extend else []
    return load_resolved(resolved, overrides=[*overrides, *longer])


def _differences(yaml: str, config: RunConfig) -> list[str]:
    given = load_run(yaml, profile=config.profile)
    if given.training.precision == "auto":  # which was settled when the run began
        training = given.training.model_copy(update={"precision": config.training.precision})
        given = given.model_copy(update={"training": training})
    return [line for line in differences(given, config) if not line.startswith(GROWS)]

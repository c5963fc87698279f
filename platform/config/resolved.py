"""A run's own configuration, every choice made: written to its folder, read back, compared, and gone on with."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from platform.config.errors import UserError
from platform.config.load import load_run
from platform.config.places import read_yaml
from platform.config.run import RunConfig

BUDGET = "search.budget."
# What may differ from the YAML that the run was begun with: options said it, or say it anew.
GROWS = (BUDGET, "search.trials:", "search.warm_start:")


def dump_run(config: RunConfig) -> str:
    """The resolved run as YAML; `load_run` reads it back to an equal value."""
    data = _without_idle_nulls(config, config.model_dump(mode="json", by_alias=True))
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True)


def _without_idle_nulls(model: BaseModel, data: dict[str, Any]) -> dict[str, Any]:
    """What was dumped from `model`, less each null that is there by default. Others mean something: `asha: null`."""
    for name, info in type(model).model_fields.items():
        key, value = info.alias or name, getattr(model, name)
        if value is None and info.default is None:
            del data[key]
        elif isinstance(value, BaseModel):
            _without_idle_nulls(value, data[key])
        elif isinstance(value, dict):
            for inner, held in value.items():
                if isinstance(held, BaseModel):
                    _without_idle_nulls(held, data[key][inner])
    return data


def load_resolved(path: Path, *, overrides: Sequence[str] = ()) -> RunConfig:
    """The run that `dump_run` wrote to `path`, with the profile it was resolved for. UserError names all faults."""
    if not path.is_file():
        raise UserError(f"{path.parent} is no run folder: it has no {path.name}.")
    data, _, faults = read_yaml(path)
    profile = data.get("profile")
    if faults or profile not in ("laptop", "full"):
        raise UserError(f"{path} is no run's config.yaml: " + "; ".join(map(str, faults or ["it names no profile"])))
    return load_run(str(path), profile=profile, overrides=overrides)


def differences(one: RunConfig, other: RunConfig) -> list[str]:
    """`training.epochs: 3 here, 5 there`, for everything that differs."""
    ours, theirs = (_flat(config.model_dump(mode="json", by_alias=True)) for config in (one, other))
    names = sorted(name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name))
    return [f"{name}: {ours.get(name)} here, {theirs.get(name)} there" for name in names]


def _flat(data: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(data, dict) or not data:
        return {prefix: data}
    flat: dict[str, Any] = {}
    for key, value in data.items():
        flat |= _flat(value, f"{prefix}.{key}" if prefix else str(key))
    return flat


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
    given = settled_as(config, load_run(yaml, profile=config.profile))
    return [line for line in differences(given, config) if not line.startswith(GROWS)]


def settled_as(run: RunConfig, given: RunConfig) -> RunConfig:
    """`given`, with what `auto` became when `run` began."""
    if given.training.precision != "auto":
        return given
    training = given.training.model_copy(update={"precision": run.training.precision})
    return given.model_copy(update={"training": training})

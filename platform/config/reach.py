"""What the trials of a run can come to: the values a setting may take, and the memories that sources may serve."""

from typing import Any

from platform.config.network import NetworkConfig
from platform.config.run import RunConfig
from platform.config.trial import TrialSettings


def possible(run: RunConfig, name: str, base: Any) -> tuple[Any, ...]:
    """The values (of a range, its bounds) that the setting `name` has in some trial; `base` where it is not drawn."""
    parameter = run.search.space.get(name)
    if parameter is None:
        return (base,)
    drawn = parameter.choice or parameter.float_bounds or parameter.int_bounds or ()
    return (*drawn, base) if parameter.when else drawn


def drawable_sources(run: RunConfig) -> tuple[str, ...]:
    """The sources that some trial of this run's search may imitate."""
    drawn = run.search.space.get("sources")
    return (drawn.subset or ()) if drawn is not None else run.trial.sources


def memory_of(run: RunConfig, settings: TrialSettings, source: str) -> str:
    """Which memory of a source a trial imitates: its own setting, else that of all sources, else the source's."""
    return settings.distil.memories.get(source) or settings.memory or run.sources[source].memory


def imitated_memories(run: RunConfig) -> dict[str, tuple[str, ...]]:
    """Of each source every memory that a trial of the search, or a compared setting, may imitate."""
    found: dict[str, list[str]] = {name: searched_memories(run, name) for name in drawable_sources(run)}
    for settings in run.compare.settings.values():
        for name in settings.sources:
            found.setdefault(name, []).append(memory_of(run, settings, name))
    return {name: tuple(dict.fromkeys(memories)) for name, memories in found.items()}


def searched_memories(run: RunConfig, source: str) -> list[str]:
    """The memories of one source that a trial of the search may imitate."""
    own = possible(run, f"sources.{source}.memory", run.trial.distil.memories.get(source))
    for_all = possible(run, "memory", run.trial.memory)
    unset = run.sources[source].memory
    return [memory for one in own for memory in ([one] if one else [every or unset for every in for_all])]


def network_memories(network: NetworkConfig) -> dict[str, int]:
    """The memories of a network, and the channels of each, told without building it.

    Empty for a family that nobody knows or whose package is broken: that is a fault of its own.
    """
    from tmu_models import ShapeError  # torch: only a valid file waits for it
    from tmu_models.families import cell_class

    try:
        has_flow = cell_class(network.family).has_flow
    except ShapeError:
        return {}
    kinds = ("cell", "spatiotemporal") if has_flow else ("cell",)
    return {f"{kind}/{layer}": width for kind in kinds for layer, width in enumerate(network.hidden)}

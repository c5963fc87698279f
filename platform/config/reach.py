"""What the trials of a run can come to: the values a setting may take, and the memories that sources may serve."""

import math
from typing import Any

from platform.config.network import NetworkConfig
from platform.config.run import RunConfig
from platform.config.trial import SCRATCH, DistilConfig, GateConfig, TrialSettings

# Of the gates, and of the merges that are alike, the first takes the most memory.
GATES = ("place", "channel", "none")
MERGES = ("softmax", "mean", "sum")


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


def heaviest(run: RunConfig) -> list[TrialSettings]:
    """Settings of which one takes at least as much memory as any trial of the search does, or any compared setting.

    All sources, all layers, the largest kernel; of what excludes each other (kinds of merge, ways of transfer) one
    each. What changes no memory is as by default.
    """
    trial, gates, distil = run.trial, run.trial.tmu, run.trial.distil
    starts = possible(run, "start", trial.start)
    widest = trial.model_copy(
        update={
            "sources": drawable_sources(run),
            "start": next((start for start in starts if start != SCRATCH), SCRATCH),
            "l2_sp": max(possible(run, "l2_sp", trial.l2_sp)),
            "distil": distil.model_copy(update={"weight": max(possible(run, "distil.weight", distil.weight))}),
        }
    )
    layers = tuple(sorted({layer for each in possible(run, "tmu.layers", gates.layers) for layer in each}))
    gate = min(possible(run, "tmu.gate", gates.gate), key=GATES.index)
    kernel_size = max(possible(run, "tmu.kernel_size", gates.kernel_size))
    found = [
        widest.model_copy(
            update={
                "transfer": transfer,
                "tmu": GateConfig(layers=layers, gate=gate, kernel_size=kernel_size, merge=merge),
                "distil": widest.distil.model_copy(update={"what": what}),
            }
        )
        for what in possible(run, "distil.what", distil.what)
        for transfer in possible(run, "transfer", trial.transfer)
        for merge in _heaviest_merges(possible(run, "tmu.merge", gates.merge))
    ]
    sizes = map(_size, (*found, *run.compare.settings.values()))
    return list({size.model_dump_json(): size for size in sizes}.values())


def _heaviest_merges(merges: tuple[Any, ...]) -> list[Any]:
    alike = [merge for merge in MERGES if merge in merges]
    return [*alike[:1], *({*merges} - {*MERGES})]


def _size(settings: TrialSettings) -> TrialSettings:
    """Of the settings those that memory depends on."""
    what, transfer, gates = settings.distil.what, settings.transfer, settings.tmu
    if not settings.sources or what == "frames":
        transfer, gates = "tmu", GateConfig()
    elif transfer == "knowledge_flow":
        gates = GateConfig(layers=gates.layers)
    elif gates.merge == "released":
        gates = GateConfig(layers=gates.layers, merge=gates.merge)
    moved = settings.start != SCRATCH and settings.l2_sp > 0
    return TrialSettings(
        sources=settings.sources,
        start=settings.start if moved else SCRATCH,
        l2_sp=1.0 if moved else 0.0,
        transfer=transfer,
        tmu=gates.model_copy(update={"bias": 0.0}),
        distil=DistilConfig(weight=min(1.0, math.ceil(settings.distil.weight)), what=what),
    )


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

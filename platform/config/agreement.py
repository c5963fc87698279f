"""Do the parts of a valid run agree with each other? Each disagreement names its place and the repair.

Here: benchmarks, networks, training, sources, and the settings every trial begins with. What a search may draw on top
of these is checked in `space_agreement.py`.
"""

from collections.abc import Iterator
from difflib import get_close_matches

from platform.config.benchmark import KTH_ACTIONS, BenchmarkConfig
from platform.config.network import NetworkConfig
from platform.config.places import Place
from platform.config.run import RunConfig
from platform.config.trial import SCRATCH, TrialSettings

Fault = tuple[Place, str]


def disagreements(run: RunConfig) -> Iterator[Fault]:
    """Everything wrong between the parts of `run`, its search space left out, as (place in the YAML, message)."""
    yield from _families(run)
    yield from _grids(run)
    for place, benchmark in _benchmarks(run).items():
        yield from _strides(place, benchmark)
    yield from _batches(run)
    if run.search.asha is not None and run.search.asha.grace_epochs > run.training.epochs:
        yield (
            ("search", "asha", "grace_epochs"),
            f"no trial would ever stop early: it has {run.training.epochs} epochs and grace_epochs is "
            f"{run.search.asha.grace_epochs}; set grace_epochs below training.epochs, or search.asha to null",
        )
    for name, source in run.sources.items():
        for message in unknown_memory(run, name, source.memory):
            yield ("sources", name, "memory"), message
    for place, message in settings_faults(run, run.trial):
        yield ("trial", *place), message
    for name, settings in run.compare.settings.items():
        for place, message in settings_faults(run, settings):
            yield ("compare", "settings", name, *place), message


def settings_faults(run: RunConfig, settings: TrialSettings) -> Iterator[Fault]:
    """What this run cannot give a trial of these settings; places are counted from the settings."""
    for name in settings.sources:
        for message in unknown_source(run, name):
            yield ("sources",), message
    for name in settings.distil.source_weights:
        for message in unknown_source(run, name):
            yield ("distil", "source_weights", name), message
    if settings.start != SCRATCH:
        for message in unknown_source(run, settings.start):
            yield ("start",), f"{message}; or {SCRATCH!r}"
    deepest = len(run.network.hidden) - 1
    if too_deep := [layer for layer in settings.tmu.layers if layer > deepest]:
        yield ("tmu", "layers"), f"layer {too_deep[0]} does not exist; the network has layers 0 to {deepest}"
    if settings.tmu.merge == "released" and not _is_released_family(run.network.family):
        yield (
            ("tmu", "merge"),
            f"'released' is the public code's ConvLSTM; family {run.network.family!r} takes mean, softmax or sum "
            "(or set network.family=convlstm)",
        )
    if settings.memory is not None:
        for name in drawable_sources(run):
            for message in unknown_memory(run, name, settings.memory):
                yield ("memory",), message


def drawable_sources(run: RunConfig) -> tuple[str, ...]:
    """The sources that some trial of this run may imitate."""
    drawn = run.search.space.get("sources")
    return (drawn.subset or ()) if drawn is not None else run.trial.sources


def unknown_source(run: RunConfig, name: str) -> Iterator[str]:
    if name not in run.sources:
        known = ", ".join(run.sources) or "none"
        yield f"no source {name!r}{nearest(name, run.sources)}; known sources: {known}"


def unknown_memory(run: RunConfig, name: str, memory: str) -> Iterator[str]:
    """Has the source this memory? One that lies in the bank is asked when its card is read."""
    from tmu_models.families import known_families  # torch: only a valid file waits for it

    source = run.sources.get(name)
    if source is None or source.bank is not None:
        return
    network = source.network or run.network
    family = known_families().get(network.family)
    if family is None:
        return
    kinds = ("cell", "spatiotemporal") if family.has_flow else ("cell",)
    has = [f"{kind}/{layer}" for kind in kinds for layer in range(len(network.hidden))]
    if memory not in has:
        yield f"source {name!r} has no memory {memory!r}{nearest(memory, has)}; it has {', '.join(has)}"


def nearest(name: str, known: object) -> str:
    """`, did you mean 'kernel_size'?` for the known name most like this one, or nothing."""
    matches = get_close_matches(name, list(known), n=1)  # type: ignore[call-overload]
    return f" (did you mean {matches[0]!r}?)" if matches else ""


def _is_released_family(family: str) -> bool:
    from tmu_models.convlstm import ConvLSTMCell
    from tmu_models.families import known_families

    cell = known_families().get(family, ConvLSTMCell)  # a family nobody knows is a fault of its own
    return issubclass(cell, ConvLSTMCell)


def _families(run: RunConfig) -> Iterator[Fault]:
    from tmu_models.families import known_families

    families = known_families()
    networks: dict[Place, NetworkConfig] = {("network",): run.network}
    networks |= {("sources", name, "network"): s.network for name, s in run.sources.items() if s.network is not None}
    for place, network in networks.items():
        if network.family not in families:
            known = ", ".join(families)
            yield (*place, "family"), f"no family {network.family!r}{nearest(network.family, families)}; known: {known}"
        elif network.decoupling and not families[network.family].has_flow:
            yield (*place, "decoupling"), f"family {network.family!r} has one memory only: nothing to decouple"
        elif families[network.family].has_flow and len(set(network.hidden)) > 1:
            yield (*place, "hidden"), f"family {network.family!r} passes one memory through all layers: make them equal"


def _grids(run: RunConfig) -> Iterator[Fault]:
    geometries: dict[Place, tuple[int, int]] = {
        ("network", "patch_size"): (run.benchmark.frame_size, run.network.patch_size)
    }
    for name, source in run.sources.items():
        if source.network is not None and source.benchmark is not None:
            geometries["sources", name] = (source.benchmark.frame_size, source.network.patch_size)
    for place, (frame_size, patch_size) in geometries.items():
        if frame_size % patch_size:
            divisors = ", ".join(str(size) for size in range(1, 17) if frame_size % size == 0)
            yield place, f"patch_size {patch_size} does not divide frame_size {frame_size}; use one of {divisors}"


def _benchmarks(run: RunConfig) -> dict[Place, BenchmarkConfig]:
    benchmarks: dict[Place, BenchmarkConfig] = {("benchmark",): run.benchmark}
    for name, source in run.sources.items():
        if source.benchmark is not None:
            benchmarks["sources", name, "benchmark"] = source.benchmark
    return benchmarks


def _strides(place: Place, benchmark: BenchmarkConfig) -> Iterator[Fault]:
    """A stride of a category that is not there would be ignored."""
    categories = KTH_ACTIONS if benchmark.name == "kth" else (benchmark.dataset.removeprefix("flying_"),)
    known = ("default", *categories)
    for name in benchmark.stride:
        if name not in known:
            yield (
                (*place, "stride", name),
                f"{name!r} is no category of {benchmark.name}{nearest(name, known)}; known: {', '.join(known)}",
            )


def _batches(run: RunConfig) -> Iterator[Fault]:
    """A batch never spans two blocks, so one larger than a block would silently be cut."""
    pairs: dict[Place, tuple[int, int, str]] = {
        ("training", "batch_size"): (run.training.batch_size, run.benchmark.block_clips, "benchmark")
    }
    for name, source in run.sources.items():
        if source.pretraining is not None and source.benchmark is not None:
            pairs["sources", name, "pretraining", "batch_size"] = (
                source.pretraining.batch_size,
                source.benchmark.block_clips,
                f"sources.{name}.benchmark",
            )
    for place, (batch_size, block_clips, benchmark) in pairs.items():
        if batch_size > block_clips:
            yield (
                place,
                f"a batch of {batch_size} does not fit into a block of {block_clips} clips, and never spans two; "
                f"lower batch_size to {block_clips} or raise {benchmark}.block_clips to {batch_size}",
            )

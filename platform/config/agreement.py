"""Do the parts of a valid run agree with each other? Each disagreement names its place and the repair.

Here: benchmarks, networks, training, sources, and the settings every trial begins with. What a search may draw on top
of these is checked in `space_agreement.py`.
"""

from collections.abc import Iterable, Iterator, Sequence

from platform.config.benchmark import BenchmarkConfig
from platform.config.datasets import dataset_named
from platform.config.errors import nearest
from platform.config.network import NetworkConfig
from platform.config.places import Place
from platform.config.reach import drawable_sources, memory_of, network_memories
from platform.config.run import RunConfig
from platform.config.search import threshold_of
from platform.config.trial import SCRATCH, GateConfig, TrialSettings

Fault = tuple[Place, str]


def disagreements(run: RunConfig) -> Iterator[Fault]:
    """Everything wrong between the parts of `run`, its search space left out, as (place in the YAML, message)."""
    yield from _families(run)
    yield from _grids(run)
    for place, benchmark in _benchmarks(run).items():
        yield from _strides(place, benchmark)
    yield from _batches(run)
    yield from _thresholds(run)
    if run.search.asha is not None and run.search.asha.grace_epochs > run.training.epochs:
        yield (
            ("search", "asha", "grace_epochs"),
            f"no trial would ever stop early: it has {run.training.epochs} epochs and grace_epochs is "
            f"{run.search.asha.grace_epochs}; set grace_epochs below training.epochs, or search.asha to null",
        )
    if run.search.seed_from_ranking and "sources" not in run.search.space:
        yield (
            ("search", "seed_from_ranking"),
            "a ranking orders the sources to draw, and none are drawn; add `sources: {subset: [names]}` to "
            "search.space, or set seed_from_ranking to false",
        )
    for name, source in run.sources.items():
        for message in unknown_memory(run, name, source.memory):
            yield ("sources", name, "memory"), message
    for place, message in (*settings_faults(run, run.trial, drawable_sources(run)), *clashes(run.trial)):
        yield ("trial", *place), message
    for name, settings in run.compare.settings.items():
        faults = (*settings_faults(run, settings, settings.sources), *clashes(settings), *_no_start(settings))
        for place, message in faults:
            yield ("compare", "settings", name, *place), message
        if is_released(settings):
            memories = (
                (source, memory_of(run, settings, source)) for source in settings.sources if source in run.sources
            )
            for message in released_widths(run, memories, settings.tmu.layers):
                yield ("compare", "settings", name, "tmu", "merge"), message


def settings_faults(run: RunConfig, settings: TrialSettings, imitated: Sequence[str]) -> Iterator[Fault]:
    """What this run cannot give a trial of these settings; places are counted from the settings.

    `imitated` names the sources it may draw on.
    """
    for name in settings.sources:
        for message in unknown_source(run, name):
            yield ("sources",), message
    for place, names in (("source_weights", settings.distil.source_weights), ("memories", settings.distil.memories)):
        for name in names:
            for message in unknown_source(run, name):
                yield ("distil", place, name), message
    if settings.start != SCRATCH:
        for message in unknown_source(run, settings.start):
            yield ("start",), f"{message}; or {SCRATCH!r}"
        for message in _unlike_the_target(run, settings.start):
            yield ("start",), message
    deepest = len(run.network.hidden) - 1
    if too_deep := [layer for layer in settings.tmu.layers if layer > deepest]:
        yield ("tmu", "layers"), f"layer {too_deep[0]} does not exist; the network has layers 0 to {deepest}"
    if settings.tmu.merge == "released" and not _is_released_family(run.network.family):
        yield (
            ("tmu", "merge"),
            f"'released' is the public code's ConvLSTM; family {run.network.family!r} takes mean, softmax or sum "
            "(or set network.family=convlstm)",
        )
    for name, memory in settings.distil.memories.items():
        for message in unknown_memory(run, name, memory):
            yield ("distil", "memories", name), message
    sampling = run.training.sampling
    if settings.feed == "scheduled" and sampling.kind == "scheduled" and sampling.start == 0:
        yield (
            ("feed",),
            "'scheduled' shows the sources what the target is shown, and with training.sampling.start 0 that is never "
            "a true frame; set it to own, which is computed once for all trials, or raise training.sampling.start",
        )
    if settings.memory is not None:
        for name in imitated:
            for message in unknown_memory(run, name, settings.memory):
                if name not in settings.distil.memories:
                    yield ("memory",), message


def clashes(settings: TrialSettings) -> Iterator[Fault]:
    """Settings that contradict each other, or that the others leave without effect."""
    distil, gates = settings.distil, settings.tmu
    if settings.transfer == "knowledge_flow":
        flow = "knowledge_flow borrows the sources' memories, and is weaned off them by a penalty"
        if distil.what != "memory":
            yield ("distil", "what"), f"{flow}; it cannot imitate {distil.what}: set distil.what to memory"
        if distil.weight == 0:
            yield ("distil", "weight"), f"{flow} whose weight is 0 here; raise distil.weight above 0"
        if not distil.added:
            yield ("distil", "added"), f"{flow} that must be added; set distil.added to true"
        if distil.schedule != "constant":
            yield ("distil", "schedule"), f"{flow} that must not fade; set distil.schedule to constant"
        if distil.until < 1:
            yield ("distil", "until"), f"{flow} that must last; set distil.until to 1"
    elif is_released(settings):
        fixed = GateConfig(layers=gates.layers, merge="released")
        for name in ("gate", "bias", "kernel_size"):
            if getattr(gates, name) != getattr(fixed, name):
                yield (
                    ("tmu", name),
                    f"{getattr(gates, name)!r} changes nothing: tmu.merge 'released' has gates of its own; "
                    f"set it to {getattr(fixed, name)!r} (the default), or take mean, softmax or sum",
                )


def is_released(settings: TrialSettings) -> bool:
    """Would a target of these settings, where it has sources, have the public code's cell?"""
    return settings.tmu.merge == "released" and settings.transfer == "tmu" and settings.distil.what == "memory"


def released_widths(run: RunConfig, memories: Iterable[tuple[str, str]], layers: Iterable[int]) -> Iterator[str]:
    """The released cell takes memories as wide as its own. For sources of the bank the cell itself says so."""
    layers = [layer for layer in layers if layer < len(run.network.hidden)]
    for name, memory in memories:
        channels = network_memories(run.sources[name].network or run.network).get(memory)
        if channels is None or run.sources[name].bank is not None:
            continue
        for layer in layers:
            if channels != (width := run.network.hidden[layer]):
                yield (
                    f"'released' needs equal widths: {memory} of source {name!r} has {channels} channels, layer "
                    f"{layer} of the target {width}; take mean, softmax or sum, or make network.hidden equal"
                )


def _no_start(settings: TrialSettings) -> Iterator[Fault]:
    if settings.start == SCRATCH and settings.l2_sp > 0:
        yield (
            ("l2_sp",),
            f"pulls weights back to the source they started from, but this starts from {SCRATCH!r}; "
            "set start to a source, or l2_sp to 0",
        )


def _unlike_the_target(run: RunConfig, start: str) -> Iterator[str]:
    """Weights to start from fit one geometry. An entry of the bank is compared when its card is read."""
    source = run.sources.get(start)
    if source is None or source.network is None or source.benchmark is None:
        return
    theirs, ours = source.network.model_dump(), run.network.model_dump()
    theirs["frame_size"], ours["frame_size"] = source.benchmark.frame_size, run.benchmark.frame_size
    if differing := [name for name in ours if theirs[name] != ours[name]]:
        told = ", ".join(f"{name} {theirs[name]} against the target's {ours[name]}" for name in differing)
        yield f"a target cannot start from source {start!r}: {told}. Take it out of `start`, or make them equal"


def unknown_source(run: RunConfig, name: str) -> Iterator[str]:
    if name not in run.sources:
        known = ", ".join(run.sources) or "none"
        yield f"no source {name!r}{nearest(name, run.sources)}; known sources: {known}"


def unknown_memory(run: RunConfig, name: str, memory: str) -> Iterator[str]:
    """Has the source this memory? One that lies in the bank is asked when its card is read."""
    source = run.sources.get(name)
    if source is None or source.bank is not None:
        return
    has = network_memories(source.network or run.network)
    if has and memory not in has:
        yield f"source {name!r} has no memory {memory!r}{nearest(memory, has)}; it has {', '.join(has)}"


def _is_released_family(family: str) -> bool:
    from tmu_models import ShapeError
    from tmu_models.convlstm import ConvLSTMCell
    from tmu_models.families import cell_class, known_families

    # A family nobody knows, or whose package is broken, is a fault of its own.
    try:
        return family not in known_families() or issubclass(cell_class(family), ConvLSTMCell)
    except ShapeError:
        return True


def _families(run: RunConfig) -> Iterator[Fault]:
    from tmu_models import ShapeError
    from tmu_models.families import cell_class, known_families

    families = known_families()
    networks: dict[Place, NetworkConfig] = {("network",): run.network}
    networks |= {("sources", name, "network"): s.network for name, s in run.sources.items() if s.network is not None}
    for place, network in networks.items():
        if network.family not in families:
            known = ", ".join(families)
            yield (*place, "family"), f"no family {network.family!r}{nearest(network.family, families)}; known: {known}"
            continue
        try:
            has_flow = cell_class(network.family).has_flow
        except ShapeError as error:
            yield (*place, "family"), str(error)
            continue
        if network.decoupling and not has_flow:
            yield (*place, "decoupling"), f"family {network.family!r} has one memory only: nothing to decouple"
        elif has_flow and len(set(network.hidden)) > 1:
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
    categories = dataset_named(benchmark.name).categories
    if benchmark.name == "flying_digits":
        categories = (benchmark.dataset.removeprefix("flying_"),)
    known = ("default", *(categories or ()))
    for name in benchmark.stride:
        if categories is not None and name not in known:
            yield (
                (*place, "stride", name),
                f"{name!r} is no category of {benchmark.name}{nearest(name, known)}; known: {', '.join(known)}",
            )


def _thresholds(run: RunConfig) -> Iterator[Fault]:
    known = [f"{threshold:g}" for threshold in run.benchmark.thresholds]
    for objective in run.search.objectives:
        threshold = threshold_of(objective)
        if threshold is not None and f"{threshold:g}" not in known:
            told = f"thresholds are {', '.join(known)}" if known else f"{run.benchmark.name} has no thresholds"
            yield (
                ("search", "objectives"),
                f"{objective} is not scored: {told}; choose among them, or set benchmark.thresholds",
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

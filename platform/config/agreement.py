"""Do the parts of a valid run agree with each other? Each disagreement names its place and the repair."""

from collections.abc import Iterator
from difflib import get_close_matches

from pydantic import ValidationError

from platform.config.network import NetworkConfig
from platform.config.run import RunConfig
from platform.config.space import SPACE_NAMES
from platform.config.trial import SCRATCH, TrialSettings, with_setting

Place = tuple[str | int, ...]
Fault = tuple[Place, str]


def disagreements(run: RunConfig) -> Iterator[Fault]:
    """Everything wrong between the parts of `run`, as (place in the YAML, message)."""
    yield from _families(run)
    yield from _grids(run)
    yield from _settings(run, ("trial",), run.trial)
    for name, parameter in run.search.space.items():
        place: Place = ("search", "space", name)
        if name not in SPACE_NAMES:
            yield (
                place,
                f"no setting {name!r} to search{nearest(name, SPACE_NAMES)}; known: {', '.join(SPACE_NAMES)}",
            )
            continue
        if (name == "sources") != (parameter.subset is not None):
            yield place, "`sources` takes `subset: [names]`, every other setting choice, float or int"
            continue
        for condition in parameter.when:
            if condition not in run.search.space or condition == "sources":
                yield (*place, "when"), f"{condition!r} is no parameter of this space to depend on"
        if name == "sources":
            yield from _known_sources(run, place, parameter.subset or ())
        elif name != "distil.source_weight":
            for value in parameter.choice or parameter.float_bounds or parameter.int_bounds or ():
                try:
                    settings = with_setting(run.trial, name, value)
                except ValidationError as error:
                    yield place, f"value {value!r}: {error.errors()[0]['msg']}"
                else:
                    yield from _settings(run, place, settings)


def _families(run: RunConfig) -> Iterator[Fault]:
    from tmu_models.families import known_families  # torch: only a valid file waits for it

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
    geometries = {("network", "patch_size"): (run.benchmark.frame_size, run.network.patch_size)}
    for name, source in run.sources.items():
        if source.network is not None and source.benchmark is not None:
            geometries["sources", name] = (source.benchmark.frame_size, source.network.patch_size)
    for place, (frame_size, patch_size) in geometries.items():
        if frame_size % patch_size:
            yield place, _not_a_divisor(frame_size, patch_size)


def _not_a_divisor(frame_size: int, patch_size: int) -> str:
    divisors = [size for size in range(1, 17) if frame_size % size == 0]
    return (
        f"patch_size {patch_size} does not divide frame_size {frame_size}; use one of {', '.join(map(str, divisors))}"
    )


def _settings(run: RunConfig, place: Place, settings: TrialSettings) -> Iterator[Fault]:
    yield from _known_sources(run, place, settings.sources)
    yield from _known_sources(run, place, tuple(settings.distil.source_weights))
    if settings.start != SCRATCH:
        yield from _known_sources(run, place, (settings.start,), or_else=f"; or {SCRATCH!r}")
    deepest = len(run.network.hidden) - 1
    if too_deep := [layer for layer in settings.tmu.layers if layer > deepest]:
        yield place, f"layer {too_deep[0]} does not exist; the network has layers 0 to {deepest}"


def _known_sources(run: RunConfig, place: Place, names: tuple[str, ...], or_else: str = "") -> Iterator[Fault]:
    for name in names:
        if name not in run.sources:
            known = ", ".join(run.sources) or "none"
            yield place, f"no source {name!r}{nearest(name, run.sources)}; known sources: {known}{or_else}"


def nearest(name: str, known: object) -> str:
    """`, did you mean 'kernel_size'?` for the known name most like this one, or nothing."""
    matches = get_close_matches(name, list(known), n=1)  # type: ignore[call-overload]
    return f" (did you mean {matches[0]!r}?)" if matches else ""

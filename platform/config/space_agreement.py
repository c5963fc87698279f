"""Can everything that a search may draw be drawn, and does it change anything? See `agreement.py` for the rest."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from pydantic import ValidationError

from platform.config.agreement import (
    Fault,
    clashes,
    released_widths,
    settings_faults,
    unknown_memory,
    unknown_source,
)
from platform.config.errors import nearest
from platform.config.places import Place
from platform.config.reach import drawable_sources, possible, searched_memories
from platform.config.run import RunConfig
from platform.config.space import DECIDING, SPACE_NAMES, Parameter, is_idle, source_of
from platform.config.trial import SCRATCH, TrialSettings, with_setting

# Not settings of a trial by themselves: no `when` can ask for their value.
_NOT_ONE_VALUE = ("sources", "distil.source_weight")


def space_disagreements(run: RunConfig) -> Iterator[Fault]:
    """Everything wrong with `run.search.space`, as (place in the YAML, message)."""
    for name, parameter in run.search.space.items():
        place: Place = ("search", "space", name)
        if name not in SPACE_NAMES and source_of(name) is None:
            near = nearest(name, (*SPACE_NAMES, *(f"sources.{source}.memory" for source in run.sources)))
            yield place, f"no setting {name!r} to search{near}; known: {', '.join(SPACE_NAMES)}, sources.NAME.memory"
            continue
        if (name == "sources") != (parameter.subset is not None):
            yield place, "`sources` takes `subset: [names]`, every other setting choice, float or int"
            continue
        yield from (((*place, "when"), message) for message in _conditions(run, name, parameter))
        yield from ((place, message) for message in _values(run, name, parameter))
    yield from _pull_without_start(run)
    yield from _unweaned(run)
    yield from _released(run)


def _values(run: RunConfig, name: str, parameter: Parameter) -> Iterator[str]:
    """Is each choice, and each bound, a value that a trial of this run may have?"""
    if name == "sources":
        for source in parameter.subset or ():
            yield from unknown_source(run, source)
        return
    if (owner := source_of(name)) is not None:
        yield from _own_memory(run, owner, parameter)
        return
    if name == "tmu.kernel_size" and (message := _draws_even(parameter)):
        yield message
        return
    imitated = drawable_sources(run)
    told = {*settings_faults(run, run.trial, imitated), *clashes(run.trial)}  # once, at the trial's own place
    for value in parameter.choice or parameter.float_bounds or parameter.int_bounds or ():
        try:
            settings = _with_value(run, name, value)
        except ValidationError as error:
            yield f"value {value!r}: {error.errors()[0]['msg'].removeprefix('Value error, ')}"
            continue
        found = [*settings_faults(run, settings, imitated)]
        if name == "transfer":  # whatever else is drawn gives way to it, but for the weight: see `_unweaned`
            found += [f for f in clashes(settings) if f[0] != ("distil", "weight") or not _draws_its_weight(run)]
        yield from (fault[1] for fault in found if fault not in told)


def _with_value(run: RunConfig, name: str, value: Any) -> TrialSettings:
    """What every trial has, and this value. Raises pydantic's ValidationError."""
    if name == "distil.source_weight":
        return with_setting(run.trial, "distil.source_weights", dict.fromkeys(run.sources, value))
    return with_setting(run.trial, name, value)


def _own_memory(run: RunConfig, source: str, parameter: Parameter) -> Iterator[str]:
    """The choices of `sources.NAME.memory`."""
    if source not in run.sources:
        yield from unknown_source(run, source)
    elif source not in drawable_sources(run):
        yield f"source {source!r} is never drawn; add it to `sources`, or drop this"
    elif "memory" in run.search.space:
        yield "`memory` is one choice for all sources; give each its own `sources.NAME.memory`, and drop `memory`"
    elif parameter.choice is None:
        yield "a memory goes by its name; use `choice: [cell/0, cell/1]`"
    else:
        for memory in parameter.choice:
            yield from unknown_memory(run, source, str(memory))


def _draws_even(parameter: Parameter) -> str | None:
    """An odd kernel keeps the grid's size. Choices are checked one by one, as values."""
    if parameter.choice is not None:
        return None
    low, high = parameter.float_bounds or parameter.int_bounds or (0, 0)
    if parameter.float_bounds is None and not parameter.log and low % 2 and (parameter.step or 1) % 2 == 0:
        return None
    odd = (int(low) // 2 * 2 + 1, max(int(low) // 2 * 2 + 3, (int(high) - 1) // 2 * 2 + 1))
    return f"this range can draw an even kernel; use `int: [{odd[0]}, {odd[1]}]` with `step: 2`"


def _conditions(run: RunConfig, name: str, parameter: Parameter) -> Iterator[str]:
    """A condition that can never hold would switch its parameter off without a word."""
    space = run.search.space
    earlier = list(space)[: list(space).index(name)]
    for condition, values in parameter.when.items():
        if condition not in space or condition in _NOT_ONE_VALUE or condition == name:
            near = nearest(condition, [known for known in space if known != name])
            yield f"{condition!r} is no parameter of this space to depend on{near}"
        elif condition not in earlier:
            yield f"{condition!r} is drawn after {name!r}; move it above {name!r}"
        else:
            for value in values:
                yield from _never_drawn(condition, space[condition], value)
            if condition in DECIDING and all(is_idle(name, _deciding(run, condition, value)) for value in values):
                yield f"{name} changes nothing where {condition} is {' or '.join(map(str, values))}; drop it"


def _deciding(run: RunConfig, name: str, value: Any) -> TrialSettings:
    """A trial with every source where `name`, which decides about others, has this value, and nothing else is set."""
    plain = TrialSettings(sources=tuple(run.sources))
    with suppress(ValidationError):  # told where it stands
        return with_setting(plain, name, value)
    return plain


def _never_drawn(name: str, parameter: Parameter, value: Any) -> Iterator[str]:
    if parameter.choice is not None:
        if value not in parameter.choice:
            choices = [str(choice) for choice in parameter.choice]
            yield f"{name} is never {value!r}{nearest(str(value), choices)}; it is one of {', '.join(choices)}"
        return
    low, high = parameter.float_bounds or parameter.int_bounds or (0, 0)
    if parameter.float_bounds is not None and parameter.step is None:
        yield f"{name} is drawn from a continuous range and never just {value!r}; make it a choice to depend on it"
    elif not isinstance(value, (int, float)) or not low <= value <= high:
        yield f"{name} is never {value!r}; it lies between {low:g} and {high:g}"


def _pull_without_start(run: RunConfig) -> Iterator[Fault]:
    """`l2_sp` pulls weights back to where they came from; from scratch they came from nowhere."""
    starts, pulls = possible(run, "start", run.trial.start), possible(run, "l2_sp", run.trial.l2_sp)
    numbers = [pull for pull in pulls if isinstance(pull, (int, float))]
    if any(start != SCRATCH for start in starts) or not any(number > 0 for number in numbers):
        return
    place: Place = ("search", "space", "l2_sp") if "l2_sp" in run.search.space else ("trial", "l2_sp")
    yield (
        place,
        f"pulls weights back to the source they started from, but every trial starts from {SCRATCH!r}; "
        "set trial.start to a source, search `start`, or drop l2_sp",
    )


def _draws_its_weight(run: RunConfig) -> bool:
    """Is `distil.weight` drawn in every trial with Knowledge Flow?"""
    weight = run.search.space.get("distil.weight")
    if weight is None:
        return False
    return all(name == "transfer" and "knowledge_flow" in values for name, values in weight.when.items())


def _unweaned(run: RunConfig) -> Iterator[Fault]:
    """Knowledge Flow is weaned off its sources by the very weight that a search may draw as 0."""
    weight = run.search.space.get("distil.weight")
    if weight is None or "knowledge_flow" not in possible(run, "transfer", run.trial.transfer):
        return
    reached = "knowledge_flow" in weight.when.get("transfer", ("knowledge_flow",))
    if reached and 0 in (weight.choice or weight.float_bounds or weight.int_bounds or ()):
        yield (
            ("search", "space", "distil.weight"),
            "transfer knowledge_flow is weaned off its sources by this weight, which may be 0 here; "
            "keep it above 0, or add `when: {transfer: [tmu]}` and move it below `transfer`",
        )


def _released(run: RunConfig) -> Iterator[Fault]:
    """The released cell in a search takes every memory that may be drawn in every layer that may be."""
    if "released" not in possible(run, "tmu.merge", run.trial.tmu.merge):
        return
    layers = {
        layer
        for drawn in possible(run, "tmu.layers", run.trial.tmu.layers)
        if isinstance(drawn, (list, tuple))
        for layer in drawn
        if isinstance(layer, int)
    }
    names = [name for name in drawable_sources(run) if name in run.sources]
    memories = [(name, memory) for name in names for memory in dict.fromkeys(searched_memories(run, name))]
    place: Place = ("search", "space", "tmu.merge") if "tmu.merge" in run.search.space else ("trial", "tmu", "merge")
    for message in released_widths(run, memories, sorted(layers)):
        yield place, message

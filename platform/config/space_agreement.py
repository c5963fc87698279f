"""Can everything that a search may draw be drawn, and does it change anything? See `agreement.py` for the rest."""

from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from platform.config.agreement import Fault, nearest, settings_faults, unknown_source
from platform.config.places import Place
from platform.config.run import RunConfig
from platform.config.space import SPACE_NAMES, Parameter
from platform.config.trial import SCRATCH, with_setting

# Not settings of a trial by themselves: no `when` can ask for their value.
_NOT_ONE_VALUE = ("sources", "distil.source_weight")


def space_disagreements(run: RunConfig) -> Iterator[Fault]:
    """Everything wrong with `run.search.space`, as (place in the YAML, message)."""
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
        yield from (((*place, "when"), message) for message in _conditions(run, name, parameter))
        yield from ((place, message) for message in _values(run, name, parameter))
    yield from _pull_without_start(run)


def _values(run: RunConfig, name: str, parameter: Parameter) -> Iterator[str]:
    """Is each choice, and each bound, a value that a trial of this run may have?"""
    if name == "sources":
        for source in parameter.subset or ():
            yield from unknown_source(run, source)
        return
    if name == "distil.source_weight":
        return
    if name == "tmu.kernel_size" and (message := _draws_even(parameter)):
        yield message
        return
    of_every_trial = set(settings_faults(run, run.trial))  # told once, at the trial's own place
    for value in parameter.choice or parameter.float_bounds or parameter.int_bounds or ():
        try:
            settings = with_setting(run.trial, name, value)
        except ValidationError as error:
            yield f"value {value!r}: {error.errors()[0]['msg'].removeprefix('Value error, ')}"
        else:
            yield from (fault[1] for fault in settings_faults(run, settings) if fault not in of_every_trial)


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
    starts, pulls = _possible(run, "start", run.trial.start), _possible(run, "l2_sp", run.trial.l2_sp)
    numbers = [pull for pull in pulls if isinstance(pull, (int, float))]
    if any(start != SCRATCH for start in starts) or not any(number > 0 for number in numbers):
        return
    place: Place = ("search", "space", "l2_sp") if "l2_sp" in run.search.space else ("trial", "l2_sp")
    yield (
        place,
        f"pulls weights back to the source they started from, but every trial starts from {SCRATCH!r}; "
        "set trial.start to a source, search `start`, or drop l2_sp",
    )


def _possible(run: RunConfig, name: str, base: Any) -> tuple[Any, ...]:
    """The values (of a range, its bounds) that this setting has in some trial."""
    parameter = run.search.space.get(name)
    if parameter is None:
        return (base,)
    drawn = parameter.choice or parameter.float_bounds or parameter.int_bounds or ()
    return (*drawn, base) if parameter.when else drawn

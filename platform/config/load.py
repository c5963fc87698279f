"""From a bare name and some `--set`s to a `RunConfig`, or to one message with every fault in it.

The order: the file, its profile laid over it, the overrides laid over both, what sources inherit from the run,
then validation. A value keeps the place it came from, so a fault names a line of the file or the `--set`.
"""

import contextlib
import re
from collections.abc import Mapping, Sequence, Set
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from platform.config.agreement import disagreements
from platform.config.benchmark import BenchmarkConfig
from platform.config.errors import UserError, nearest
from platform.config.places import Place, dotted, read_yaml
from platform.config.presets import with_preset
from platform.config.run import RunConfig
from platform.config.safe_yaml import parse_yaml
from platform.config.space_agreement import space_disagreements

Profile = Literal["laptop", "full"]
SEARCH_SPACES = Path(__file__).parents[2] / "search_spaces"
MOST_INHERITED = 200_000  # values of a run, once sources and settings have taken over what they leave out
MOST_FAULTS = 200  # that are told at once
LONGEST_SHOWN = 200  # letters of a faulty value
_INHERITED_BY_SOURCES = ("frame_size", "input_length", "total_length", "on_missing")


def find_config(name: str) -> Path:
    """The YAML meant by a path, or by a bare name (`kth`, `kth.yaml`) in `search_spaces/`. Raises UserError."""
    given = Path(name)
    candidates = [given, SEARCH_SPACES / given.name, SEARCH_SPACES / f"{given.name}.yaml"]
    if len(given.parts) > 1:
        candidates = [given]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    known = sorted(path.name for path in SEARCH_SPACES.glob("*.yaml"))
    raise UserError(
        f"no search space {name!r}{nearest(f'{given.stem}.yaml', known)}. Shipped: {', '.join(known)}; "
        "or give the path of your own YAML file."
    )


def choose_profile(asked: str) -> Profile:
    """`auto` becomes full where this machine has a GPU. Raises UserError for a name that is no profile."""
    if asked == "auto":
        import torch

        return "full" if torch.cuda.is_available() else "laptop"
    if asked not in get_args(Profile):
        raise UserError(f"--profile {asked}: use laptop, full or auto")
    return asked  # type: ignore[return-value]


def load_run(name: str, *, profile: Profile = "full", overrides: Sequence[str] = ()) -> RunConfig:
    """The validated run in the YAML `name` under `profile`, with `a.b=c` overrides. UserError names all faults."""
    path = find_config(name)
    data, places, faults = read_yaml(path)
    draft = _Draft(data, places, [f"{fault}" for fault in faults])
    draft.take_profile(profile, path.name)
    for override in overrides:
        draft.override(override)
    draft.inherit()
    config = draft.validate()
    if draft.faults or config is None:
        count = f"{len(draft.faults)} fault{'s' if len(draft.faults) > 1 else ''}"
        raise UserError(f"{count} in {path}:\n" + "\n".join(f"  {fault}" for fault in draft.faults))
    return config


def benchmark_from(dataset: str, overrides: Sequence[str] = ()) -> BenchmarkConfig:
    """The benchmark of a prepared data set (`kth`, `flying_digits_2`) by its defaults, with `key=value` overrides.

    UserError names all faults.
    """
    _, is_digits, digits = dataset.partition("flying_digits_")
    named = {"name": "flying_digits", "digits": int(digits)} if is_digits else {"name": dataset}
    draft = _Draft({"benchmark": named}, {})
    for override in overrides:
        draft.override(f"benchmark.{override}")
    try:
        return BenchmarkConfig.model_validate(draft.data["benchmark"])
    except ValidationError as error:
        told = (draft.sentence({**fault, "loc": ("benchmark", *fault["loc"])}) for fault in error.errors())
        faults = "\n".join(f"  {fault}" for fault in told)
        raise UserError(f"{dataset} cannot be cut into clips so:\n{faults}") from None


@dataclass
class _Draft:
    """A mapping on its way to a RunConfig, with the place of each value and the faults found so far."""

    data: dict[str, Any]
    places: dict[Place, str]
    faults: list[str] = field(default_factory=list)

    def take_profile(self, profile: str, file: str) -> None:
        """Lay the chosen profile over the rest; a profile the file does not have changes nothing."""
        profiles = self.data.pop("profiles", None) or {}
        if not isinstance(profiles, dict):
            self.faults.append(f"{self.where(('profiles',))}: profiles: expected a mapping of laptop and full")
            return
        for name in profiles:
            if name not in get_args(Profile):
                self.faults.append(
                    f"{self.where(('profiles', name))}: profiles.{name}: no such profile; known: laptop, full"
                )
        chosen = profiles.get(profile) or {}
        if not isinstance(chosen, dict):
            self.faults.append(f"{self.where(('profiles', profile))}: profiles.{profile}: expected a mapping")
            return
        self._lay_over(self.data, chosen, (), ("profiles", profile))
        if "profile" not in self.data:
            self.data["profile"] = profile

    def _lay_over(self, base: dict[str, Any], top: Mapping[str, Any], place: Place, origin: Place) -> None:
        below: dict[str | int, list[Place]] = {}  # places by the key in `top` that they are of
        for known in self.places:
            if len(known) > len(origin) and known[: len(origin)] == origin:
                below.setdefault(known[len(origin)], []).append(known)
        for key, value in top.items():
            here = (*place, key)
            if isinstance(value, dict) and isinstance(base.get(key), dict):
                self._lay_over(base[key], value, here, (*origin, key))
                continue
            base[key] = deepcopy(value)
            for known in below.get(key, ()):
                self.places[(*here, *known[len(origin) + 1 :])] = self.places[known]

    def override(self, text: str) -> None:
        """Apply one `a.b=c`; the value is read as YAML, so numbers, lists and null work."""
        name, equals, value_text = text.partition("=")
        keys = [key.strip() for key in name.split(".")]
        if not equals or not all(keys):
            raise UserError(f"--set {text}: expected KEY=VALUE with a dotted key (for example search.trials=20)")
        try:
            value, _ = parse_yaml(value_text)
        except yaml.YAMLError:
            raise UserError(
                f"--set {text}: {value_text!r} is not a YAML value; quote texts with special signs"
            ) from None
        if isinstance(value, str):
            value = _as_number(value)
        target = self.data
        *parents, last = self._join_space_names(keys)
        for parent in parents:
            if not isinstance(target.get(parent), dict):
                target[parent] = {}
            target = target[parent]
        target[last] = value
        place = (*parents, last)
        for known in [known for known in self.places if known[: len(place)] == place]:
            del self.places[known]
        self.places[place] = f"--set {name.strip()}"

    @staticmethod
    def _join_space_names(keys: list[str]) -> list[str]:
        """`search.space.tmu.merge.choice` addresses the parameter `tmu.merge`, whose own name has a dot."""
        if keys[:3] == ["search", "space", "sources"] and keys[4:5] == ["memory"]:
            return [*keys[:2], ".".join(keys[2:5]), *keys[5:]]
        if keys[:2] == ["search", "space"] and len(keys) > 3 and keys[2] in ("tmu", "distil"):
            return [*keys[:2], f"{keys[2]}.{keys[3]}", *keys[4:]]
        return keys

    def inherit(self) -> None:
        """What a source's recipe leaves out it takes from the run; what a compared setting leaves out, from `trial`.

        A benchmark's preset is written out first, so that it is inherited too.
        """
        compare, trial = self.data.get("compare"), self.data.get("trial")
        if isinstance(compare, dict) and isinstance(compare.get("settings"), dict) and isinstance(trial, dict):
            if len(compare["settings"]) * _num_values(trial) > MOST_INHERITED:
                raise UserError(f"compare.settings: {len(compare['settings'])} are too many to compare; drop some")
            for name, settings in compare["settings"].items():
                compare["settings"][name] = _over(trial, settings or {})
        benchmark, sources = self.data.get("benchmark"), self.data.get("sources")
        if not isinstance(benchmark, dict):
            return
        with contextlib.suppress(ValueError):  # a preset that does not exist is told when the benchmark is validated
            benchmark = self.data["benchmark"] = with_preset(benchmark)
        if not isinstance(sources, dict):
            return
        for source in sources.values():
            if not isinstance(source, dict) or not isinstance(source.get("benchmark"), dict):
                continue
            for key in _INHERITED_BY_SOURCES:
                if key in benchmark:
                    source["benchmark"].setdefault(key, benchmark[key])
            own = source.get("network") or {}
            if isinstance(self.data.get("network"), dict) and isinstance(own, dict):
                source["network"] = {**self.data["network"], **own}
            source.setdefault("network", {})
            source.setdefault("pretraining", {})
        if _num_values(self.data) > MOST_INHERITED:
            raise UserError(f"sources: {len(sources)} are too many to inherit so much; drop some")

    def validate(self) -> RunConfig | None:
        """Collect every fault: what is wrong is cut out and the rest validated again, until nothing new is found."""
        data = deepcopy(self.data)
        seen: set[Place] = set()
        for attempt in range(8):
            try:
                config = RunConfig.model_validate(data)
            except ValidationError as error:
                found = error.errors()
                new = [fault for fault in found if fault["loc"] not in seen]
                if attempt:  # cutting a value out may leave a hole that is nobody's fault
                    new = [fault for fault in new if fault["type"] != "missing"]
                own = {(fault["loc"], fault["msg"]) for fault in found if fault["loc"][:1] != ("sources",)}
                refused = {fault["loc"][:-1] for fault in new if fault["loc"][-1:] == ("preset",)}
                new = [fault for fault in new if fault["type"] != "missing" or fault["loc"][:-1] not in refused]
                for fault in _deepest(new):
                    seen.add(fault["loc"])
                    if len(self.faults) < MOST_FAULTS and not self._is_inherited(fault, own):
                        self.faults.append(self.sentence(fault))
                    _cut(data, fault["loc"], fault["msg"])
                if not new:
                    return None
                continue
            for place, message in islice(chain(disagreements(config), space_disagreements(config)), MOST_FAULTS):
                self.faults.append(f"{self.where(place)}: {dotted(place)}: {message}")
            return config
        return None

    @staticmethod
    def _is_inherited(fault: Any, own: Set[tuple[Place, str]]) -> bool:
        """Is this a source's copy of a fault that the run's own benchmark or network has?"""
        return fault["loc"][:1] == ("sources",) and (fault["loc"][2:], fault["msg"]) in own

    def where(self, place: Place) -> str:
        """The line of the value at `place`, or of the nearest thing around it."""
        for length in range(len(place), -1, -1):
            if found := self.places.get(place[:length]):
                return found
        return "(default)"

    def sentence(self, fault: Any) -> str:
        place = tuple(part for part in fault["loc"] if part != "__root__")
        given, message = fault["input"], fault["msg"].removeprefix("Value error, ")
        if fault["type"] == "extra_forbidden":
            known = _fields_at(place[:-1])
            message = f"no such key{nearest(str(place[-1]), known)}; known here: {', '.join(known)}"
        elif fault["type"] == "missing":
            message = "is missing; add it"
        else:
            allowed = [name for name in _allowed(fault)]
            if allowed and isinstance(given, str):
                message += nearest(given, allowed)
            if not isinstance(given, (dict, BaseModel)) and "://" not in str(given):  # a URL may hold a password
                message = f"{_shown(given)}: {message}"
        return f"{self.where(place)}: {dotted(place)}: {message}"


def _shown(given: Any) -> str:
    told = repr(given)
    return told if len(told) <= LONGEST_SHOWN else f"{told[:LONGEST_SHOWN]}..."


def _num_values(data: Any) -> int:
    """How many values there are in all, or MOST_INHERITED and some where there are more."""
    waiting, count = [data], 0
    while waiting and count <= MOST_INHERITED:
        value = waiting.pop()
        count += 1
        if isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, (list, tuple, set)):
            waiting += value
    return count


def _allowed(fault: Any) -> list[str]:
    expected = str(fault.get("ctx", {}).get("expected", ""))
    return [part.strip(" '") for part in expected.replace(" or ", ",").split(",") if part.strip(" '")]


def _over(base: Mapping[str, Any], top: Any) -> Any:
    """`top` laid over a copy of `base`, mappings within mappings."""
    if not isinstance(top, dict):
        return top
    merged = deepcopy(dict(base))
    for key, value in top.items():
        below = merged.get(key)
        merged[key] = _over(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged


def _deepest(faults: Sequence[Any]) -> list[Any]:
    """Without those that only follow from a fault inside them ("too short" because an item was refused)."""
    above = {fault["loc"][:length] for fault in faults for length in range(len(fault["loc"]))}
    return [fault for fault in faults if fault["loc"] not in above]


def _cut(data: Any, place: Place, message: str) -> None:
    """Take the faulty value out, a list as a whole. Of a mapping whose parts disagree, the keys the message names."""
    holder, key = None, None
    for part in place:
        if isinstance(data, dict):
            holder, key = data, part
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return
    named = (
        [name for name in data if re.search(rf"\b{re.escape(str(name))}\b", message)] if isinstance(data, dict) else []
    )
    for name in named:
        del data[name]
    if not named and holder is not None:
        del holder[key]


def _fields_at(place: Place) -> list[str]:
    """The keys known at a place of a RunConfig."""
    annotation: Any = RunConfig
    for part in place:
        annotation = _step_into(annotation, str(part))
    model = _model_within(annotation)
    return [info.alias or name for name, info in model.model_fields.items()] if model else []


def _step_into(annotation: Any, key: str) -> Any:
    """The annotation of what stands under `key`: a model's field, or any value of a `dict[str, X]`."""
    if get_origin(annotation) is dict:
        return get_args(annotation)[1]
    model = _model_within(annotation)
    fields = model.model_fields.items() if model else ()
    return next((info.annotation for name, info in fields if key == (info.alias or name)), None)


def _model_within(annotation: Any) -> type[BaseModel] | None:
    """The model itself, or the one inside `X | None` and `Annotated[X, ...]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_model_within, get_args(annotation))), None)


def _as_number(text: str) -> Any:
    try:
        return float(text)
    except ValueError:
        return text

"""From a YAML's space to one trial's settings, drawn by an Optuna trial.

Optuna's names are the space's own (`tmu.merge`, `distil.weight`); a source subset is one yes-or-no a source
(`source.digits_1`), so that importances and effects are told for each source. What has no effect beside the rest is
not drawn: nothing of transfer without sources, a source's own weight and memory only when that source is, the gates'
settings not where the merge or the way of transfer has none.
"""

import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import optuna

from platform.config.space import DECIDING, Parameter, is_idle, source_of
from platform.config.trial import SCRATCH, TrialSettings, setting, with_setting

SOURCE_PREFIX = "source."


@dataclass(frozen=True)
class SettingsSpace:
    """Draws TrialSettings: `base` where the space says nothing."""

    parameters: Mapping[str, Parameter]
    base: TrialSettings

    def draw(self, trial: optuna.trial.BaseTrial) -> TrialSettings:
        """Suggests every free setting of this trial: sources, what decides about others, then the order of the YAML."""
        settings = self.base
        drawn: dict[str, Any] = {}
        if subset := self.parameters.get("sources"):
            flags = {
                name: trial.suggest_categorical(SOURCE_PREFIX + name, [True, False]) for name in subset.subset or ()
            }
            settings = with_setting(settings, "sources", tuple(name for name, flag in flags.items() if flag))
        for name in self._order():
            parameter = self.parameters[name]
            if is_idle(name, settings) or not _holds(parameter, drawn):
                continue
            if name == "distil.source_weight":
                weights = {source: _suggest(trial, f"{name}.{source}", parameter) for source in settings.sources}
                settings = with_setting(settings, "distil.source_weights", weights)
                continue
            drawn[name] = _suggest(trial, name, parameter)
            if (source := source_of(name)) is not None:
                memories = {**settings.distil.memories, source: drawn[name]}
                settings = with_setting(settings, "distil.memories", memories)
            else:
                settings = with_setting(settings, name, drawn[name])
        return settings

    def recall(self, settings: TrialSettings) -> optuna.trial.FixedTrial | None:
        """The draw that gives these settings; None where this space cannot."""
        trial = optuna.trial.FixedTrial(self._parameters_of(settings))
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)  # how Optuna tells a value out of its range
            try:
                return trial if self.draw(trial) == settings else None
            except (ValueError, KeyError, UserWarning):
                return None

    def _parameters_of(self, settings: TrialSettings) -> dict[str, Any]:
        """By Optuna's names, as far as the settings tell them."""
        found: dict[str, Any] = {}
        for name, parameter in self.parameters.items():
            if name == "sources":
                found |= {SOURCE_PREFIX + source: source in settings.sources for source in parameter.subset or ()}
            elif name == "distil.source_weight":
                found |= {f"{name}.{source}": weight for source, weight in settings.distil.source_weights.items()}
            elif (source := source_of(name)) is not None:
                found[name] = settings.distil.memories.get(source)
            else:
                found[name] = setting(settings, name)
        return {name: _label(value) for name, value in found.items()}

    def _order(self) -> list[str]:
        """All but `sources`; each after those its conditions name."""
        ordered: dict[str, None] = {}

        def put(name: str) -> None:
            for condition in self.parameters[name].when:
                put(condition)
            ordered[name] = None

        for name in (*(name for name in DECIDING if name in self.parameters), *self.parameters):
            if name != "sources":
                put(name)
        return list(ordered)

    def first_trials(self, ranking: Sequence[str] = ()) -> list[dict[str, Any]]:
        """The trials a search begins with, as Optuna parameters: no source, all of them, then the best ranked few.

        `ranking` names sources, the most relevant first; of it the first, the first two, ... are tried.
        """
        offered = (self.parameters["sources"].subset or ()) if "sources" in self.parameters else ()
        if not offered:
            return []
        ranked = [name for name in ranking if name in offered]
        subsets: list[set[str]] = [set(), set(offered)]
        subsets += [set(ranked[:count]) for count in range(1, len(ranked))]
        start = {"start": SCRATCH} if SCRATCH in (self._choices("start") or ()) else {}
        return [{SOURCE_PREFIX + name: name in subset for name in offered} | start for subset in subsets]

    def _choices(self, name: str) -> tuple[Any, ...] | None:
        parameter = self.parameters.get(name)
        return parameter.choice if parameter else None


def _holds(parameter: Parameter, drawn: Mapping[str, Any]) -> bool:
    """Were all that its conditions name drawn, and so?"""
    return all(name in drawn and drawn[name] in allowed for name, allowed in parameter.when.items())


def _suggest(trial: optuna.trial.BaseTrial, name: str, parameter: Parameter) -> Any:
    if parameter.choice is not None:
        # Optuna stores plain values only: a list of layers goes by its JSON text.
        labels = {_label(value): value for value in parameter.choice}
        return labels[trial.suggest_categorical(name, list(labels))]
    if parameter.float_bounds is not None:
        low, high = parameter.float_bounds
        return trial.suggest_float(name, low, high, log=parameter.log, step=parameter.step)
    assert parameter.int_bounds is not None
    low_int, high_int = parameter.int_bounds
    return trial.suggest_int(name, low_int, high_int, log=parameter.log, step=int(parameter.step or 1))


def _label(value: Any) -> Any:
    return value if isinstance(value, (str, int, float, bool)) or value is None else json.dumps(value)

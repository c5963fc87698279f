"""What a confirmation trains: the best settings of a search, and what they must beat.

Each of the others is taken from the search's own best trial of its kind, where there is one, for that had its learning
rate searched too; else it is the best setting with as little changed as makes it of that kind.
"""

from collections.abc import Callable, Iterator, Sequence

from platform.config.trial import SCRATCH, TrialSettings
from platform.results.confirm_plan import ConfirmPlan, PlannedSetting, Role
from platform.results.effects import source_effects
from platform.results.record import TrialRecord
from platform.results.summary import RunSummary

Refusal = Callable[[TrialSettings], str | None]  # why such a target cannot be built


def plan_confirmation(summary: RunSummary, num_settings: int, refusal: Refusal) -> ConfirmPlan | None:
    """None where no trial of the search finished. A setting that plays two roles is trained once: one that distils in
    its first, for it may be what is confirmed; one that does not as the rival that it is."""
    ranked = sorted(summary.finished, key=lambda record: summary.score.signed(record.metrics[summary.score.name]))
    if not ranked:
        return None
    search = _Ranked(ranked, summary)
    chosen: list[PlannedSetting] = []
    left_out: dict[str, str] = {}
    best = list(search.best(num_settings))
    for name, role, record, changed, settings in (*best, *search.rivals(best, left_out)):
        told = settings.model_dump(mode="json")
        same = next((place for place, planned in enumerate(chosen) if planned.settings == told), None)
        if same is not None:
            left_out[name] = f"is {chosen[same].name}"
            if not settings.sources:
                chosen[same] = chosen[same].model_copy(update={"role": role})
        elif (reason := refusal(settings)) is not None:
            left_out[name] = reason
        else:
            chosen.append(PlannedSetting(name=name, role=role, trial=record.trial, changed=changed, settings=told))
    return ConfirmPlan(settings=tuple(chosen), left_out=left_out) if chosen else None


_Candidate = tuple[str, Role, TrialRecord, str, TrialSettings]


class _Ranked:
    """The finished trials of a search, the best first."""

    def __init__(self, ranked: Sequence[TrialRecord], summary: RunSummary) -> None:
        self.ranked = [(record, _in_effect(TrialSettings.model_validate(record.settings))) for record in ranked]
        self.summary = summary

    def first(self, fits: Callable[[TrialSettings], bool]) -> tuple[TrialRecord, TrialSettings] | None:
        return next((pair for pair in self.ranked if fits(pair[1])), None)

    def best(self, count: int) -> Iterator[_Candidate]:
        """The best few that differ, and the best that distils where none of them does."""
        different: dict[str, tuple[TrialRecord, TrialSettings]] = {}
        for record, settings in self.ranked:
            different.setdefault(settings.model_dump_json(), (record, settings))
        chosen = list(different.values())[:count]
        distils = self.first(lambda settings: bool(settings.sources))
        if distils is not None and not any(settings.sources for _, settings in chosen):
            chosen.append(distils)
        for record, settings in chosen:
            yield f"trial_{record.trial}", "best", record, "", settings

    def rivals(self, chosen: Sequence[_Candidate], left_out: dict[str, str]) -> Iterator[_Candidate]:
        """What has no source first; then a control for each of those chosen, as any of them may be confirmed."""
        base_record, base = self.first(lambda settings: bool(settings.sources)) or self.ranked[0]
        yield self._of_kind(
            "scratch",
            "scratch",
            _starting_from(SCRATCH),
            self._without_sources("without its sources", SCRATCH),
        )
        for source in self.summary.sources:
            own = self._without_sources(f"starts from {source} and distils nothing", source)
            yield self._of_kind(f"finetune_{source}", "finetune", _starting_from(source), own)
        if not base.sources:
            left_out["control"] = "no trial that finished distils from a source"
            return
        for name, _, record, _, settings in chosen:
            if not settings.sources:
                continue
            if settings.distil.what == "memory":
                yield f"control_of_{name}", "control", record, "imitates nothing", _imitating_nothing(settings)
            else:
                reason = "a target that imitates frames is the same network as one from scratch"
                left_out[f"control_of_{name}"] = reason
        sources = self.summary.sources
        if len(sources) > 1:
            every = (base_record, "with all sources", base.model_copy(update={"sources": sources}))
            yield self._of_kind("all_sources", "all", lambda settings: set(settings.sources) == set(sources), every)
            single = self._best_single(base)
            alone = (base_record, f"with {single} alone", base.model_copy(update={"sources": (single,)}))
            yield self._of_kind("single_source", "single", lambda settings: len(settings.sources) == 1, alone)

    def _of_kind(
        self,
        name: str,
        role: Role,
        fits: Callable[[TrialSettings], bool],
        otherwise: tuple[TrialRecord, str, TrialSettings],
    ) -> _Candidate:
        if (found := self.first(fits)) is not None:
            return name, role, found[0], "", found[1]
        record, changed, settings = otherwise
        return name, role, record, changed, settings

    def _without_sources(self, changed: str, start: str) -> tuple[TrialRecord, str, TrialSettings]:
        """With the learning rate of the best trial that distils from nothing either, where there is one."""
        record, settings = self.first(lambda settings: not settings.sources) or self.ranked[0]
        l2_sp = 0.0 if start == SCRATCH else settings.l2_sp
        return record, changed, TrialSettings(start=start, l2_sp=l2_sp, learning_rate=settings.learning_rate)

    def _best_single(self, base: TrialSettings) -> str:
        """Of the sources of `base` that with which trials scored best, as far as a search can tell."""
        measured = {effect.source: effect.difference for effect in source_effects(self.summary)}
        signed = {name: self.summary.score.signed(d) for name in base.sources if (d := measured.get(name)) is not None}
        return min(signed, key=lambda name: signed[name]) if signed else base.sources[0]


def _in_effect(settings: TrialSettings) -> TrialSettings:
    """Without what has no effect: where there is no source, there is no gate."""
    if settings.sources:
        return settings
    return TrialSettings(start=settings.start, l2_sp=settings.l2_sp, learning_rate=settings.learning_rate)


def _starting_from(start: str) -> Callable[[TrialSettings], bool]:
    return lambda settings: not settings.sources and settings.start == start


def _imitating_nothing(settings: TrialSettings) -> TrialSettings:
    return settings.model_copy(update={"distil": settings.distil.model_copy(update={"weight": 0.0})})

"""What a confirmation came to: each setting's scores on the test split, how the chosen one differs from each other
one, and one sentence.

Settings are chosen by their validation scores, so that the test split chooses nothing. Differences are paired by seed
and by clip (`paired.py`); their p-values are corrected for how many there are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from platform.config.errors import UserError
from platform.results.comparison import Interval
from platform.results.confirm_plan import PlannedSetting, Role, read_plan
from platform.results.paired import PairedDifference, holm, paired_difference
from platform.results.record import TrialRecord, read_results
from platform.results.run_folder import RunFolder
from platform.results.scores import NARROW, Score, p_text, score, score_number, shown, signed_number
from platform.results.summary import RunSummary
from platform.results.tested import TestedTrial, read_tested

SIGNIFICANT = 0.05
ROLES: dict[Role, str] = {
    "best": "distils, one of the search's best",
    "scratch": "from scratch",
    "control": "same network, imitates nothing",
    "finetune": "starts from a source's weights",
    "all": "all sources",
    "single": "best single source",
}


@dataclass(frozen=True)
class ConfirmedSetting:
    """One setting with its trained and tested targets. `validation` is the mean over seeds of the first objective."""

    planned: PlannedSetting
    trials: tuple[TrialRecord, ...]  # those that finished
    num_failed: int
    tested: Mapping[int, TestedTrial]  # by seed
    validation: float | None

    @property
    def name(self) -> str:
        return self.planned.name

    @property
    def sources(self) -> tuple[str, ...]:
        return tuple(self.planned.settings.get("sources", ()))

    @cached_property
    def scores(self) -> dict[str, Interval]:
        """On the test split: the mean over seeds with its 95 % interval (Student's t)."""
        names = shown(dict.fromkeys(name for tested in self.tested.values() for name in tested.scores))
        found: dict[str, Interval] = {}
        for name in names:
            values = [value for each in self.tested.values() if (value := each.scores.get(name)) is not None]
            if values:
                found[name] = Interval.of(values)
        return found

    @property
    def seconds(self) -> float | None:
        """Of training, a run."""
        return float(np.mean([record.duration_s for record in self.trials])) if self.trials else None

    @property
    def seconds_per_clip(self) -> float | None:
        return float(np.median([each.seconds_per_clip for each in self.tested.values()])) if self.tested else None

    @property
    def parameters(self) -> float | None:
        return self.trials[0].metrics.get("parameters") if self.trials else None

    @property
    def passes(self) -> float | None:
        """Blocks of memory that its runs asked for, a run: source passes, were they not served."""
        asked = [record.memory.get("ready", 0) + record.memory.get("computed", 0) for record in self.trials]
        return float(np.mean(asked)) if asked else None


@dataclass(frozen=True)
class Contrast:
    """The chosen setting's score minus that of `other`. `p` is corrected for the number of contrasts."""

    other: ConfirmedSetting
    found: PairedDifference
    p: float

    @property
    def is_clear(self) -> bool:
        return self.p < SIGNIFICANT


@dataclass(frozen=True)
class Confirmed:
    """A confirmation as its folder has it, whole or not. `measure` is the score that is compared."""

    folder: RunFolder
    measure: Score
    settings: tuple[ConfirmedSetting, ...]
    chosen: ConfirmedSetting | None
    contrasts: tuple[Contrast, ...]
    num_seeds: int
    left_out: Mapping[str, str]
    missing: tuple[str, ...]

    @classmethod
    def read(cls, search: RunFolder, objective: str, num_seeds: int) -> "Confirmed | None":
        """That of a search whose first objective is given; None where none has begun. Raises UserError for a plan that
        cannot be read; whatever else is damaged is in `missing`."""
        folder, missing = RunFolder(search.confirm), list[str]()
        try:
            plan = read_plan(folder.confirm_plan)
        except FileNotFoundError:
            return None
        records: list[TrialRecord] = []
        try:
            records = read_results(folder.results) if folder.results.is_file() else []
        except UserError as error:
            missing.append(str(error))
        settings = tuple(
            _setting(planned, _of(records, number, len(plan.settings)), folder, objective, missing)
            for number, planned in enumerate(plan.settings)
        )
        measure = score(objective if _is_per_clip(objective, settings) else "mse")
        chosen = _chosen(settings, score(objective))
        contrasts = _contrasts(chosen, settings, measure) if chosen is not None else ()
        return cls(folder, measure, settings, chosen, contrasts, num_seeds, plan.left_out, tuple(missing))

    @property
    def num_tested(self) -> int:
        return sum(len(setting.tested) for setting in self.settings)

    @property
    def is_whole(self) -> bool:
        return self.num_tested == len(self.settings) * self.num_seeds

    def against(self, *roles: Role) -> tuple[Contrast, ...]:
        return tuple(contrast for contrast in self.contrasts if contrast.other.planned.role in roles)

    @property
    def verdict(self) -> str:
        """One sentence with effect, interval and n; it says so where no difference was found, or none can be told."""
        if self.chosen is None:
            return "Nothing is confirmed yet: no setting has been trained and tested with all its seeds."
        rivals = self.against("scratch")
        who = (
            f"distilling from {_listed(self.chosen.sources)}" if self.chosen.sources else f"setting {self.chosen.name}"
        )
        if not rivals:
            return f"Nothing can be said of {who}: training from scratch was not tested beside it."
        return self.sentence(rivals[0], who)

    def sentence(self, contrast: Contrast, who: str) -> str:
        """How the chosen setting, called `who`, differs from another."""
        found, measure = contrast.found, self.measure
        low, high = found.interval
        n = (
            f"{found.num_seeds} seeds, {found.num_clips:,} clips of {found.num_videos:,} videos, "
            f"p{NARROW}{p_text(contrast.p)}"
        )
        if (count := len(self.contrasts)) > 1:
            n += f" corrected for {count} comparisons"
        rival, label = _RIVALS[contrast.other.planned.role], f"the test {measure.label}"
        if not contrast.is_clear:
            span = f"{signed_number(low)} to {signed_number(high)}"
            differs = f"{label} differs by {signed_number(found.mean)} (95{NARROW}% interval {span}; {n})"
            return f"No difference found between {who} and {rival}: {differs}."
        base = contrast.other.scores[measure.name].mean
        size = f"{score_number(abs(found.mean))}"
        size += f" ({100 * abs(found.mean) / abs(base):.1f}{NARROW}%)" if base else ""
        edges = sorted((abs(low), abs(high)))
        verb = "lowers" if found.mean < 0 else "raises"
        judged = "" if measure.signed(found.mean) < 0 else ", which is worse"
        return (
            f"{who[0].upper()}{who[1:]} {verb} {label} by {size} against {rival}{judged}: 95{NARROW}% interval "
            f"{score_number(edges[0])} to {score_number(edges[1])}; {n}."
        )


def read_confirmed(summary: RunSummary) -> Confirmed | None:
    """Raises UserError as `Confirmed.read`."""
    told = RunFolder(summary.folder.confirm)
    seeds = 1
    if told.config.is_file():
        compare = RunSummary.read(told.path).config.get("compare")
        found = compare.get("seeds") if isinstance(compare, dict) else None
        seeds = found if isinstance(found, int) and found > 0 else 1
    return Confirmed.read(summary.folder, summary.score.name, seeds)


_RIVALS: dict[Role, str] = {
    "best": "another of the search's best settings",
    "scratch": "training from scratch",
    "control": "the same network that imitates nothing",
    "finetune": "starting from a source's weights",
    "all": "distilling from all sources",
    "single": "distilling from the best single source",
}


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _of(records: Sequence[TrialRecord], number: int, num_settings: int) -> list[TrialRecord]:
    """Trials come seed by seed in the order of the settings."""
    return [record for record in records if record.trial % num_settings == number]


def _setting(
    planned: PlannedSetting, records: Sequence[TrialRecord], folder: RunFolder, objective: str, missing: list[str]
) -> ConfirmedSetting:
    finished = tuple(record for record in records if record.state == "finished")
    tested: dict[int, TestedTrial] = {}
    for record in finished:
        try:
            found = read_tested(folder.tested(record.id))
        except UserError as error:
            missing.append(str(error))
            continue
        if found is not None:
            tested[record.seed] = found
    values = [record.metrics[objective] for record in finished if objective in record.metrics]
    return ConfirmedSetting(
        planned=planned,
        trials=finished,
        num_failed=sum(record.state == "failed" for record in records),
        tested=tested,
        validation=float(np.mean(values)) if values else None,
    )


def _is_per_clip(objective: str, settings: Sequence[ConfirmedSetting]) -> bool:
    return any(objective in tested.per_clip for setting in settings for tested in setting.tested.values())


def _chosen(settings: Sequence[ConfirmedSetting], objective: Score) -> ConfirmedSetting | None:
    """By validation, of the search's best those that distil; where none of them does, of all."""
    trained = [s for s in settings if s.tested and s.validation is not None]
    trained = [s for s in trained if s.planned.role == "best"] or trained
    ranked = sorted(trained, key=lambda s: (not s.sources, objective.signed(s.validation or 0.0)))
    return ranked[0] if ranked else None


def _contrasts(chosen: ConfirmedSetting, settings: Sequence[ConfirmedSetting], measure: Score) -> tuple[Contrast, ...]:
    pairs = []
    for other in settings:
        if other is chosen:
            continue
        seeds = sorted(chosen.tested.keys() & other.tested.keys())
        both = [(chosen.tested[seed], other.tested[seed]) for seed in seeds]
        if not both or len({tested.clips for pair in both for tested in pair}) != 1:
            continue
        try:
            rows = [mine.values(measure.name) - theirs.values(measure.name) for mine, theirs in both]
        except KeyError:
            continue
        found = paired_difference(np.array(rows), both[0][0].videos)
        if found is not None:
            pairs.append((other, found))
    corrected = holm([found.p for _, found in pairs])
    return tuple(Contrast(other, found, p) for (other, found), p in zip(pairs, corrected, strict=True))

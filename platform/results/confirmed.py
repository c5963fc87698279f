"""What a confirmation came to: each setting's scores on the test split, and how the chosen one differs from each other.

Settings are chosen by their validation scores, so that the test split chooses nothing. Differences are paired by seed
and by clip (`paired.py`); their p-values are corrected for how many there are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from platform.config.errors import UserError
from platform.config.trial import SCRATCH
from platform.results.comparison import Interval
from platform.results.confirm_plan import PlannedSetting, Role, read_plan
from platform.results.paired import SIGNIFICANT, PairedDifference, holm, paired_difference
from platform.results.record import TrialRecord, read_results
from platform.results.run_folder import RunFolder
from platform.results.scores import Score, score, shown
from platform.results.summary import RunSummary
from platform.results.tested import TestedTrial, read_tested

ROLES: dict[Role, str] = {
    "best": "distils, one of the search's best",
    "scratch": "from scratch",
    "control": "imitates nothing, else the same as its trial",
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
    def what(self) -> str:
        """In words, the role that it plays."""
        is_without = self.planned.role == "best" and not self.sources
        return "one of the search's best, without a source" if is_without else ROLES[self.planned.role]

    @property
    def sources(self) -> tuple[str, ...]:
        return tuple(self.planned.settings.get("sources", ()))

    @property
    def start(self) -> str:
        """`scratch`, or the source whose weights it begins with."""
        return str(self.planned.settings.get("start", SCRATCH))

    @property
    def method(self) -> str:
        """`distilling from a and b, started from the weights of a`."""
        from_weights = self.start != SCRATCH
        if self.sources:
            started = f", started from the weights of {self.start}," if from_weights else ""
            return f"distilling from {_listed(self.sources)}{started}"
        return f"starting from the weights of {self.start}" if from_weights else "training from scratch"

    def is_control_of(self, other: "ConfirmedSetting") -> bool:
        """The same settings but for the weight of what is imitated, which is zero."""
        distil = other.planned.settings.get("distil")
        if self.planned.role != "control" or not isinstance(distil, dict):
            return False
        return self.planned.settings == other.planned.settings | {"distil": distil | {"weight": 0.0}}

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
    """The score of `mine` minus that of `other`. `p` is corrected for the number of contrasts."""

    mine: ConfirmedSetting
    other: ConfirmedSetting
    found: PairedDifference
    p: float

    @property
    def is_clear(self) -> bool:
        return self.p < SIGNIFICANT


@dataclass(frozen=True)
class Confirmed:
    """A confirmation as its folder has it, whole or not. `measure` is the score that is compared.

    `contrasts` are those of the chosen setting with each other one, but for controls that are not its own; `finetuned`
    is that of the best setting which starts from a source's weights with scratch. All are corrected together.
    """

    folder: RunFolder
    measure: Score
    settings: tuple[ConfirmedSetting, ...]
    chosen: ConfirmedSetting | None
    contrasts: tuple[Contrast, ...]
    finetuned: Contrast | None
    num_seeds: int
    left_out: Mapping[str, str]
    missing: tuple[str, ...]
    is_readable: bool  # what was trained; else it may be whole, and nobody can tell
    was_tested: bool  # all that had weights

    @classmethod
    def read(cls, search: RunFolder, objective: str, num_seeds: int) -> "Confirmed | None":
        """That of a search whose first objective is given; None where none has begun. Raises UserError for a plan that
        cannot be read; whatever else is damaged is in `missing`."""
        folder, missing = search.confirmation, list[str]()
        try:
            plan = read_plan(folder.confirm_plan)
        except FileNotFoundError:
            return None
        records, is_readable = list[TrialRecord](), True
        try:
            records = read_results(folder.results) if folder.results.is_file() else []
        except UserError as error:
            missing.append(str(error))
            is_readable = False
        settings = tuple(
            _setting(planned, _of(records, number, len(plan.settings)), folder, objective, missing)
            for number, planned in enumerate(plan.settings)
        )
        measure = score(objective if _is_per_clip(objective, settings) else "mse")
        chosen = _chosen(settings, score(objective))
        contrasts, finetuned = _contrasts(chosen, _finetuned(settings, score(objective)), settings, measure)
        return cls(
            folder=folder,
            measure=measure,
            settings=settings,
            chosen=chosen,
            contrasts=contrasts,
            finetuned=finetuned,
            num_seeds=num_seeds,
            left_out=plan.left_out,
            missing=tuple(missing),
            is_readable=is_readable,
            was_tested=search.confirmed.is_file(),
        )

    @property
    def num_tested(self) -> int:
        return sum(len(setting.tested) for setting in self.settings)

    @property
    def num_planned(self) -> int:
        return len(self.settings) * self.num_seeds

    @property
    def num_lost(self) -> int:
        """Targets that will never be tested, once all have been tried."""
        return self.num_planned - self.num_tested if self.is_whole else 0

    @property
    def is_whole(self) -> bool:
        """Nothing is left to be done: each target was trained or failed, and those that could be were tested."""
        if self.num_tested == self.num_planned:
            return True
        num_finished = sum(len(setting.trials) for setting in self.settings)
        num_ended = num_finished + sum(setting.num_failed for setting in self.settings)
        return num_ended == self.num_planned and (self.was_tested or self.num_tested == num_finished)

    @property
    def num_compared(self) -> int:
        return len(self.contrasts) + (self.finetuned is not None)

    @property
    def settled(self) -> ConfirmedSetting | None:
        """The chosen setting, once nothing is left to be trained or tested."""
        return self.chosen if self.is_whole else None

    def against(self, *roles: Role) -> tuple[Contrast, ...]:
        return tuple(contrast for contrast in self.contrasts if contrast.other.planned.role in roles)

    @property
    def equal_control(self) -> Contrast | None:
        """The control, where the chosen setting is better than scratch and not found to be better than that: then it is
        not imitation that helps."""
        scratch, control = self.against("scratch"), self.against("control")
        if not (scratch and control and self.is_better(scratch[0])) or self.is_better(control[0]):
            return None
        return control[0]

    @property
    def superior(self) -> Contrast | None:
        """Of what else was tested and is clearly better than the chosen setting, the best; scratch and the control are
        asked about on their own."""
        better = [c for c in self.against("best", "finetune", "all", "single") if self.is_worse(c)]
        return max(better, key=lambda contrast: self.measure.signed(contrast.found.mean), default=None)

    @property
    def doubts(self) -> tuple[Contrast, ...]:
        """What a reader of the contrast with scratch must also know."""
        return tuple(filter(None, (self.equal_control, self.superior)))

    def is_better(self, contrast: Contrast) -> bool:
        """`contrast.mine` is, clearly."""
        return contrast.is_clear and self.measure.signed(contrast.found.mean) < 0

    def is_worse(self, contrast: Contrast) -> bool:
        """`contrast.mine` is, clearly."""
        return contrast.is_clear and self.measure.signed(contrast.found.mean) > 0


def read_confirmed(summary: RunSummary) -> Confirmed | None:
    """Raises UserError as `Confirmed.read`."""
    told = summary.folder.confirmation
    seeds = 1
    if told.config.is_file():
        compare = RunSummary.read(told.path).config.get("compare")
        found = compare.get("seeds") if isinstance(compare, dict) else None
        seeds = found if isinstance(found, int) and found > 0 else 1
    return Confirmed.read(summary.folder, summary.score.name, seeds)


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
    """By validation, of the search's best those that distil; where none of them does, of all. From scratch only where
    nothing else was tested."""
    trained = [s for s in settings if s.tested and s.validation is not None]
    trained = [s for s in trained if s.planned.role == "best"] or trained
    return min(
        trained,
        key=lambda s: (not s.sources, s.start == SCRATCH, objective.signed(s.validation or 0.0)),
        default=None,
    )


def _finetuned(settings: Sequence[ConfirmedSetting], objective: Score) -> ConfirmedSetting | None:
    """By validation, the best of those that start from a source's weights and distil nothing."""
    trained = [s for s in settings if s.tested and s.validation is not None and not s.sources and s.start != SCRATCH]
    return min(trained, key=lambda s: objective.signed(s.validation or 0.0), default=None)


def _contrasts(
    chosen: ConfirmedSetting | None,
    finetuned: ConfirmedSetting | None,
    settings: Sequence[ConfirmedSetting],
    measure: Score,
) -> tuple[tuple[Contrast, ...], Contrast | None]:
    """Those of `chosen` with each other setting, and that of `finetuned` with scratch where it is another."""
    pairs = []
    if chosen is not None:
        rivals = [each for each in settings if each is not chosen]
        pairs = [(chosen, each) for each in rivals if each.planned.role != "control" or each.is_control_of(chosen)]
    scratch = next((each for each in settings if each.planned.role == "scratch"), None)
    if finetuned is not None and scratch is not None and finetuned is not chosen:
        pairs.append((finetuned, scratch))
    found = [(*pair, difference) for pair in pairs if (difference := _difference(*pair, measure)) is not None]
    corrected = holm([difference.p for *_, difference in found])
    contrasts = tuple(Contrast(*each, p) for each, p in zip(found, corrected, strict=True))
    of_chosen = tuple(contrast for contrast in contrasts if contrast.mine is chosen)
    return of_chosen, next((contrast for contrast in contrasts if contrast.mine is not chosen), None)


def _difference(mine: ConfirmedSetting, other: ConfirmedSetting, measure: Score) -> PairedDifference | None:
    """None where they share no seed, or were not tested on the same clips."""
    both = [(mine.tested[seed], other.tested[seed]) for seed in sorted(mine.tested.keys() & other.tested.keys())]
    if not both or len({tested.clips for pair in both for tested in pair}) != 1:
        return None
    try:
        rows = [one.values(measure.name) - two.values(measure.name) for one, two in both]
    except KeyError:
        return None
    return paired_difference(np.array(rows), both[0][0].videos)

"""All that follows from a run folder, each part computed once, when it is first asked for."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from platform.config.errors import UserError
from platform.results.confirmed import Confirmed, ConfirmedSetting, read_confirmed
from platform.results.effects import PairEffect, SourceEffect, pair_effects, source_effects
from platform.results.importances import Importances, importances
from platform.results.look import Look
from platform.results.looks import read_looks
from platform.results.ranking_file import RankedSource, read_ranking
from platform.results.record import Known
from platform.results.summary import RunSummary


@dataclass(frozen=True)
class Findings:
    """`looks` are at the best trials: that whose setting is confirmed, then the best first. `ranking` is that of the
    sources before the search. `missing` says in sentences what could not be read, of the search and of its
    confirmation."""

    summary: RunSummary
    confirmed: Confirmed | None
    looks: tuple[Look, ...]
    ranking: tuple[RankedSource, ...]
    missing: tuple[str, ...]
    known_importances: Importances | None = None

    @classmethod
    def read(cls, path: Path, known: Known | None = None) -> "Findings":
        """`known`: see `read_results`. Raises UserError only if `path` is no run folder."""
        summary = RunSummary.read(path, known)
        missing, confirmed = list(summary.missing), None
        try:
            confirmed = read_confirmed(summary)
        except UserError as error:
            missing.append(str(error))
        missing += confirmed.missing if confirmed is not None else ()
        chosen = confirmed.settled if confirmed is not None else None
        try:
            ranking = read_ranking(summary.folder.ranking)
        except UserError as error:
            ranking = ()
            missing.append(str(error))
        looks = read_looks(summary, missing, first=None if chosen is None else chosen.planned.trial)
        return cls(summary, confirmed, looks, ranking, tuple(missing))

    @property
    def settled(self) -> ConfirmedSetting | None:
        """The setting that a whole confirmation chose."""
        return self.confirmed.settled if self.confirmed is not None else None

    @cached_property
    def effects(self) -> tuple[SourceEffect, ...]:
        return tuple(source_effects(self.summary))

    @cached_property
    def pairs(self) -> tuple[PairEffect, ...]:
        return tuple(pair_effects(self.summary))

    @cached_property
    def importances(self) -> Importances:
        """Those that are known; else worked out, which takes seconds where there are a thousand trials."""
        return self.known_importances if self.known_importances is not None else importances(self.summary.folder)

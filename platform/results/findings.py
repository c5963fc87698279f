"""All that follows from a run folder, computed once for whoever shows it."""

from dataclasses import dataclass
from pathlib import Path

from platform.config.errors import UserError
from platform.results.confirmed import Confirmed, read_confirmed
from platform.results.effects import PairEffect, SourceEffect, pair_effects, source_effects
from platform.results.importances import Importances, importances
from platform.results.look import Look
from platform.results.looks import read_looks
from platform.results.summary import RunSummary


@dataclass(frozen=True)
class Findings:
    """`looks` are at the best trials, the best first. `missing` says in sentences what could not be read, of the search
    and of its confirmation."""

    summary: RunSummary
    confirmed: Confirmed | None
    effects: tuple[SourceEffect, ...]
    pairs: tuple[PairEffect, ...]
    importances: Importances
    looks: tuple[Look, ...]
    missing: tuple[str, ...]

    @classmethod
    def read(cls, path: Path) -> "Findings":
        """Raises UserError only if `path` is no run folder."""
        summary = RunSummary.read(path)
        missing, confirmed = list(summary.missing), None
        try:
            confirmed = read_confirmed(summary)
        except UserError as error:
            missing.append(str(error))
        missing += confirmed.missing if confirmed is not None else ()
        looks = read_looks(summary, missing)
        return cls(
            summary,
            confirmed,
            effects=tuple(source_effects(summary)),
            pairs=tuple(pair_effects(summary)),
            importances=importances(summary.folder),
            looks=looks,
            missing=tuple(missing),
        )

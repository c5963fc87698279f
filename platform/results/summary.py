"""A run, read from its folder: what is there, what is missing and why, and what can be said about it.

Reading never fails for a run that was cut short: a part that is absent or damaged becomes a sentence in `missing`,
and everything else is shown. Only a folder that is no run at all is refused.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict

from platform.config.bounded import Refused, read_bounded, read_json
from platform.config.errors import UserError
from platform.config.safe_yaml import MOST_BYTES, parse_yaml
from platform.config.search import rungs
from platform.results.absent import Absent
from platform.results.incidents import Incident, read_incidents
from platform.results.pareto import pareto_set
from platform.results.record import Known, TrialRecord, read_results
from platform.results.run_folder import RunFolder
from platform.results.scores import Score, score


class Provenance(BaseModel):
    """`provenance.json`, written when a run starts, so that a report of an interrupted run says *synthetic* too.

    Whatever else stands in it (versions, seeds, fingerprints, hardware) is shown as it is.
    """

    model_config = ConfigDict(extra="allow")

    benchmark: str | None = None  # the label: "kth (synthetic)"
    synthetic: bool | None = None
    sources: dict[str, dict[str, Any]] = {}  # by name: its card's benchmark, synthetic, weights hash, score

    @property
    def rest(self) -> dict[str, Any]:
        """Each time the run went on has its number."""
        rest = dict(self.__pydantic_extra__ or {})
        if isinstance(resumed := rest.get("resumed"), list):
            rest["resumed"] = {str(number): noted for number, noted in enumerate(resumed, start=1)}
        return rest


@dataclass(frozen=True)
class RunSummary:
    """What a report shows. `missing` says in sentences what could not be shown; `is_readable`: the trials' table could
    be read, or is not there yet."""

    folder: RunFolder
    records: tuple[TrialRecord, ...]
    config: dict[str, Any]
    provenance: Provenance
    incidents: tuple[Incident, ...] = ()
    missing: tuple[str, ...] = ()
    is_readable: bool = True

    @classmethod
    def read(cls, path: Path, known: Known | None = None) -> "RunSummary":
        """`known`: see `read_results`. Raises UserError only if `path` is no run folder."""
        folder = RunFolder(path)
        if not path.is_dir() or not (folder.config.is_file() or folder.results.is_file()):
            raise UserError(_no_run_folder(path))
        missing: list[str] = []
        records = _read_records(folder, missing, known)
        config = _read_config(folder, missing)
        return cls(
            folder=folder,
            records=tuple(records or ()),
            config=config,
            provenance=_read_provenance(folder, missing),
            incidents=tuple(_read_incidents(folder, missing)),
            missing=tuple(missing),
            is_readable=records is not None,
        )

    @property
    def name(self) -> str:
        return str(self.config.get("name") or self.folder.path.resolve().name)

    @property
    def benchmark(self) -> str:
        """The label, which says *synthetic* where the frames are."""
        label = self.provenance.benchmark
        if not label:
            named = self.config.get("benchmark")
            label = str(named.get("name") if isinstance(named, Mapping) else named or "unnamed benchmark")
        return f"{label} (synthetic)" if self.synthetic and "synthetic" not in label else label

    @property
    def synthetic(self) -> bool | None:
        """None where the run was cut before it was recorded."""
        return self.provenance.synthetic

    @cached_property
    def objectives(self) -> tuple[Score, ...]:
        """As the configuration names them (`[mse, parameters]` or `{mse: min}`); mse where it names none."""
        search = self.config.get("search")
        named = search.get("objectives") if isinstance(search, Mapping) else None
        if isinstance(named, str):
            named = [named]
        if isinstance(named, Mapping) and named:
            return tuple(score(str(n), higher_is_better=str(mode).startswith("max")) for n, mode in named.items())
        return tuple(score(str(name)) for name in named) if named and isinstance(named, list) else (score("mse"),)

    @property
    def score(self) -> Score:
        """The one that the figures show: the first objective."""
        return self.objectives[0]

    def value(self, record: TrialRecord, of: Score | None = None) -> float | None:
        return record.metrics.get((of or self.score).name)

    @cached_property
    def finished(self) -> tuple[TrialRecord, ...]:
        """Trials that trained to their end and have a score: the only ones that are compared."""
        return tuple(r for r in self.records if r.state == "finished" and self.value(r) is not None)

    def in_state(self, state: str) -> tuple[TrialRecord, ...]:
        return tuple(record for record in self.records if record.state == state)

    @cached_property
    def best(self) -> TrialRecord | None:
        """The finished trial with the best validation score; where none finished, the best that was stopped early."""
        stopped = [r for r in self.in_state("stopped") if self.value(r) is not None]
        return self._best_of(self.finished or stopped)

    @cached_property
    def best_without_sources(self) -> TrialRecord | None:
        """The best finished baseline: no source distilled from (it may start from a source's weights)."""
        return self._best_of([r for r in self.finished if not r.sources])

    @cached_property
    def best_with_sources(self) -> TrialRecord | None:
        """The best finished trial that distils."""
        return self._best_of([r for r in self.finished if r.sources])

    def _best_of(self, records: Sequence[TrialRecord]) -> TrialRecord | None:
        return min(records, key=lambda r: self.score.signed(r.metrics[self.score.name]), default=None)

    @cached_property
    def rungs(self) -> tuple[int, ...]:
        """The epochs after which successive halving stopped trials; empty where it was not used."""
        search, training = self.config.get("search"), self.config.get("training")
        asha = search.get("asha") if isinstance(search, Mapping) else None
        epochs = training.get("epochs") if isinstance(training, Mapping) else None
        if not isinstance(asha, Mapping) or not isinstance(epochs, int):
            return ()
        grace, reduction = asha.get("grace_epochs"), asha.get("reduction")
        if not isinstance(grace, int) or not isinstance(reduction, int) or grace < 1 or reduction < 2:
            return ()
        return rungs(grace, reduction, epochs)

    @cached_property
    def floor(self) -> float | None:
        """Copying the last frame, on the validation split."""
        values = [r.last_frame[self.score.name] for r in self.records if self.score.name in r.last_frame]
        return values[0] if values else None

    @cached_property
    def sources(self) -> tuple[str, ...]:
        """Every source that the run offers, whether or not a trial drew it."""
        offered = self.config.get("sources")
        names = set(offered) if isinstance(offered, (Mapping, list, tuple)) else set()
        names = {name for name in names if isinstance(name, str)} | set(self.provenance.sources)
        return tuple(sorted(names.union(*(record.source_columns() for record in self.records))))

    @cached_property
    def pareto(self) -> tuple[TrialRecord, ...]:
        """Finished trials that no other beats in every objective, in order of the first."""

        def point(record: TrialRecord) -> list[float] | None:
            values = [(objective, self.value(record, objective)) for objective in self.objectives]
            signed = [objective.signed(value) for objective, value in values if value is not None]
            return signed if len(signed) == len(values) else None

        return tuple(pareto_set(self.finished, point))


def _no_run_folder(path: Path) -> str:
    if not path.exists():
        return f"{path} does not exist; give a run folder, for example one of `ls -d runs/*`."
    inside = (
        sorted(child.name for child in path.iterdir() if (child / "config.yaml").is_file()) if path.is_dir() else []
    )
    hint = f"Did you mean {path / inside[-1]}?" if inside else "Give the folder that platform.search printed."
    return f"{path} is no run folder: it holds neither config.yaml nor results.parquet. {hint}"


def _read_records(folder: RunFolder, missing: list[str], known: Known | None) -> list[TrialRecord] | None:
    """None where they are damaged."""
    if not folder.results.is_file():
        missing.append(Absent("No trial has ended yet: results.parquet is not there."))
        return []
    try:
        return read_results(folder.results, known)
    except UserError as error:
        missing.append(str(error))
        return None


def _read_config(folder: RunFolder, missing: list[str]) -> dict[str, Any]:
    try:
        config, _ = parse_yaml(read_bounded(folder.config, MOST_BYTES).decode())
    except FileNotFoundError:
        missing.append(
            Absent("The configuration is not there (config.yaml); names of trials and objectives are guessed.")
        )
        return {}
    except (yaml.YAMLError, UnicodeDecodeError, OSError, Refused):
        missing.append("config.yaml cannot be read as YAML; names of trials and objectives are guessed.")
        return {}
    if not isinstance(config, dict):
        missing.append("config.yaml holds no configuration; names of trials and objectives are guessed.")
        return {}
    return config


def _read_provenance(folder: RunFolder, missing: list[str]) -> Provenance:
    try:
        return read_json(folder.provenance, Provenance)
    except FileNotFoundError:
        missing.append(Absent("What the run was made of was not recorded (provenance.json is not there)."))
    except (OSError, Refused):
        missing.append("provenance.json cannot be read; versions and fingerprints are not shown.")
    return Provenance()


def _read_incidents(folder: RunFolder, missing: list[str]) -> list[Incident]:
    try:
        return read_incidents(folder.incidents)
    except UserError as error:
        missing.append(str(error))
        return []

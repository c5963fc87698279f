"""What a run is made of and with, noted in its `provenance.json`, and in what that differs from what is here now.

It is noted when the run begins, and whenever it goes on. What is missing there, in runs of earlier releases, is not
compared.
"""

import datetime
import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, PositiveInt

from platform.bank.bank import Bank
from platform.benchmarks.benchmark import Benchmark
from platform.config.bounded import Refused, read_json
from platform.config.errors import UserError
from platform.config.home import Home
from platform.config.run import RunConfig
from platform.config.splits import SPLIT_NAMES
from platform.results.replacing import replace_text
from platform.results.run_folder import RunFolder
from platform.training.versions import code_version, hardware, package_versions

SHORT = 12  # digits of a hash that people are shown


class MadeWith(BaseModel):
    """Code, packages, machine and the choices that decide the last bits of a number."""

    started: str | None = None  # when it was noted
    code: dict[str, str | bool] = {}
    versions: dict[str, str] = {}
    hardware: dict[str, str | int] = {}
    device: str | None = None  # what trials train on
    precision: str | None = None
    threads: PositiveInt | None = None
    config_sha256: str | None = None  # of config.yaml


class UsedSource(BaseModel):
    """Which weights a source of the run had."""

    entry: str
    weights_sha256: str


class RunProvenance(MadeWith):
    """As much of `provenance.json` as a trial is made again from."""

    fingerprints: dict[str, str] = {}  # of the clips, by split
    sources: dict[str, UsedSource] = {}
    resumed: tuple[MadeWith, ...] = ()


def made_with(folder: RunFolder, config: RunConfig, device: str) -> MadeWith:
    """What would be noted now."""
    return MadeWith(
        code=code_version(),
        versions=package_versions(),
        hardware=hardware(),
        device=device,
        precision=config.training.precision,
        threads=config.resources.threads_per_trial,
        config_sha256=hashlib.sha256(folder.config.read_bytes()).hexdigest(),
    )


def differences(run: RunProvenance, now: MadeWith) -> list[str]:
    """A sentence for each thing that was another when the run began, or when it went on."""
    told: dict[tuple[str, object], str] = {}
    for number, then in enumerate([run, *run.resumed]):
        when = "when the run began" if number == 0 else f"when it went on ({then.started})"
        for name, value, here in _unlike(then, now):
            told.setdefault((name, value), f"{name}: {value} {when}, {here} here")
    sentences = list(told.values())
    # Whoever extends a run changes its configuration, and that is noted with it.
    hashes = [then.config_sha256 for then in (run, *run.resumed) if then.config_sha256 is not None]
    if hashes and hashes[-1] != now.config_sha256:
        sentences.append("config: config.yaml was changed after the run wrote it")
    return sentences


def _unlike(then: MadeWith, now: MadeWith) -> Iterator[tuple[str, object, object]]:
    """Name, what it was, what it is here."""
    if "sha256" in then.code and then.code["sha256"] != now.code.get("sha256"):
        yield "code", _code_text(then), _code_text(now)
    for theirs, ours in ((then.versions, now.versions), (then.hardware, now.hardware)):
        for name, value in theirs.items():
            if value != (here := ours.get(name, "missing")):
                yield name.replace("_", " "), value, here
    for name in ("device", "precision", "threads"):
        recorded, here = getattr(then, name), getattr(now, name)
        if recorded is not None and recorded != here:
            yield name, recorded, here


def _code_text(made: MadeWith) -> str:
    """`0.1.0 (commit a6d0bd96aa81 with changes, sources 59e0c5ab14a4)`."""
    code = {name: str(value)[:SHORT] for name, value in made.code.items()}
    changes = " with changes" if made.code.get("has_changes") else ""
    commit = f"commit {code['commit']}{changes}, " if "commit" in code else ""
    return f"{code.get('version', 'unknown')} ({commit}sources {code.get('sha256', 'unknown')})"


def read_provenance(folder: RunFolder) -> RunProvenance:
    """Raises UserError where it is not there, or cannot be read."""
    try:
        return read_json(folder.provenance, RunProvenance)
    except FileNotFoundError:
        raise UserError(f"{folder.path} has no {folder.provenance.name}: what it was made of is not known.") from None
    except (OSError, Refused) as fault:
        raise UserError(
            f"{folder.provenance} cannot be read ({fault}). Copy it again from where the run was made."
        ) from None


class _NotedBefore(BaseModel):
    """What was noted when the run began stays as it is."""

    model_config = ConfigDict(extra="allow")
    resumed: list[dict[str, Any]] = []


def note_provenance(
    config: RunConfig, folder: RunFolder, benchmark: Benchmark, home: Home, entries: Mapping[str, str], device: str
) -> None:
    """What everything was made of, and with what. Of a search that goes on: when, and with what it does."""
    started = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    noted = made_with(folder, config, device).model_dump(exclude_none=True)
    if folder.provenance.is_file():
        before = read_json(folder.provenance, _NotedBefore)
        before.resumed.append({"started": started, **noted})
        replace_text(folder.provenance, before.model_dump_json(indent=2))
        return
    cards = {name: Bank.of(home).card(entry) for name, entry in entries.items()}
    provenance = {
        "benchmark": benchmark.label,
        "synthetic": benchmark.synthetic,
        "fingerprints": {split: benchmark.blocks(split).fingerprint for split in SPLIT_NAMES},
        "sources": {
            name: {
                "entry": entries[name],
                "benchmark": card.data.label,
                "synthetic": card.data.synthetic,
                "weights_sha256": card.weights_sha256,
                "score": card.score,
                "last_frame": card.last_frame,
            }
            for name, card in cards.items()
        },
        "seed": config.search.seed,
        "started": started,
        **noted,
    }
    replace_text(folder.provenance, json.dumps(provenance, indent=2))

"""Clips and sources of a run that began earlier: with others by now, what is trained would be another experiment."""

from collections.abc import Iterable
from typing import Literal

from platform.bank.bank import Bank
from platform.benchmarks.benchmark import Benchmark
from platform.benchmarks.store import repair
from platform.config.errors import UserError
from platform.tuning.keeping.made_with import SHORT, RunProvenance

TRAINED_ON: tuple[Literal["train", "validation"], ...] = ("train", "validation")  # what a trial sees of a benchmark


def refuse_other_clips(
    provenance: RunProvenance, benchmark: Benchmark, splits: Iterable[Literal["train", "validation", "test"]]
) -> None:
    """Raises UserError where a split's fingerprint is not the recorded one."""
    store = benchmark.store
    for split in splits:
        found, recorded = benchmark.blocks(split).fingerprint, provenance.fingerprints.get(split)
        if recorded is not None and found != recorded:
            raise UserError(
                f"the {split} clips of {benchmark.label} in {store.path} have fingerprint {found[:SHORT]}, those "
                f"of this run had {recorded[:SHORT]}: other clips make another experiment. Set TMU_HOME to where "
                f"those lie, or prepare them from the same files as then. {repair(store.path, store.manifest)}"
            )


def entries_as_recorded(provenance: RunProvenance, sources: Iterable[str], bank: Bank) -> dict[str, str]:
    """The bank entry that each source had in the run. Raises UserError where its weights are others, or not there."""
    entries = {}
    for name in sorted(sources):
        if (used := provenance.sources.get(name)) is None:
            raise UserError(f"the run's provenance.json does not tell the weights of source {name!r}.")
        entry, recorded = used.entry, used.weights_sha256
        found = bank.card(entry).weights_sha256 if entry in bank else None
        if found != recorded:
            what = "is not in the bank" if found is None else f"has others there ({found[:SHORT]})"
            raise UserError(
                f"source {name!r} of this run is {entry} with weights {recorded[:SHORT]}, which {what}: another "
                f"source makes another experiment. Copy {entry} into {bank.root} from where the run was made, or set "
                f"TMU_REMOTE and `python -m platform.sources publish {entry}` there."
            )
        entries[name] = entry
    return entries

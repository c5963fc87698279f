"""What it cost a run to have its sources' memories served, and what that saved: `memory.json`, and how it is told."""

from collections.abc import Iterable

from pydantic import BaseModel, NonNegativeInt

from platform.config.bounded import Refused, read_json
from platform.results.record import TrialRecord
from platform.results.run_folder import RunFolder
from platform.results.scores import NARROW, percent, readable_bytes, readable_time


class ServingTotals(BaseModel):
    """What all memory servers of a run did."""

    passes: NonNegativeInt  # blocks put through a source
    announced: NonNegativeInt = 0  # of these, begun before any trial waited for them
    unstored: NonNegativeInt = 0  # of these, without room in the store, or not to be stored
    evicted_blocks: NonNegativeInt = 0  # of other searches, to make room
    restarts: NonNegativeInt = 0  # servers that died: their passes until then are not counted


def read_totals(folder: RunFolder) -> ServingTotals | None:
    """None where the run had no sources, did not end by itself, or the file is damaged."""
    try:
        return read_json(folder.memory, ServingTotals)
    except (OSError, Refused):
        return None


def serving_rows(records: Iterable[TrialRecord], totals: ServingTotals | None) -> list[tuple[str, str]]:
    """What a report says: rows of (what, how much); none where no trial asked for memory."""
    records = list(records)
    asked, rows = _asked(records), []
    if asked:
        share = percent(_total(records, "ready") / asked)
        rows.append(("memory blocks found ready", f"{share} of {asked:,.0f} asked for"))
        if totals is not None:
            rows.append(("source passes", _passes(asked, totals)))
            if totals.evicted_blocks:
                rows.append(("blocks of other searches that made room", f"{totals.evicted_blocks:,}"))
        waited, whole = _total(records, "waited_s"), sum(record.duration_s for record in records)
        told = f", {100 * waited / whole:.1f}{NARROW}% of their time" if whole else ""
        rows.append(("trials waited for memory", readable_time(waited) + told))
    if read := _total(records, "bytes"):
        rows.append(("memory read by trials", readable_bytes(read)))
    return rows


def serving_sentence(records: Iterable[TrialRecord], totals: ServingTotals | None) -> str | None:
    """`source passes: 12, where trials that run their own sources need 96`; None where there is nothing to tell."""
    asked = _asked(records)
    return f"source passes: {_passes(asked, totals)}" if asked and totals is not None else None


def _passes(asked: float, totals: ServingTotals) -> str:
    """Without servers every block that a trial asked for would have been put through its source."""
    at_least = "at least " if totals.restarts else ""
    text = f"{at_least}{totals.passes:,}, where trials that run their own sources need {asked:,.0f}"
    return text + (f"; {totals.unstored:,} were not stored" if totals.unstored else "")


def _asked(records: Iterable[TrialRecord]) -> float:
    return sum(record.memory.get("ready", 0.0) + record.memory.get("computed", 0.0) for record in records)


def _total(records: Iterable[TrialRecord], name: str) -> float:
    return sum(record.memory.get(name, 0.0) for record in records)

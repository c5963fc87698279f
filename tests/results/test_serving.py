"""What serving memory cost a run, as its report and its last line tell it."""

from pathlib import Path
from typing import Any

import pytest

from platform.results.record import TrialRecord
from platform.results.run_folder import RunFolder
from platform.results.serving import ServingTotals, read_totals, serving_rows, serving_sentence


def trial(number: int, **memory: float) -> TrialRecord:
    settings: dict[str, Any] = {"sources": ["one"]}
    return TrialRecord(
        trial=number, id=str(number), state="finished", seed=0, settings=settings, duration_s=10, memory=memory
    )


TRIALS = [trial(0), trial(1, ready=30, computed=18, waited_s=1.0, bytes=2e9), trial(2, ready=48, waited_s=0.0)]


def test_a_run_tells_its_source_passes_and_those_of_trials_without_servers() -> None:
    totals = ServingTotals(passes=12)
    assert serving_sentence(TRIALS, totals) == "source passes: 12, where trials that run their own sources need 96"
    rows = dict(serving_rows(TRIALS, totals))
    assert rows["memory blocks found ready"].replace("\u00a0", " ") == "81 % of 96 asked for"
    assert rows["source passes"].startswith("12, where")
    assert rows["trials waited for memory"].replace("\u00a0", " ").endswith("3.3 % of their time")


def test_what_was_not_stored_made_room_or_was_not_counted_is_told() -> None:
    totals = ServingTotals(passes=40, unstored=30, evicted_blocks=7, restarts=1)
    told = serving_sentence(TRIALS, totals)
    assert told is not None
    assert told.startswith("source passes: at least 40, ")
    assert told.endswith("; 30 were not stored")
    assert dict(serving_rows(TRIALS, totals))["blocks of other searches that made room"] == "7"


def test_nothing_is_told_where_nothing_was_asked_for() -> None:
    assert serving_rows([trial(0)], ServingTotals(passes=0)) == []
    assert serving_sentence([trial(0)], ServingTotals(passes=0)) is None
    assert serving_sentence(TRIALS, None) is None
    assert "source passes" not in dict(serving_rows(TRIALS, None))


@pytest.mark.parametrize("content", [None, "", "{}", '{"passes": -1}', "\x00"])
def test_a_file_that_is_missing_or_damaged_is_no_reason_to_fail(tmp_path: Path, content: str | None) -> None:
    folder = RunFolder(tmp_path)
    if content is not None:
        folder.memory.write_text(content)
    assert read_totals(folder) is None

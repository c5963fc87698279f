"""The list of runs: names at once, the rest as it is read, and read again only where files changed."""

import shutil
import threading
from collections import Counter
from pathlib import Path

import pytest
from playwright.sync_api import expect

from platform.results.record import read_results, write_results
from platform.results.run_folder import RunFolder
from platform.viewing.listed import Facts, Listed
from platform.viewing.runs import Runs
from platform.viewing.watched import View, WatchedRun
from tests.viewing.conftest import Serve

Told = dict[str, Facts | None]


@pytest.fixture
def runs(tmp_path: Path, finished_run: RunFolder) -> Path:
    for name in ("one", "two"):
        shutil.copytree(finished_run.path, tmp_path / "runs" / name)
    return tmp_path / "runs"


def told(listed: Listed) -> Told:
    return {run.key: facts for run, facts in listed.rows()}


def told_in_the_end(listed: Listed) -> Told:
    """Once every run has been read that was not, or that changed."""
    told(listed)
    listed.reader.join()
    told(listed)  # one that read before may have looked too early
    listed.reader.join()
    return told(listed)


def test_names_are_there_before_the_runs_are_read(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    may_read, glance = threading.Event(), WatchedRun.glance

    def slow(run: WatchedRun) -> View:
        may_read.wait(60)
        return glance(run)

    monkeypatch.setattr(WatchedRun, "glance", slow)
    listed = Listed(Runs([runs]))
    assert told(listed) == {"one": None, "two": None}
    may_read.set()
    facts = told_in_the_end(listed)["one"]
    assert facts is not None
    assert (facts.state, facts.num_ended, facts.damaged) == ("ended", 16, ())
    assert "is the best of 12 finished trials" in facts.known


def test_a_run_is_read_again_only_where_its_files_changed(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read, glance = Counter[str](), WatchedRun.glance

    def counted(run: WatchedRun) -> View:
        read[run.key] += 1
        return glance(run)

    monkeypatch.setattr(WatchedRun, "glance", counted)
    listed = Listed(Runs([runs]))
    told_in_the_end(listed)
    folder = RunFolder(runs / "two")
    write_results(folder.results, read_results(folder.results)[:8])
    facts = told_in_the_end(listed)["two"]
    assert facts is not None
    assert (facts.state, facts.num_ended) == ("ended early", 8)
    assert read == {"one": 1, "two": 2}


def test_a_run_that_is_partly_unreadable_is_marked(serve: Serve, runs: Path) -> None:
    RunFolder(runs / "two").provenance.write_text("{")
    rows = serve(runs).open().locator("#runs tbody tr")
    expect(rows.filter(has_text="two")).to_contain_text("partly unreadable")
    expect(rows.filter(has_text="one")).to_contain_text("is the best of")
    expect(rows.filter(has_text="one")).not_to_contain_text("partly unreadable")


def test_what_a_search_has_not_written_yet_is_no_damage(runs: Path) -> None:
    RunFolder(runs / "one").results.unlink()
    shutil.rmtree(RunFolder(runs / "two").trials)
    assert [facts.damaged for facts in told_in_the_end(Listed(Runs([runs]))).values() if facts] == [(), ()]

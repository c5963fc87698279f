"""The list of runs: names at once, the rest as it is read, and read again only where files changed."""

import os
import shutil
import tempfile
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

NOBODY = 65534
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


def test_a_run_that_this_user_may_not_read_is_told_and_hides_no_other(finished_run: RunFolder) -> None:
    mine = os.geteuid()
    with tempfile.TemporaryDirectory() as path:
        runs = Path(path)  # everybody may look into it, unlike pytest's own
        for name in ("one", "two", "three"):
            shutil.copytree(finished_run.path, runs / name)
        refused = [RunFolder(runs / "two").path, RunFolder(runs / "three").trials]
        for folder in (runs, *refused):
            folder.chmod(0o755 if folder is runs else 0)
        if mine == 0:
            os.seteuid(NOBODY)  # root may read whatever a folder says
        try:
            facts = told_in_the_end(Listed(Runs([runs])))
            alone = told_in_the_end(Listed(Runs([runs / "two"])))
        finally:
            os.seteuid(mine)
            for folder in refused:
                folder.chmod(0o755)
    assert facts.keys() == {"one", "two", "three"}
    assert facts["one"] is not None
    assert facts["one"].num_ended == 16
    for told_of in (facts["two"], facts["three"], alone["two"]):
        assert told_of is not None
        assert "Permission denied" in told_of.damaged[0]
        assert "chmod -R a+rX" in told_of.damaged[0]


def test_a_folder_that_cannot_be_looked_into_is_listed_beside_the_runs(serve: Serve, runs: Path) -> None:
    (runs / "odd").symlink_to("x" * 300)
    dashboard = serve(runs)
    page = dashboard.open()
    rows = page.locator("#runs tbody tr")
    expect(rows.filter(has_text="one")).to_contain_text("is the best of")
    expect(rows.filter(has_text="odd")).to_contain_text("cannot be read")
    page.get_by_role("link", name="odd").click()
    expect(page.locator("#main")).to_contain_text("File name too long")

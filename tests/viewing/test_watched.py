"""What a dashboard reads of a run, and when."""

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from platform.config.errors import UserError
from platform.results.progress import Running, RunningTrial, write_running
from platform.results.record import read_results, write_results
from platform.results.run_folder import RunFolder
from platform.tuning.keeping.driver import driving
from platform.viewing.rows import RowLog
from platform.viewing.runs import Runs
from platform.viewing.watched import PENDING, WatchedRun


@pytest.fixture
def folder(tmp_path: Path, finished_run: RunFolder) -> RunFolder:
    shutil.copytree(finished_run.path, tmp_path / "kth")
    return RunFolder(tmp_path / "kth")


@pytest.fixture
def background() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as executor:
        yield executor


def test_a_run_is_read_again_only_where_a_file_changed(folder: RunFolder, background: ThreadPoolExecutor) -> None:
    run = WatchedRun("kth", folder.path, background)
    first = run.view()
    assert first.findings.importances is PENDING
    run.ask_for_importances()
    background.submit(lambda: None).result()  # after it come the importances
    worked_out = run.view()
    assert worked_out.version > first.version
    assert worked_out.findings.importances.shares
    assert run.view() is worked_out

    write_results(folder.results, read_results(folder.results)[:8])
    changed = run.view()
    assert changed.version > worked_out.version
    assert len(changed.summary.records) == 8
    assert changed.state == "ended early"
    assert changed.summary.records[3] is worked_out.summary.records[3]  # not parsed again


def test_a_search_that_runs_is_left_alone_for_a_while_after_a_look(
    folder: RunFolder, background: ThreadPoolExecutor
) -> None:
    run = WatchedRun("kth", folder.path, background)
    whole = read_results(folder.results)
    write_results(folder.results, whole[:8])
    with driving(folder):
        seen = run.view()
        assert seen.state == "searching"
        write_results(folder.results, whole)
        assert run.view() is seen
        assert len(run.view(now=True).summary.records) == 16  # somebody opened a page
    assert run.view(now=True).state == "ended"


def test_a_table_is_told_of_what_came_and_what_changed(folder: RunFolder, background: ThreadPoolExecutor) -> None:
    whole = read_results(folder.results)
    running = RunningTrial(trial=9, id="trial-009", seed=1, settings=whole[9].settings, curve=whole[9].curve[:1])
    write_results(folder.results, whole[:9])
    write_running(folder.running, Running(trials=(running,)))
    run, log = WatchedRun("kth", folder.path, background), RowLog()
    first = log.since(0, run.view())
    assert [row["trial"] for row in first.added] == list(range(10))
    assert first.added[9]["state"] == "running"
    assert log.since(first.version, run.view(now=True)).updated == ()

    write_running(folder.running, Running())
    write_results(folder.results, whole[:11])
    then = log.since(first.version, run.view(now=True))
    assert [row["trial"] for row in then.added] == [10]
    assert [(row["trial"], row["state"]) for row in then.updated] == [(9, whole[9].state)]
    assert len(log.since(0, run.view()).added) == 11  # another table, opened now


def test_a_table_of_a_run_that_was_replaced_and_one_left_open_over_a_restart_are_filled_anew(
    folder: RunFolder, background: ThreadPoolExecutor
) -> None:
    whole = read_results(folder.results)
    run, log = WatchedRun("kth", folder.path, background), RowLog()
    shown = log.since(0, run.view()).version
    write_results(folder.results, whole[3:7])
    replaced = log.since(shown, run.view(now=True))
    assert replaced.is_whole
    assert [row["trial"] for row in replaced.added] == [3, 4, 5, 6]
    restarted = RowLog().since(replaced.version, WatchedRun("kth", folder.path, background).view())
    assert restarted.is_whole
    assert len(restarted.added) == 4


def test_versions_grow_over_the_dashboard_s_own_restarts(folder: RunFolder, background: ThreadPoolExecutor) -> None:
    """Or a page that was left open would take the new one's news for old."""
    before = WatchedRun("kth", folder.path, background).view()
    assert WatchedRun("kth", folder.path, background).view().version > before.version


def test_runs_of_one_name_have_keys_of_their_own_and_keep_them(tmp_path: Path, folder: RunFolder) -> None:
    (tmp_path / "other").mkdir()
    shutil.copytree(folder.path, tmp_path / "other" / "kth")
    shutil.copytree(folder.path, tmp_path / "other" / "a b%c")
    runs = Runs([tmp_path / "other", folder.path])
    keys = {run.key: run.path for run in runs.all()}
    assert keys.keys() == {"kth", "kth-2", "a-b-c"}
    folder.results.touch()
    assert {run.key: run.path for run in runs.all()} == keys
    with pytest.raises(UserError, match="no run gone"):
        runs.get("gone")

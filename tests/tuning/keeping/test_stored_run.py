"""A run in storage and its working copies: what is taken there, what is fetched, and who may drive it. Against S3."""

import signal
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from platform.config.errors import UserError
from platform.config.home import Home
from platform.results.claim import CLAIM, Claim, read_claim
from platform.results.opened import open_run
from platform.results.run_folder import RunFolder, new_run_folder
from platform.results.stored_run import Heard, fetch_run, fetched_run, fetched_trial, run_at
from platform.storage.storage import Storage
from platform.tuning.cluster.nodes import NodeCheck, _asker, _differences
from platform.tuning.keeping import claiming
from platform.tuning.keeping.driver import driving, stop
from platform.tuning.keeping.mirror import Mirror
from platform.tuning.trials.checkpoints import SavedTrials


@pytest.fixture
def uri(remote: str) -> str:
    return remote.replace("lab", "lab/runs/kth")


@pytest.fixture
def here(uri: str, tmp_path: Path) -> RunFolder:
    """A run that has begun on this machine."""
    folder = run_at(uri, Home(tmp_path / "here"))
    folder.path.mkdir(parents=True)
    folder.config.write_text("name: kth\n")
    folder.trial("00000").mkdir(parents=True)
    (folder.trial("00000") / "events").write_bytes(b"1")
    with sqlite3.connect(folder.study) as study:
        study.execute("CREATE TABLE trials (number INTEGER)")
    return folder


@pytest.fixture
def elsewhere(uri: str, tmp_path: Path) -> RunFolder:
    """Its working copy on another machine, which has none yet."""
    return run_at(uri, Home(tmp_path / "elsewhere"))


@pytest.fixture
def hears_ctrl_c() -> Iterator[None]:
    """Whatever ran in this process before."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def silent(what: str) -> None:
    """Nobody listens."""


def uploaded(folder: RunFolder) -> Mirror:
    assert folder.remote is not None
    mirror = Mirror(folder, folder.remote, silent)
    mirror.upload()
    return mirror


def files(folder: RunFolder) -> dict[str, bytes]:
    return {
        path.relative_to(folder.path).as_posix(): path.read_bytes()
        for path in folder.path.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }


def drive_while(folder: RunFolder, path: str, content: bytes) -> None:
    """Another machine writes this meanwhile."""
    assert folder.remote is not None
    with driving(folder):
        folder.remote.write(path, content)
        folder.results.write_bytes(b"table")
        time.sleep(20)


def test_the_run_of_one_uri_has_one_working_copy_and_a_folder_none(uri: str, tmp_path: Path) -> None:
    home = Home(tmp_path)
    assert run_at(uri, home) == run_at(uri, home) == run_at(uri.replace("kth?", "kth/?"), home)
    assert run_at(uri, home).path.parent == home.runs
    assert run_at(uri, home).path.name.startswith("kth-")
    assert run_at("runs/kth", home) == RunFolder(Path("runs/kth"))
    assert not home.runs.exists()


def test_another_machine_fetches_what_was_uploaded_and_later_only_what_differs(
    here: RunFolder, elsewhere: RunFolder
) -> None:
    (here.path / ".lock").touch()
    mirror = uploaded(here)
    fetch_run(elsewhere)
    assert files(elsewhere).keys() == files(here).keys()
    assert sqlite3.connect(elsewhere.study).execute("SELECT count(*) FROM trials").fetchone() == (0,)

    kept = elsewhere.config.stat().st_ino
    (here.trial("00000") / "events").write_bytes(b"12")
    here.results.write_bytes(b"table")
    mirror.upload()
    fetch_run(elsewhere)
    assert files(elsewhere)["trials/00000/events"] == b"12"
    assert files(elsewhere)["results.parquet"] == b"table"
    assert elsewhere.config.stat().st_ino == kept

    (here.trial("00000") / "events").unlink()
    mirror.upload()
    fetch_run(elsewhere)
    assert "trials/00000/events" not in files(elsewhere)


def test_a_study_is_uploaded_whole_while_it_is_written(here: RunFolder, elsewhere: RunFolder) -> None:
    with sqlite3.connect(here.study) as study:
        study.execute("INSERT INTO trials VALUES (1)")
        study.commit()
        study.execute("INSERT INTO trials VALUES (2)")  # not committed yet
        uploaded(here)
        fetch_run(elsewhere)
        assert sqlite3.connect(elsewhere.study).execute("SELECT number FROM trials").fetchall() == [(1,)]


def test_checkpoints_and_names_that_lead_out_are_not_fetched(here: RunFolder, elsewhere: RunFolder) -> None:
    uploaded(here)
    assert here.remote is not None
    for path in ("trials/00000/checkpoint_000001/manifest.json", "trials/tuner.pkl", "../out", "a/../../out", ".x/y"):
        here.remote.write(path, b"x")
    fetch_run(elsewhere)
    assert files(elsewhere).keys() == files(here).keys()
    assert not (elsewhere.path.parent / "out").exists()


def test_a_uri_without_a_run_is_told(uri: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no run is at s3://.*: it has no config\.yaml"):
        fetched_run(uri, Home(tmp_path))


def test_a_run_is_opened_by_its_uri_and_a_trial_named(
    here: RunFolder, uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uploaded(here)
    monkeypatch.setenv("TMU_HOME", str(tmp_path / "reader"))
    assert open_run(uri).summary.name == "kth"
    place, _, how = uri.partition("?")
    home = Home.from_environment()
    copy = run_at(uri, home).path
    assert fetched_trial(f"{place}/17?{how}", home) == str(copy / "17")
    assert fetched_trial(f"{place}/trials/00017?{how}", home) == str(copy / "00017")
    assert fetched_trial("runs/long/17", home) == "runs/long/17"


def test_a_working_copy_named_as_a_folder_is_the_run_at_its_uri(
    here: RunFolder, elsewhere: RunFolder, tmp_path: Path
) -> None:
    uploaded(here)
    fetch_run(elsewhere)
    assert run_at(elsewhere.path, Home(tmp_path / "elsewhere")) == elsewhere
    assert run_at(elsewhere.path, Home(tmp_path / "another")).remote is None  # who made that folder is not known here


def test_a_place_in_use_is_refused_and_one_that_cannot_be_written_told(
    here: RunFolder, elsewhere: RunFolder, uri: str, tmp_path: Path
) -> None:
    with new_run_folder(elsewhere):
        pass
    assert not elsewhere.path.exists()
    uploaded(here)
    with pytest.raises(UserError, match=r"is not empty\. Give another --run-dir, or go on with it: --resume"):
        new_run_folder(elsewhere).__enter__()
    bucket = uri.removeprefix("s3://").partition("/")[0]
    nowhere = run_at(uri.replace(bucket, "no-such-bucket"), Home(tmp_path / "nowhere"))
    with pytest.raises(UserError, match=r"cannot write s3://no-such-bucket/.*Check the run's URI, the network, and"):
        new_run_folder(nowhere).__enter__()


def test_one_driver_at_a_time_until_it_ends(
    here: RunFolder, elsewhere: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claiming, "this_machine", lambda: "another")
    with driving(here):
        uploaded(here)
        fetch_run(elsewhere)
        with pytest.raises(UserError, match=r"a search runs in s3://.* \(process \d+ on .*, last heard \d+ s ago\)"):
            driving(elsewhere).__enter__()
        assert Heard(elsewhere)()
    assert not Heard(elsewhere)()
    here_has = files(here)
    with driving(elsewhere):
        assert files(elsewhere).keys() == here_has.keys()
    assert files(here) == here_has


def test_a_driver_that_is_not_heard_any_more_is_replaced(
    here: RunFolder, elsewhere: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    uploaded(here)
    assert here.remote is not None
    gone = Claim(copy_id="x", host="gone", machine="gone", pid=7)
    here.remote.write(CLAIM, gone.model_dump_json().encode())
    with pytest.raises(UserError, match=r"Where that machine is gone, try again in \d+ s"):
        driving(elsewhere).__enter__()
    elsewhere.lock.unlink(missing_ok=True)
    monkeypatch.setattr(claiming, "STALE_S", 0.5)
    time.sleep(2)  # S3 tells times in whole seconds
    with driving(elsewhere):
        assert read_claim(here.remote) != gone


@pytest.mark.usefixtures("hears_ctrl_c")
def test_whoever_takes_a_run_over_ends_the_driver_that_could_not_be_heard(
    here: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claiming, "BEAT_S", 0.1)
    assert here.remote is not None
    other = Claim(copy_id="x", host="other", machine="m", pid=7)
    with pytest.raises(KeyboardInterrupt):
        drive_while(here, CLAIM, other.model_dump_json().encode())
    assert read_claim(here.remote) == other
    assert here.results.is_file()
    assert "results.parquet" not in here.remote.files()  # nor is the other's run written over
    assert "process 7 on other has taken over this run" in here.incidents.read_text()


@pytest.mark.usefixtures("hears_ctrl_c")
def test_a_driver_is_asked_to_end_from_another_machine(
    here: RunFolder, elsewhere: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claiming, "BEAT_S", 0.1)
    with pytest.raises(UserError, match="no search runs in s3://"):
        stop(elsewhere)
    with pytest.raises(KeyboardInterrupt):
        drive_while(here, claiming.STOP, b"")
    with pytest.raises(UserError, match="no search runs in s3://"):
        stop(elsewhere)


def test_a_driver_is_heard_though_storage_was_away_as_it_began(
    here: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert here.remote is not None
    here.remote.write(claiming.STOP, b"")  # which nobody heard, and which is not meant for this driver
    monkeypatch.setattr(claiming, "BEAT_S", 0.1)
    delete = Storage.delete

    def is_away(storage: Storage, path: str) -> None:
        if threading.current_thread().name == "claim":
            raise UserError("it is away")
        delete(storage, path)

    monkeypatch.setattr(Storage, "delete", is_away)
    with driving(here):
        ends = time.monotonic() + 10
        while (claim := read_claim(here.remote)) is None or claim.beats < 3:
            assert time.monotonic() < ends
            time.sleep(0.1)


def test_the_sign_that_an_earlier_driver_set_is_not_there_for_the_next(here: RunFolder, elsewhere: RunFolder) -> None:
    here.confirm.mkdir()
    for run in (here, here.confirmation):
        run.winding_down.touch()
    uploaded(here)
    assert SavedTrials(elsewhere).winds_down()
    fetch_run(elsewhere)
    for folder in (elsewhere, here):
        with driving(folder):
            assert not SavedTrials(folder).winds_down()
            assert not SavedTrials(folder.confirmation).winds_down()
        assert not SavedTrials(folder).winds_down()


def test_a_node_that_cannot_write_there_is_told_the_repair(here: RunFolder, uri: str) -> None:
    check = NodeCheck.of_run(here, ())
    assert (check.folder, check.storage) == (None, here.remote)
    ask = _asker()
    mine, fits = ask([], None, None), ask([], None, uri)
    assert list(_differences(mine, fits, check)) == []
    assert here.remote is not None
    assert here.remote.files() == {}
    unfit = ask([], None, uri.replace("bucket-", "no-bucket-"))
    (fault,) = _differences(mine, unfit, check)
    assert "lab/runs/kth cannot be written to (" in fault
    assert "Start its Ray with the credentials of that storage in the environment" in fault


def test_what_is_superseded_is_deleted_after_the_upload(here: RunFolder) -> None:
    assert here.remote is not None
    seen: list[int] = []
    here.remote.superseded.append(lambda: seen.append(len(here.remote.files() if here.remote else ())))
    assert here.confirmation.remote is not None
    here.confirmation.remote.superseded.append(lambda: seen.append(0))
    uploaded(here)
    assert seen == [3, 0]

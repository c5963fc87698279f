"""The storage of a study, in a team's PostgreSQL or in a file, and outages of it: a real server, really stopped."""

import contextlib
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import optuna
import psycopg
import pytest
import sqlalchemy
from optuna.trial import TrialState

from platform.config.errors import UserError, is_full_disk
from platform.config.home import Home
from platform.config.load import load_run
from platform.config.resolved import dump_run
from platform.config.run import RunConfig
from platform.results.run_folder import RunFolder
from platform.tuning.plan import SearchPlan
from platform.tuning.study import database
from platform.tuning.study.database import reason
from platform.tuning.study.patience import WaitEnded
from platform.tuning.study.storage import check_study, open_study_storage, study_name
from tests.given import TINY
from tests.postgresql import IN_DATABASE, SHARED, VARIABLE, Proxy, Server
from tests.waiting import wait_for

Config = Callable[..., RunConfig]


# what a configuration may say


@pytest.mark.parametrize("value", ["postgresql://me:hidden@host/db", "study=postgresql://me:hidden@host/db"])
def test_a_url_in_a_yaml_is_refused_and_not_repeated(value: str) -> None:
    with pytest.raises(UserError, match=r"environment variable|dictionary") as refused:
        load_run(str(TINY), overrides=[value if "=" in value else f"study.storage={value}"])
    assert "hidden" not in str(refused.value)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            'connection to server at "db.lab" (10.0.0.7), port 5433 failed: Connection refused',
            "connection to server at …, port … failed: Connection refused",
        ),
        ("failed to resolve host 'db.lab': [Errno -2] Name or service not known", None),
        ('FATAL: password authentication failed for user "ann"', "FATAL: password authentication failed for user …"),
        ('invalid sslmode value: "s3cr3t"', "invalid sslmode value: …"),
        ("FATAL: database vision does not exist", "FATAL: database … does not exist"),
    ],
)
def test_what_a_driver_says_is_told_without_any_part_of_the_url(said: str, told: str | None) -> None:
    url = sqlalchemy.make_url("postgresql://ann:pa55@db.lab:5433/vision?sslmode=s3cr3t")
    words = reason(RuntimeError(said), url)
    assert not any(part in words for part in ("ann", "pa55", "db.lab", "5433", "vision", "s3cr3t", "10.0.0.7"))
    assert told is None or words == told


def test_the_resolved_configuration_keeps_the_reference(tiny_config: Config, postgres: Server) -> None:
    dumped = dump_run(tiny_config(IN_DATABASE))
    assert f"storage: ${{{VARIABLE}}}" in dumped
    assert postgres.password not in dumped


@pytest.mark.parametrize(
    ("url", "repair"),
    [
        ("", "is not set. export TMU_STUDY_URL=postgresql://USER"),
        ("what is this", "is not the URL of a database"),
        ("postgresql://tmu:hid@den@127.0.0.1/db", "%40 for each @"),
        ("postgresql://tmu:hidden@127.0.0.1:99999999/db", "cannot be used"),
        ("nosuch://tmu:hidden@127.0.0.1/db", "is not the URL of a database"),
        ("mysql+pymysql://tmu:hidden@127.0.0.1/db", "pip install pymysql"),
    ],
)
def test_a_variable_of_no_use_is_refused_with_the_repair(
    url: str, repair: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, url)
    with pytest.raises(UserError) as refused:
        check_study(SHARED, RunFolder(tmp_path))
    assert repair in str(refused.value)
    assert not set(str(refused.value).split(":")) & {"hidden", "hid", "den"}
    assert "den@" not in str(refused.value)


def test_a_server_that_refuses_or_does_not_answer_is_told_before_a_search_begins(
    postgres: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    postgres.execute("CREATE USER guest PASSWORD 'guest'")
    guest = postgres.url().replace(f"tmu:{postgres.password}", "guest:guest")
    with contextlib.ExitStack() as stack:
        nobody = stack.enter_context(socket.socket())
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        silent = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        for url, why in (
            (postgres.url(password="wrongword"), "password authentication failed"),
            (postgres.url("nowhere"), "database … does not exist"),
            (postgres.url(port=port), "Connection refused"),
            (f"{postgres.url(port=silent.getsockname()[1])}?connect_timeout=2", "timeout"),
            (guest, "permission denied"),
        ):
            monkeypatch.setenv(VARIABLE, url)
            with pytest.raises(UserError, match=why) as refused:
                check_study(SHARED, RunFolder(tmp_path))
            assert not {postgres.password, "wrongword"} & set(str(refused.value).split())
            assert url not in str(refused.value)
    assert list(tmp_path.iterdir()) == []


def test_a_plan_asks_for_the_variable_and_not_for_the_server(
    tiny_home: Home, tiny_config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "postgresql://tmu:hidden@127.0.0.1:9/db")
    SearchPlan.make(tiny_config(IN_DATABASE), tiny_home)
    monkeypatch.delenv(VARIABLE)
    with pytest.raises(UserError, match="TMU_STUDY_URL is not set"):
        SearchPlan.make(tiny_config(IN_DATABASE), tiny_home)


# what a storage does


def test_runs_that_begin_at_once_in_an_empty_database_make_its_tables_and_do_not_mix(
    postgres: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    postgres.execute("CREATE DATABASE fresh TEMPLATE template0")
    monkeypatch.setenv(VARIABLE, postgres.url("fresh"))
    folders = [RunFolder(tmp_path / str(number)) for number in range(4)]

    def begin(folder: RunFolder) -> tuple[str, list[int]]:
        check_study(SHARED, folder)
        with open_study_storage(folder, SHARED) as storage:
            name = study_name(SHARED, folder, "tiny")
            made = optuna.create_study(storage=storage, study_name=name)
            return name, [made.ask().number for _ in range(3)]

    with ThreadPoolExecutor(len(folders)) as pool:
        begun = list(pool.map(begin, folders))
    assert len({name for name, _ in begun}) == len(folders)
    assert [numbers for _, numbers in begun] == [[0, 1, 2]] * len(folders)
    assert study_name(SHARED, folders[0], "tiny") == begun[0][0]


@pytest.fixture
def proxy(postgres: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    proxy = Proxy(postgres.port)
    monkeypatch.setenv(VARIABLE, postgres.url(port=proxy.port))
    yield proxy
    proxy.close()


def test_what_was_done_though_its_answer_was_lost_is_not_done_twice(proxy: Proxy, tmp_path: Path) -> None:
    told: list[str] = []
    with open_study_storage(RunFolder(tmp_path), SHARED, told.append) as storage:
        made = optuna.create_study(storage=storage, study_name="lost")
        made.enqueue_trial({"x": 0.5})

        def losing(call: Callable[[], Any]) -> Any:
            wait_for(lambda: not proxy.armed)
            proxy.armed = True
            return call()

        waiting = losing(made.ask)
        assert losing(lambda: waiting.suggest_float("x", 0, 1)) == 0.5
        losing(lambda: waiting.report(3.0, 1))
        losing(lambda: made.tell(waiting, 2.0))
        drawn = losing(made.ask)
        losing(lambda: made.tell(drawn, state=TrialState.FAIL))
        losing(lambda: made.add_trial(optuna.trial.create_trial(value=1.0)))

        trials = made.get_trials()
    assert [trial.state.name for trial in trials] == ["COMPLETE", "FAIL", "COMPLETE"]
    assert (trials[0].params, trials[0].intermediate_values, trials[0].value) == ({"x": 0.5}, {1: 3.0}, 2.0)
    assert len(told) == 2 * 7


def test_a_lock_that_a_lost_client_holds_is_waited_for(
    postgres: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "MOST_LOCKED_S", 1.0)
    told: list[str] = []
    with open_study_storage(RunFolder(tmp_path), SHARED, told.append) as storage:
        made = optuna.create_study(storage=storage)
        with psycopg.connect(postgres.url()) as lost:
            lost.execute("SELECT * FROM studies FOR UPDATE")
            asking = ThreadPoolExecutor(1).submit(made.ask)
            wait_for(lambda: bool(told))
        assert asking.result().number == 0
    assert "lock timeout" in told[0]


def test_an_outage_is_told_when_it_begins_and_when_it_ends(postgres: Server, tmp_path: Path) -> None:
    told: list[str] = []
    with open_study_storage(RunFolder(tmp_path), SHARED, told.append) as storage:
        made = optuna.create_study(storage=storage, study_name="outage")
        with postgres.gone():
            asking = ThreadPoolExecutor(1).submit(made.ask)
            wait_for(lambda: bool(told))
        assert asking.result().number == 0
        with postgres.gone():
            pass
        assert made.ask().number == 1, "a server that is back before anybody asks was never missed"
    began, ended = told
    assert began.startswith("the study's database does not answer (connection failed")
    assert ended.startswith("the study's database answers again, after ")


@contextlib.contextmanager
def locked(file: Path) -> Iterator[None]:
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        yield


@pytest.mark.parametrize(("shared", "after_s"), [(True, 2.0), (False, 0.5)])
def test_ctrl_c_ends_the_wait_and_all_that_follow(
    shared: bool, after_s: float, postgres: Server, tmp_path: Path
) -> None:
    """After half a second the file has not been given up for the first time."""
    heard: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: heard.append(number))  # as Tune: takes note of it
    folder = RunFolder(tmp_path)
    try:
        with open_study_storage(folder, SHARED if shared else None) as storage:
            made = optuna.create_study(storage=storage)
            with postgres.gone() if shared else locked(folder.study):
                threading.Timer(after_s, os.kill, (os.getpid(), signal.SIGINT)).start()
                began = time.monotonic()
                with pytest.raises(WaitEnded):
                    made.ask()
                with pytest.raises(WaitEnded):
                    made.get_trials()
                assert time.monotonic() - began < 5
    finally:
        signal.signal(signal.SIGINT, before)
    assert heard == [signal.SIGINT]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a disk that is too small")
@pytest.mark.parametrize("left", [0, 8192])
def test_a_full_disk_is_not_waited_for(left: int, tmp_path: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", tmp_path], check=True)
    try:
        told: list[str] = []
        with open_study_storage(RunFolder(tmp_path), told=told.append) as storage:
            made = optuna.create_study(storage=storage)
            free = shutil.disk_usage(tmp_path).free
            (tmp_path / "filler").write_bytes(b"x" * (free - left))
            with pytest.raises((OSError, optuna.exceptions.StorageInternalError)) as failure:
                made.add_trials([optuna.trial.create_trial(value=1.0, user_attrs={"x": "x" * 1000})] * 99)
        assert is_full_disk(failure.value)
        assert told == []
    finally:
        subprocess.run(["umount", "--lazy", tmp_path], check=True)

"""A study in a team's PostgreSQL, or in a file, whose database is gone for a while: a real server, really stopped."""

import contextlib
import gc
import io
import os
import secrets
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
import psutil
import psycopg
import pytest
import sqlalchemy
from optuna.trial import TrialState
from rich.console import Console

from platform.config.errors import UserError, is_full_disk
from platform.config.home import Home
from platform.config.load import load_run
from platform.config.resolved import dump_run
from platform.config.run import RunConfig
from platform.config.study import StudyConfig
from platform.results.importances import importances
from platform.results.incidents import read_incidents
from platform.results.progress import read_running
from platform.results.record import TrialRecord, read_results
from platform.results.run_folder import RunFolder
from platform.results.shared_study import read_shared_study
from platform.tuning import study
from platform.tuning.plan import SearchPlan
from platform.tuning.search_run import run_search
from platform.tuning.study import NoAnswer, WaitEnded, _reason, check_study, open_study_storage

Begin = Callable[..., Any]  # see conftest.py
Config = Callable[..., RunConfig]
TINY = Path(__file__).parents[1] / "fixtures" / "tiny.yaml"
VARIABLE = "TMU_STUDY_URL"
SHARED = StudyConfig(storage=f"${{{VARIABLE}}}")
IN_DATABASE = f"study.storage=${{{VARIABLE}}}"
QUICK = ("sources={}", "search.space={learning_rate: {float: [1e-3, 1e-2]}}", "search.asha=null", "training.epochs=5")
pytestmark = pytest.mark.timeout(900)  # whole searches, a server away for seconds


@dataclass
class Server:
    """A PostgreSQL server in a folder of its own, whose user must give a password."""

    programs: Path
    folder: Path
    user: str | None  # who runs it: root may not
    password: str = field(default_factory=lambda: f"secret{secrets.token_hex(8)}")
    port: int = 0

    def run(self, program: str, *arguments: str | Path) -> None:
        command = [self.programs / program, *arguments]
        done = subprocess.run(
            command, user=self.user, cwd=self.folder, stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def make(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        password = self.folder / "password"
        password.write_text(self.password)
        if self.user is not None:
            shutil.chown(self.folder, self.user)
            shutil.chown(password, self.user)
        options = ("--username=tmu", f"--pwfile={password}", "--auth=scram-sha-256", "--no-sync")
        self.run("initdb", "-D", self.folder / "data", *options)

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self.folder} -c fsync=off"
        log = self.folder / "log"
        self.run("pg_ctl", "start", "-w", "-D", self.folder / "data", "-l", log, "-o", options)

    def stop(self) -> None:
        """As if its machine had lost power."""
        self.run("pg_ctl", "stop", "-D", self.folder / "data", "-m", "immediate")

    @contextlib.contextmanager
    def gone(self) -> Iterator[None]:
        self.stop()
        try:
            yield
        finally:
            self.start()

    def url(self, database: str = "postgres", *, port: int | None = None, password: str | None = None) -> str:
        return f"postgresql://tmu:{password or self.password}@127.0.0.1:{port or self.port}/{database}"

    def execute(self, statement: str) -> None:
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(statement)

    def trials(self, run: RunFolder) -> list[optuna.trial.FrozenTrial]:
        shared = read_shared_study(run)
        assert shared is not None
        storage = optuna.storages.RDBStorage(self.url().replace("://", "+psycopg://"))
        try:
            return optuna.load_study(study_name=shared.name, storage=storage).get_trials()
        finally:
            storage.engine.dispose()


@pytest.fixture(scope="module")
def running_server() -> Iterator[Server]:
    installed = shutil.which("initdb")
    candidates = [Path(installed)] if installed else sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not candidates:  # none of EXPECTED_SKIPS: with CI=true it fails the run
        pytest.skip("these tests start a PostgreSQL server; install one, for example `apt-get install postgresql`")
    with tempfile.TemporaryDirectory(prefix="pg-", dir="/tmp") as folder:  # a socket's path may have 107 bytes
        user = "nobody" if os.geteuid() == 0 else None
        server = Server(candidates[-1].resolve().parent, Path(folder), user)
        server.make()
        server.start()
        yield server
        server.stop()


@pytest.fixture
def server(running_server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """It runs, and the variable names its database."""
    monkeypatch.setenv(VARIABLE, running_server.url())
    return running_server


def wait_for(has_come: Callable[[], bool]) -> None:
    ends = time.monotonic() + 100
    while not has_come():
        assert time.monotonic() < ends
        time.sleep(0.02)


@contextlib.contextmanager
def in_mid_search(run: RunFolder, fault: Callable[[], None], epochs: int = 2) -> Iterator[None]:
    """`fault` befalls the search that is run meanwhile, when a trial has trained so many epochs."""

    def befall() -> None:
        wait_for(lambda: any(len(trial.curve) >= epochs for trial in read_running(run.running).trials))
        fault()

    with ThreadPoolExecutor(1) as pool:
        befallen = pool.submit(befall)
        yield
        befallen.result()


def agrees(trials: list[optuna.trial.FrozenTrial], records: list[TrialRecord], num_trials: int) -> None:
    """Study and run folder have each trial once, and the same of it."""
    told = {"finished": TrialState.COMPLETE, "stopped": TrialState.PRUNED, "failed": TrialState.FAIL}
    assert [trial.number for trial in trials] == [record.trial for record in records] == list(range(num_trials))
    assert [trial.state for trial in trials] == [told[record.state] for record in records]
    for trial, record in zip(trials, records, strict=True):
        assert trial.params["learning_rate"] == pytest.approx(record.settings["learning_rate"])
        assert trial.value == pytest.approx(record.metrics["mse"])


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
    reason = _reason(RuntimeError(said), url)
    assert not any(part in reason for part in ("ann", "pa55", "db.lab", "5433", "vision", "s3cr3t", "10.0.0.7"))
    assert told is None or reason == told


def test_the_resolved_configuration_keeps_the_reference(tiny_config: Config, server: Server) -> None:
    dumped = dump_run(tiny_config(IN_DATABASE))
    assert f"storage: ${{{VARIABLE}}}" in dumped
    assert server.password not in dumped


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
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.execute("CREATE USER guest PASSWORD 'guest'")
    guest = server.url().replace(f"tmu:{server.password}", "guest:guest")
    with contextlib.ExitStack() as stack:
        nobody = stack.enter_context(socket.socket())
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        silent = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        for url, why in (
            (server.url(password="wrongword"), "password authentication failed"),
            (server.url("nowhere"), "database … does not exist"),
            (server.url(port=port), "Connection refused"),
            (f"{server.url(port=silent.getsockname()[1])}?connect_timeout=2", "timeout"),
            (guest, "permission denied"),
        ):
            monkeypatch.setenv(VARIABLE, url)
            with pytest.raises(UserError, match=why) as refused:
                check_study(SHARED, RunFolder(tmp_path))
            assert not {server.password, "wrongword"} & set(str(refused.value).split())
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
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.execute("CREATE DATABASE fresh")
    monkeypatch.setenv(VARIABLE, server.url("fresh"))
    folders = [RunFolder(tmp_path / str(number)) for number in range(4)]

    def begin(folder: RunFolder) -> tuple[str, list[int]]:
        check_study(SHARED, folder)
        with open_study_storage(folder, SHARED) as storage:
            name = study.study_name(SHARED, folder, "tiny")
            made = optuna.create_study(storage=storage, study_name=name)
            return name, [made.ask().number for _ in range(3)]

    with ThreadPoolExecutor(len(folders)) as pool:
        begun = list(pool.map(begin, folders))
    assert len({name for name, _ in begun}) == len(folders)
    assert [numbers for _, numbers in begun] == [[0, 1, 2]] * len(folders)
    assert study.study_name(SHARED, folders[0], "tiny") == begun[0][0]


class Proxy:
    """Between a client and the server; when armed it hands on one COMMIT and keeps the answer to itself."""

    def __init__(self, port: int) -> None:
        self.armed = False
        self._port = port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listening.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                upstream = socket.create_connection(("127.0.0.1", self._port))
                threading.Thread(target=self._hand_on, args=(client, upstream), daemon=True).start()
                threading.Thread(target=self._hand_back, args=(upstream, client), daemon=True).start()

    def _hand_on(self, client: socket.socket, upstream: socket.socket) -> None:
        with contextlib.suppress(OSError), client, upstream:
            while asked := client.recv(65536):
                if self.armed and b"COMMIT" in asked:
                    client.shutdown(socket.SHUT_RDWR)
                upstream.sendall(asked)

    def _hand_back(self, upstream: socket.socket, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while answer := upstream.recv(65536):
                if self.armed and b"COMMIT" in answer:
                    self.armed = False
                    return
                client.sendall(answer)


@pytest.fixture
def proxy(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    proxy = Proxy(server.port)
    monkeypatch.setenv(VARIABLE, server.url(port=proxy.port))
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
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(study, "MOST_LOCKED_S", 1.0)
    told: list[str] = []
    with open_study_storage(RunFolder(tmp_path), SHARED, told.append) as storage:
        made = optuna.create_study(storage=storage)
        with psycopg.connect(server.url()) as lost:
            lost.execute("SELECT * FROM studies FOR UPDATE")
            asking = ThreadPoolExecutor(1).submit(made.ask)
            wait_for(lambda: bool(told))
        assert asking.result().number == 0
    assert "lock timeout" in told[0]


def test_an_outage_is_told_when_it_begins_and_when_it_ends(server: Server, tmp_path: Path) -> None:
    told: list[str] = []
    with open_study_storage(RunFolder(tmp_path), SHARED, told.append) as storage:
        made = optuna.create_study(storage=storage, study_name="outage")
        with server.gone():
            asking = ThreadPoolExecutor(1).submit(made.ask)
            wait_for(lambda: bool(told))
        assert asking.result().number == 0
        with server.gone():
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
def test_ctrl_c_ends_the_wait_and_all_that_follow(shared: bool, after_s: float, server: Server, tmp_path: Path) -> None:
    """After half a second the file has not been given up for the first time."""
    heard: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: heard.append(number))  # as Tune: takes note of it
    folder = RunFolder(tmp_path)
    try:
        with open_study_storage(folder, SHARED if shared else None) as storage:
            made = optuna.create_study(storage=storage)
            with server.gone() if shared else locked(folder.study):
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


# what a search does


@pytest.mark.usefixtures("local_ray")
def test_a_server_that_is_gone_in_mid_search_costs_no_trial(
    server: Server, tiny_home: Home, tiny_config: Config, tmp_path: Path
) -> None:
    """Takes 15 s: a whole search, and 3 s without its server."""
    run, config = RunFolder(tmp_path / "r"), tiny_config(*QUICK, IN_DATABASE, "search.trials=5")

    def fault() -> None:
        with server.gone():
            time.sleep(3)

    said = io.StringIO()
    with in_mid_search(run, fault):
        run_search(config, run, tiny_home, Console(file=said))
    agrees(server.trials(run), read_results(run.results), 5)
    began, ended = read_incidents(run.incidents)
    assert began.kind == ended.kind == "study"
    assert "answers again, after" in ended.what
    assert said.getvalue().count(began.what) == said.getvalue().count(ended.what) == 1
    assert importances(run).num_trials == 5


LOCKING = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=60)
connection.execute("BEGIN EXCLUSIVE")
time.sleep(6)
"""


@pytest.mark.usefixtures("local_ray")
def test_a_file_that_another_process_locks_costs_no_trial(tiny_home: Home, tiny_config: Config, tmp_path: Path) -> None:
    """Takes 20 s: a whole search, and 6 s in which its study is locked."""
    run, config = RunFolder(tmp_path / "r"), tiny_config(*QUICK, "search.trials=4")

    def fault() -> None:
        subprocess.run([sys.executable, "-c", LOCKING, str(run.study)], check=True)

    with in_mid_search(run, fault):
        run_search(config, run, tiny_home, Console(quiet=True))
    trials = optuna.load_study(study_name="search", storage=f"sqlite:///{run.study}").get_trials()
    agrees(trials, read_results(run.results), 4)
    began, ended = read_incidents(run.incidents)
    assert "database is locked" in began.what
    assert "answers again, after" in ended.what


# Tune leaves the logs of trials that it stops to the collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.usefixtures("local_ray")
def test_a_server_that_stays_away_ends_a_search_in_good_order(
    server: Server, tiny_home: Home, tiny_config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Takes 20 s: a search that Ctrl-C ends while it waits, then one that is given up, and what is left of that."""
    config = tiny_config(*QUICK, IN_DATABASE, "search.trials=3")
    run = RunFolder(tmp_path / "interrupted")

    def interrupt() -> None:
        server.stop()
        wait_for(lambda: bool(read_incidents(run.incidents)))
        os.kill(os.getpid(), signal.SIGINT)

    with in_mid_search(run, interrupt):
        outcome = run_search(config, run, tiny_home, Console(quiet=True))
    assert outcome.ended == "interrupted"
    server.start()

    monkeypatch.setattr(study, "PATIENCE_S", 2.0)
    run = RunFolder(tmp_path / "given up")
    with in_mid_search(run, server.stop), pytest.raises(NoAnswer, match=f"--resume '{run.path}'"):
        run_search(config, run, tiny_home, Console(quiet=True))
    server.start()
    run_search(config, run, tiny_home, Console(quiet=True), resumed=True)
    agrees(server.trials(run), read_results(run.results), 3)
    gc.collect()


def files_with(folder: Path, *secrets_: str) -> list[Path]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [path for path in files if any(secret.encode() in path.read_bytes() for secret in secrets_)]


@pytest.mark.timeout(900)  # two searches in processes of their own, each of which starts a Ray
def test_a_search_that_is_killed_without_its_server_goes_on_and_keeps_the_url_to_itself(
    server: Server, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Takes 25 s."""
    search = begin(*QUICK, IN_DATABASE, "search.trials=4")
    temporary = Path(psutil.Process(search.driver.pid).environ()["TMPDIR"])
    search.wait_for(3)
    with server.gone():
        search.wait_until(lambda: bool(read_incidents(search.run.incidents)))
        assert files_with(temporary, server.password, server.url()) == []
        search.kill()
    monkeypatch.setenv(VARIABLE, server.url("template1"))
    with pytest.raises(UserError, match="Let the variable name the database that the run was begun with"):
        check_study(SHARED, search.run)
    monkeypatch.setenv(VARIABLE, server.url())

    search = begin(resume=True)
    code, out, err = search.end()
    assert code == 0, err
    agrees(server.trials(search.run), read_results(search.run.results), 4)
    assert f'optuna-dashboard "${{{VARIABLE}}}"' in out
    assert server.password not in out + err
    assert files_with(temporary, server.password, server.url()) == []
    assert files_with(search.run.path, server.password, server.url(), f"port {server.port}", f":{server.port}") == []
    (outage,) = [each for each in read_incidents(search.run.incidents) if "does not answer (" in each.what]
    assert "127.0.0.1" not in outage.what
    assert VARIABLE in search.run.config.read_text()

"""Searches whose study's database is gone for a while, or for good: a real server, really stopped."""

import contextlib
import gc
import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import optuna
import psutil
import pytest
from optuna.trial import TrialState
from rich.console import Console

from platform.config.errors import UserError
from platform.config.home import Home
from platform.config.run import RunConfig
from platform.results.importances import importances
from platform.results.incidents import read_incidents
from platform.results.progress import read_running
from platform.results.record import TrialRecord, read_results
from platform.results.run_folder import RunFolder
from platform.tuning.search_run import run_search
from platform.tuning.study import patience
from platform.tuning.study.patience import NoAnswer
from platform.tuning.study.storage import check_study
from tests.postgresql import IN_DATABASE, SHARED, VARIABLE, Server
from tests.waiting import wait_for

Begin = Callable[..., Any]  # see tests/tuning/conftest.py
Config = Callable[..., RunConfig]
QUICK = ("sources={}", "search.space={learning_rate: {float: [1e-3, 1e-2]}}", "search.asha=null", "training.epochs=5")
pytestmark = pytest.mark.timeout(900)  # whole searches, a server away for seconds


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


@pytest.mark.usefixtures("local_ray")
def test_a_server_that_is_gone_in_mid_search_costs_no_trial(
    postgres: Server, tiny_home: Home, tiny_config: Config, tmp_path: Path
) -> None:
    """Takes 15 s: a whole search, and 3 s without its server."""
    run, config = RunFolder(tmp_path / "r"), tiny_config(*QUICK, IN_DATABASE, "search.trials=5")

    def fault() -> None:
        with postgres.gone():
            time.sleep(3)

    said = io.StringIO()
    with in_mid_search(run, fault):
        run_search(config, run, tiny_home, Console(file=said))
    agrees(postgres.trials(run), read_results(run.results), 5)
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
    postgres: Server, tiny_home: Home, tiny_config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Takes 20 s: a search that Ctrl-C ends while it waits, then one that is given up, and what is left of that."""
    config = tiny_config(*QUICK, IN_DATABASE, "search.trials=3")
    run = RunFolder(tmp_path / "interrupted")

    def interrupt() -> None:
        postgres.stop()
        wait_for(lambda: bool(read_incidents(run.incidents)))
        os.kill(os.getpid(), signal.SIGINT)

    with in_mid_search(run, interrupt):
        outcome = run_search(config, run, tiny_home, Console(quiet=True))
    assert outcome.ended == "interrupted"
    postgres.start()

    monkeypatch.setattr(patience, "PATIENCE_S", 2.0)
    run = RunFolder(tmp_path / "given up")
    with in_mid_search(run, postgres.stop), pytest.raises(NoAnswer, match=f"--resume '{run.path}'"):
        run_search(config, run, tiny_home, Console(quiet=True))
    postgres.start()
    run_search(config, run, tiny_home, Console(quiet=True), resumed=True)
    agrees(postgres.trials(run), read_results(run.results), 3)
    gc.collect()


def files_with(folder: Path, *secrets_: str) -> list[Path]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [path for path in files if any(secret.encode() in path.read_bytes() for secret in secrets_)]


def test_a_search_that_is_killed_without_its_server_goes_on_and_keeps_the_url_to_itself(
    postgres: Server, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Takes 25 s."""
    search = begin(*QUICK, IN_DATABASE, "search.trials=4")
    temporary = Path(psutil.Process(search.driver.pid).environ()["TMPDIR"])
    search.wait_for(3)
    with postgres.gone():
        search.wait_until(lambda: bool(read_incidents(search.run.incidents)))
        assert files_with(temporary, postgres.password, postgres.url()) == []
        search.kill()
    monkeypatch.setenv(VARIABLE, postgres.url("template1"))
    with pytest.raises(UserError, match="Let the variable name the database that the run was begun with"):
        check_study(SHARED, search.run)
    monkeypatch.setenv(VARIABLE, postgres.url())

    search = begin(resume=True)
    code, out, err = search.end()
    assert code == 0, err
    agrees(postgres.trials(search.run), read_results(search.run.results), 4)
    assert f'optuna-dashboard "${{{VARIABLE}}}"' in out
    assert postgres.password not in out + err
    assert files_with(temporary, postgres.password, postgres.url()) == []
    told_of_it = (postgres.password, postgres.url(), f"port {postgres.port}", f":{postgres.port}")
    assert files_with(search.run.path, *told_of_it) == []
    (outage,) = [each for each in read_incidents(search.run.incidents) if "does not answer (" in each.what]
    assert "127.0.0.1" not in outage.what
    assert VARIABLE in search.run.config.read_text()

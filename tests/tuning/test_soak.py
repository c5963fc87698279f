"""For as long as a soak goes on: a search under one fault after another, and drivers killed at any moment.

`TMU_SOAK_S=900 python -m pytest -m soak -s tests/tuning/test_soak.py -k faults` is the quarter of an hour that is
quoted (500 trials), `-k driver` with 3000 the fifty kills.
"""

import collections
import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from platform.config.home import Home
from platform.tuning.cluster.connecting import remove_what_killed_drivers_left
from platform.tuning.keeping.recorded import Recorded
from platform.tuning.replay import replay

Begin = Callable[..., Any]  # see conftest.py
pytestmark = [pytest.mark.soak, pytest.mark.timeout(0)]
BETWEEN_S = (10.0, 15.0)  # two faults
FOR_A_TRIAL_S = 1.8  # under faults, on two cores
MOST_TO_END_S = 60.0  # for the processes of killed drivers' Rays
FOR_A_KILL_S = 60.0
SMALL = ("search.trials=4", "training.epochs=4", "search.startup_trials=2")


def left_behind(temporary: Path) -> list[str]:
    """Processes that were started with this temporary folder, and what lies in it."""
    processes = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.environ().get("TMPDIR") == str(temporary):
                processes.append(" ".join(process.cmdline())[:100])
        except psutil.Error:
            continue
    return processes + [str(path) for path in temporary.glob("tmu-ray-*")]


def shared_memory() -> set[str]:
    return {path.name for path in Path("/dev/shm").iterdir()}


def test_faults_cost_no_trial(begin: Begin, soak_s: float) -> None:
    dice, faults = random.Random(0), collections.Counter[str]()
    num_trials, shared = max(10, int(soak_s / FOR_A_TRIAL_S)), shared_memory()
    changes = (f"search.trials={num_trials}", "training.epochs=20", "search.epoch_minutes=0.3")
    search, began = begin(*changes), time.monotonic()
    search.wait_for(1)
    while search.driver.poll() is None:
        kind = dice.choice(["trial", "trial", "server", "hang", "driver"])
        victims = search.processes("ray::MemoryServer") if kind == "server" else search.trials()
        if kind == "driver":
            search.kill()
            search = begin(resume=True)
        elif victims:
            dice.choice(victims).send_signal(signal.SIGSTOP if kind == "hang" else signal.SIGKILL)
        else:
            kind = "nobody there"
        faults[kind] += 1
        until = time.monotonic() + dice.uniform(*BETWEEN_S)
        while time.monotonic() < until and search.driver.poll() is None:
            time.sleep(0.1)
    records = search.ends_well()
    states = collections.Counter(record.state for record in records)
    print(f"\n{num_trials} trials in {time.monotonic() - began:.0f} s under {dict(faults)}: {dict(states)}")
    assert [record.trial for record in records] == list(range(num_trials))
    assert states.keys() <= {"finished", "stopped"}
    study = search.study()
    assert [trial.number for trial in study] == list(range(num_trials))
    assert all(trial.state.is_finished() for trial in study)
    ends = time.monotonic() + MOST_TO_END_S
    while left_behind(search.temporary) and time.monotonic() < ends:
        time.sleep(1)
        remove_what_killed_drivers_left(search.temporary)  # as the next search would
    assert left_behind(search.temporary) == []
    assert shared_memory() <= shared


def test_a_driver_killed_at_any_moment_loses_nothing(begin: Begin, tiny_home: Home, soak_s: float) -> None:
    dice, moments = random.Random(1), []
    began = time.monotonic()
    begin(*SMALL, run="undisturbed").ends_well()
    whole_s = time.monotonic() - began
    for number in range(max(1, round(soak_s / FOR_A_KILL_S))):
        search, moment = begin(*SMALL, run=f"r{number}"), dice.uniform(0, whole_s)
        time.sleep(moment)
        had_ended = search.driver.poll() is not None
        search.kill()
        has_begun = search.run.config.is_file()
        search = begin(run=f"r{number}", resume=True) if has_begun else begin(*SMALL, run=f"r{number}")
        records = search.ends_well()
        assert [record.trial for record in records] == [0, 1, 2, 3]
        assert {record.state for record in records} <= {"finished", "stopped"}
        study = search.study()
        assert [trial.number for trial in study] == [0, 1, 2, 3]
        assert all(trial.state.is_finished() for trial in study)
        for record in records:
            assert replay(Recorded.read(f"{search.run.path}/{record.trial}"), tiny_home).is_equal
        moments.append("after its end" if had_ended else "resumed" if has_begun else "begun again")
    print(f"\n{len(moments)} kills within {whole_s:.0f} s: {dict(collections.Counter(moments))}")

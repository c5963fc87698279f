"""Recordings are loaded by processes: in order, the same for any number, and none is left behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import psutil
import pytest

from platform.benchmarks import loading
from platform.benchmarks.formats.digits import find_bundled
from platform.benchmarks.loading import loaded
from platform.benchmarks.recording import NumClips, Recording, UnusableFile, Wanted
from platform.config.errors import UserError


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes take over after the first recording."""
    monkeypatch.setattr(loading, "PATIENCE_S", 0.0)


def recordings(count: int) -> list[Recording]:
    return list(find_bundled(Wanted(16, NumClips(count, 1, 1)), digits=1).recordings)


@pytest.mark.usefixtures("impatient")
def test_any_number_of_processes_loads_the_same_in_the_same_order() -> None:
    alone, together = list(loaded(recordings(60), 1)), list(loaded(recordings(60), 3))
    assert len(together) == 62
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.usefixtures("impatient")
def test_what_cannot_be_used_says_so_from_a_process_too() -> None:
    some = recordings(3)
    some[2] = replace(some[2], load=partial(np.empty, (0, 16, 16, 1), np.uint8))
    results = list(loaded(some, 2))
    assert isinstance(results[2], UnusableFile)
    assert str(results[2]) == "it has no frames"
    assert isinstance(results[3], np.ndarray)


@pytest.mark.usefixtures("impatient")
def test_a_killed_process_is_one_message_with_the_repair() -> None:
    some = recordings(4)
    some[2] = replace(some[2], load=_kill_own_process)
    with pytest.raises(UserError, match="--workers 1"):
        list(loaded(some, 2))


def _kill_own_process() -> np.ndarray:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


SLOW_PARENT = """
import time
from platform.benchmarks import loading
from platform.benchmarks.formats.digits import find_bundled
from platform.benchmarks.recording import NumClips, Wanted
if __name__ == "__main__":
    loading.PATIENCE_S = 0.0
    for number, _ in enumerate(loading.loaded(find_bundled(Wanted(16, NumClips(2000, 1, 1)), digits=1).recordings, 2)):
        if number == 100:
            print("loading", flush=True)
            time.sleep(600)
"""


@pytest.fixture
def slow_parent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[subprocess.Popen[str]]:
    """A process that loads with two others and then waits; it has said so."""
    script = tmp_path_factory.mktemp("script") / "parent.py"
    script.write_text(SLOW_PARENT)
    parent = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    assert parent.stdout.readline() == "loading\n"
    yield parent
    parent.kill()
    parent.wait()
    parent.stdout.close()


INTERRUPTED_PARENT = """
from platform.benchmarks import loading
from platform.benchmarks.formats.digits import find_bundled
from platform.benchmarks.recording import NumClips, Wanted
from platform.console import run

def load() -> None:
    loading.PATIENCE_S = 0.0
    for _ in loading.loaded(find_bundled(Wanted(64, NumClips(200_000, 1, 1)), digits=1).recordings, 3):
        pass

if __name__ == "__main__":
    run(load)
"""


@pytest.mark.parametrize("wait_s", [0.0, 0.1, 0.3])
def test_ctrl_c_while_processes_begin_is_one_line(tmp_path: Path, wait_s: float) -> None:
    script = tmp_path / "parent.py"
    script.write_text(INTERRUPTED_PARENT)
    parent = subprocess.Popen([sys.executable, str(script)], stderr=subprocess.PIPE, text=True, start_new_session=True)
    try:
        children: list[psutil.Process] = []
        deadline = time.monotonic() + 60
        while not any("spawn_main" in " ".join(child.cmdline()) for child in children):
            assert time.monotonic() < deadline
            children = psutil.Process(parent.pid).children()
        time.sleep(wait_s)
        os.killpg(parent.pid, signal.SIGINT)  # as a terminal does: parent and children alike
        _, errors = parent.communicate(timeout=60)
    finally:
        if parent.poll() is None:
            os.killpg(parent.pid, signal.SIGKILL)
    assert parent.returncode == 130
    assert errors.splitlines() == [
        "interrupted. What was finished is kept, nothing is half-written; the same command goes on from there."
    ]


@pytest.mark.usefixtures("impatient")
def test_a_thread_that_is_not_the_main_one_starts_processes_too() -> None:
    with ThreadPoolExecutor(1) as thread:
        assert len(thread.submit(lambda: list(loaded(recordings(3), 2))).result()) == 5


@pytest.mark.usefixtures("impatient")
def test_ctrl_c_is_heard_as_before_once_processes_are_there() -> None:
    before = signal.getsignal(signal.SIGINT)
    frames = loaded(recordings(60), 2)
    for _ in range(3):
        next(frames)
    assert signal.getsignal(signal.SIGINT) is before
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())
    frames.close()


def test_processes_end_with_a_killed_parent(slow_parent: subprocess.Popen[str]) -> None:
    children = psutil.Process(slow_parent.pid).children(recursive=True)
    assert len(children) >= 2
    slow_parent.kill()
    slow_parent.wait()
    deadline = time.monotonic() + 10
    while any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in children):
        assert time.monotonic() < deadline, "a loading process outlived its parent"
        time.sleep(0.05)

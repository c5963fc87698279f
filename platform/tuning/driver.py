"""Whose run folder it is while a search runs: one driver at a time, which another terminal can ask to end."""

import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from typing import Annotated

import psutil
from filelock import FileLock, Timeout
from pydantic import Field

from platform.config.bounded import Refused, read_json
from platform.config.errors import UserError
from platform.config.model import Model
from platform.results.replacing import replace_text
from platform.results.run_folder import RunFolder

ENDS_WITHIN_S = 60.0
A_LOOK_S = 1.0  # another process may hold the lock for a moment, to see whether it is held


class _Driver(Model):
    """Which process it is. 0, 1 and what is below would be signals to many."""

    pid: Annotated[int, Field(gt=1)]
    host: str


@contextlib.contextmanager
def driving(folder: RunFolder) -> Iterator[None]:
    """Hold the run folder; freed by itself when the process dies. Raises UserError where a search runs in it.

    Ctrl-C is heard from here on, also where a script's shell had it ignored (`python -m platform.search ... &`).
    """
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.default_int_handler)
    lock = FileLock(folder.lock)
    try:
        lock.acquire(timeout=A_LOOK_S)
    except Timeout:
        raise UserError(
            f"a search runs in {folder.path} ({_driver(folder)}). Wait for it, or end it: "
            f"python -m platform.search --stop {folder.path}"
        ) from None
    folder.driver.unlink(missing_ok=True)  # of a driver that was killed
    try:
        replace_text(folder.driver, _Driver(pid=os.getpid(), host=socket.gethostname()).model_dump_json())
        yield
    finally:
        folder.driver.unlink(missing_ok=True)
        if [*folder.path.iterdir()] == [folder.lock]:  # nothing has begun, and the folder goes
            folder.lock.unlink()
        lock.release()


def stop(folder: RunFolder) -> None:
    """As Ctrl-C in its terminal would; returns when it has ended. Raises UserError where none runs, or elsewhere."""
    if not is_driven(folder):
        raise UserError(f"no search runs in {folder.path}.")
    try:
        driver = read_json(folder.driver, _Driver)
    except (OSError, Refused):
        raise UserError(f"{folder.driver} does not tell who runs the search. Press Ctrl-C in its terminal.") from None
    if driver.host != socket.gethostname():
        raise UserError(f"the search in {folder.path} runs on {driver.host}: stop it there.")
    try:
        process = psutil.Process(driver.pid)
        process.send_signal(signal.SIGINT)
    except psutil.NoSuchProcess:  # it has just ended
        return
    ends = time.monotonic() + ENDS_WITHIN_S
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        if time.monotonic() > ends:
            raise UserError(f"the search (process {driver.pid}) has not ended within {ENDS_WITHIN_S:.0f} s.")
        time.sleep(0.1)


def is_driven(folder: RunFolder) -> bool:
    """Does a search run in it?"""
    if not folder.lock.is_file():
        return False
    lock = FileLock(folder.lock)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    lock.release()
    return False


def _driver(folder: RunFolder) -> str:
    try:
        driver = read_json(folder.driver, _Driver)
        return f"process {driver.pid} on {driver.host}"
    except (OSError, Refused):
        return "of another process"

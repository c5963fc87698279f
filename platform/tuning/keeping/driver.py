"""Whose run folder it is while a search runs: one driver at a time, which another terminal can ask to end."""

import contextlib
import os
import shlex
import signal
import socket
import threading
import time
from collections.abc import Iterator
from functools import partial

import psutil
from filelock import FileLock, Timeout
from rich.console import Console

from platform.config.errors import UserError
from platform.results.driven import Driver, is_driven, read_driver
from platform.results.incidents import Journal
from platform.results.replacing import replace_text
from platform.results.run_folder import RunFolder
from platform.tuning.keeping.claiming import ask_to_end, claimed
from platform.tuning.keeping.mirror import mirrored

ENDS_WITHIN_S = 60.0
A_LOOK_S = 1.0  # another process may hold the lock for a moment, to see whether it is held


@contextlib.contextmanager
def driving(folder: RunFolder, console: Console | None = None) -> Iterator[None]:
    """Hold the run folder; freed by itself when the process dies. Raises UserError where a search runs in it.

    A run in storage is held there too, and what changes in its working copy is uploaded, to the end of this.

    Ctrl-C is heard from here on, also where a script's shell had it ignored (`python -m platform.search ... &`).
    """
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.default_int_handler)
    lock = FileLock(folder.lock)
    try:
        lock.acquire(timeout=A_LOOK_S)
    except Timeout:
        raise UserError(
            f"a search runs in {folder.address} ({_driver(folder)}). Wait for it, or end it: "
            f"python -m platform.search --stop {shlex.quote(folder.address)}"
        ) from None
    folder.driver.unlink(missing_ok=True)  # of a driver that was killed
    try:
        replace_text(folder.driver, Driver(pid=os.getpid(), host=socket.gethostname()).model_dump_json())
        told = partial(Journal(folder.incidents, console).note, "storage")
        with claimed(folder, told), mirrored(folder, told):
            yield
    finally:
        folder.driver.unlink(missing_ok=True)
        if [*folder.path.iterdir()] == [folder.lock]:  # nothing has begun, and the folder goes
            folder.lock.unlink()
        lock.release()


def note_ray(folder: RunFolder, dashboard: str | None) -> None:
    """For who looks at the run, where the Ray that it runs on shows itself."""
    if dashboard is not None and (driver := read_driver(folder)) is not None:
        replace_text(folder.driver, driver.model_copy(update={"ray_dashboard": dashboard}).model_dump_json())


def stop(folder: RunFolder) -> None:
    """As Ctrl-C in its terminal would; returns when it has ended. Raises UserError where none runs, or elsewhere."""
    if not is_driven(folder) and folder.remote is not None:
        ask_to_end(folder, ENDS_WITHIN_S)
        return
    if not is_driven(folder):
        raise UserError(f"no search runs in {folder.path}.")
    if (driver := read_driver(folder)) is None:
        raise UserError(f"{folder.driver} does not tell who runs the search. Press Ctrl-C in its terminal.")
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


def _driver(folder: RunFolder) -> str:
    driver = read_driver(folder)
    return "of another process" if driver is None else f"process {driver.pid} on {driver.host}"

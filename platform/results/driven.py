"""Which process drives a run, as its folder tells: `.driver.json` while one does, and the lock that it holds."""

import socket
from typing import Annotated

import psutil
from filelock import FileLock, Timeout
from pydantic import Field

from platform.config.bounded import Refused, read_json
from platform.config.model import Model
from platform.results.run_folder import RunFolder


class Driver(Model):
    """Which process it is (0, 1 and what is below would be signals to many), and where its Ray shows itself: an address
    of the web, with the job."""

    pid: Annotated[int, Field(gt=1)]
    host: str
    ray_dashboard: Annotated[str, Field(pattern=r"^https?://[\w.:\[\]-]+(/[\w/#.-]*)?$")] | None = None


def read_driver(folder: RunFolder) -> Driver | None:
    """None where there is none, or the file is damaged."""
    try:
        return read_json(folder.driver, Driver)
    except (OSError, Refused):
        return None


def is_driven(folder: RunFolder) -> bool:
    """Does a search run in it? A driver that was killed leaves its file, and nobody holds the lock."""
    if not folder.driver.is_file() or not folder.lock.is_file():
        return False
    lock = FileLock(folder.lock)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    except OSError:  # a folder that may only be read
        driver = read_driver(folder)
        return driver is not None and (driver.host != socket.gethostname() or psutil.pid_exists(driver.pid))
    lock.release()
    return False

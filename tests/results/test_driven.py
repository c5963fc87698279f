"""Whether a search runs in a folder, told by its lock."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from filelock import FileLock

from platform.results.driven import is_driven
from platform.results.run_folder import RunFolder

NOBODY = 65534


@pytest.fixture
def folder() -> Iterator[RunFolder]:
    """One that everybody may look into, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as path:
        Path(path).chmod(0o755)
        yield RunFolder(Path(path))


def noted(folder: RunFolder, pid: int, host: str) -> None:
    folder.lock.touch()
    folder.driver.write_text(f'{{"pid": {pid}, "host": "{host}"}}')


def test_the_lock_tells_and_not_the_note_that_a_killed_driver_leaves(folder: RunFolder) -> None:
    assert not is_driven(folder)
    noted(folder, os.getpid(), os.uname().nodename)
    assert not is_driven(folder)
    with FileLock(folder.lock):
        assert is_driven(folder)
    assert not is_driven(folder)


def test_in_a_folder_that_may_only_be_read_its_driver_is_looked_for(folder: RunFolder) -> None:
    gone = next(pid for pid in range(100_000, 200_000) if not psutil.pid_exists(pid))
    here = os.uname().nodename
    mine = os.geteuid()
    for pid, host, runs in ((os.getpid(), here, True), (gone, here, False), (gone, "another", True)):
        noted(folder, pid, host)
        folder.lock.chmod(0o444)
        if mine == 0:
            os.seteuid(NOBODY)  # root may write whatever a file says
        try:
            assert is_driven(folder) is runs
        finally:
            os.seteuid(mine)

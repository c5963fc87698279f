"""Who drives a run that lies in storage: one driver at a time, which says every few seconds that it still does."""

import os
import socket
import uuid
from pathlib import Path
from typing import Annotated

from pydantic import Field, NonNegativeInt

from platform.config.bounded import SMALL_BYTES, Refused, parse_json
from platform.config.model import Model
from platform.results.run_folder import RunFolder
from platform.storage.storage import Storage

CLAIM = ".claim.json"  # in the run's storage
COPY = ".copy"  # in a working copy: its name, by which it is known again
BEAT_S = 5.0
STALE_S = 60.0  # a driver that was not heard for so long is gone


class Claim(Model):
    """The driver's last word. `copy_id` names its working copy, `machine` where the process number is to be looked up.

    `beats` grows while it drives; `has_ended` says that everything it knew was uploaded.
    """

    copy_id: str
    host: str
    machine: str
    pid: Annotated[int, Field(gt=1)]
    beats: NonNegativeInt = 0
    has_ended: bool = False

    @property
    def driver(self) -> str:
        return f"process {self.pid} on {self.host}"


def read_claim(storage: Storage) -> Claim | None:
    """None where there is none, or it cannot be read. Raises UserError where the storage is away."""
    try:
        return parse_json(storage.read(CLAIM, SMALL_BYTES), Claim)
    except (FileNotFoundError, Refused):
        return None


def new_claim(folder: RunFolder) -> Claim:
    """That of this process, for its working copy, which is there."""
    return Claim(copy_id=_copy_id(folder), host=socket.gethostname(), machine=this_machine(), pid=os.getpid())


def is_claimed_by(claim: Claim | None, folder: RunFolder) -> bool:
    """Is this the working copy that was driven last?"""
    path = folder.path / COPY
    return claim is not None and path.is_file() and path.read_text() == claim.copy_id


def this_machine() -> str:
    """Names the running kernel, and the container: a process number means the same wherever this is the same."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{boot} {os.readlink('/proc/self/ns/pid')}"


def _copy_id(folder: RunFolder) -> str:
    path = folder.path / COPY
    if not path.is_file():
        path.write_text(uuid.uuid4().hex)
    return path.read_text()

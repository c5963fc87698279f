"""A run in storage, held by this driver: nobody else's while this one is heard, and taken from one that is gone.

Object storage has no locks. A driver writes who it is, and again every few seconds; age is measured by the clock of the
storage itself, so that those of machines may differ.
"""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator

import psutil

from platform.config.errors import UserError
from platform.results.claim import BEAT_S, CLAIM, STALE_S, Claim, is_claimed_by, new_claim, read_claim, this_machine
from platform.results.run_folder import RunFolder
from platform.results.stored_run import copy_run, forget_copy, name_copy
from platform.storage.storage import Storage

CLOCK = ".clock"  # written to see what time it is there
STOP = ".stop"  # another machine asks the driver to end
SETTLE_S = 0.5  # two drivers that claim at the same moment: whoever wrote last has it


@contextlib.contextmanager
def claimed(folder: RunFolder, told: Callable[[str], None]) -> Iterator[None]:
    """Hold the run for the duration; its working copy is locked by the caller. Nothing where it has no storage.

    Raises UserError where another driver holds it. One that takes it over while this one cannot be heard, and whoever
    asks it to end, interrupt this process as Ctrl-C would.
    """
    storage = folder.remote
    if storage is None:
        yield
        return
    before = read_claim(storage)
    _refuse_driven(storage, folder, before)
    if before is not None and not is_claimed_by(before, folder):
        copy_run(folder)  # it may have gone on since it was last fetched
    name_copy(folder)
    claim = new_claim(folder)
    storage.delete(STOP)  # which an earlier driver did not hear
    _write(storage, claim)
    time.sleep(SETTLE_S)
    if (other := read_claim(storage)) != claim:
        raise UserError(_is_driven(folder, other))
    ends = threading.Event()
    beats = threading.Thread(target=_beat, args=(storage, claim, ends, told), name="claim", daemon=True)
    beats.start()
    try:
        yield
    finally:
        ends.set()
        beats.join()
        with contextlib.suppress(UserError):
            _let_go(storage, folder, claim)


def ask_to_end(folder: RunFolder, most_s: float) -> None:
    """Of the driver, wherever it runs; returns when it has ended. Raises UserError where none runs, or it does not."""
    storage = folder.remote
    assert storage is not None
    if (claim := read_claim(storage)) is None or claim.has_ended or _age_s(storage) > STALE_S:
        raise UserError(f"no search runs in {folder.address}.")
    storage.write(STOP, b"")
    ends = time.monotonic() + most_s
    while (now := read_claim(storage)) is not None and not now.has_ended:
        if time.monotonic() > ends:
            raise UserError(f"the search ({claim.driver}) has not ended within {most_s:.0f} s.")
        time.sleep(1)


def _refuse_driven(storage: Storage, folder: RunFolder, claim: Claim | None) -> None:
    if claim is None or claim.has_ended or is_claimed_by(claim, folder):  # the lock of that copy is ours
        return
    if claim.machine == this_machine() and not psutil.pid_exists(claim.pid):
        return
    if (age_s := _age_s(storage)) <= STALE_S:
        raise UserError(_is_driven(folder, claim, age_s))


def _let_go(storage: Storage, folder: RunFolder, claim: Claim) -> None:
    if not is_claimed_by(read_claim(storage), folder):
        return
    if folder.config.is_file():
        _write(storage, claim.model_copy(update={"has_ended": True}))
    else:  # nothing has begun
        storage.delete(CLAIM)
        forget_copy(folder)


def _is_driven(folder: RunFolder, claim: Claim | None, age_s: float = 0.0) -> str:
    return (
        f"a search runs in {folder.address} ({'another' if claim is None else claim.driver}, last heard {age_s:.0f} s "
        f"ago). Wait for it, or end it: python -m platform.search --stop '{folder.address}'. Where that machine is "
        f"gone, try again in {max(1.0, STALE_S - age_s):.0f} s."
    )


def _age_s(storage: Storage) -> float:
    """How long ago the claim was written."""
    storage.write(CLOCK, b"")
    with storage.told("read"):
        claim, clock = storage.filesystem.get_file_info([storage.at(CLAIM), storage.at(CLOCK)])
    storage.delete(CLOCK)
    return float(clock.mtime_ns - claim.mtime_ns) / 1e9


def _beat(storage: Storage, claim: Claim, ends: threading.Event, told: Callable[[str], None]) -> None:
    """Until the end, or until another has the run."""
    while not ends.wait(BEAT_S):
        with contextlib.suppress(UserError):  # it is away, which the mirror tells
            other = read_claim(storage)
            if other is not None and other.copy_id != claim.copy_id:
                told(f"{other.driver} has taken over this run, which could not be heard of: the search ends here")
                os.kill(os.getpid(), signal.SIGINT)
                return
            claim = claim.model_copy(update={"beats": claim.beats + 1})
            _write(storage, claim)
            if storage.num_bytes(STOP) is not None:
                storage.delete(STOP)
                os.kill(os.getpid(), signal.SIGINT)


def _write(storage: Storage, claim: Claim) -> None:
    storage.write(CLAIM, claim.model_dump_json().encode())

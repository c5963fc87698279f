"""A reader in a process of its own, which may take so much memory and time and no more.

The process is forked from a small server that has imported everything, so that only the reading is counted.
"""

import multiprocessing
import resource
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import NamedTuple

MOST_BYTES = 256 << 20
MOST_CPU_S = 20  # on two busy cores; what goes on for ever takes longer
HANGS_AFTER_S = 90.0

_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(["tests.security.limits", "tests.security.preloaded"])


class Ending(NamedTuple):
    """How a reader ended: the exception's name and text ("" for none), and what it took of memory."""

    error: str
    text: str
    num_bytes: int


def refusal(read: Callable[[], object], *, most_bytes: int = MOST_BYTES) -> str:
    """The UserError's text. Fails unless `read` raises one within the bounds."""
    ending = ending_of(read, most_bytes=most_bytes)
    assert ending.error == "UserError", f"{ending.error or 'nothing'} was raised: {ending.text[:2000]}"
    return ending.text


def ending_of(read: Callable[[], object], *, most_bytes: int = MOST_BYTES) -> Ending:
    """Fails where `read` takes more than the bounds allow. It has to be importable, as what `partial` makes is."""
    ours, theirs = _PROCESSES.Pipe(duplex=False)
    process = _PROCESSES.Process(target=_run, args=(read, most_bytes, theirs))
    process.start()
    theirs.close()
    try:
        assert ours.poll(HANGS_AFTER_S), "it hangs"
        ending: Ending = ours.recv()
    except EOFError:
        process.join()
        raise AssertionError(
            f"the process died of {process.exitcode}: -24 is too much time, -9 or -11 a crash"
        ) from None
    finally:
        process.kill()
        process.join()
        ours.close()
    assert ending.num_bytes <= most_bytes, f"it took {ending.num_bytes >> 20} MiB"
    return ending


def _run(read: Callable[[], object], most_bytes: int, answer: Connection) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (MOST_CPU_S, MOST_CPU_S))
    held = _data_bytes() + 2 * most_bytes  # what is set aside; what is used is compared with the bound itself
    resource.setrlimit(resource.RLIMIT_DATA, (held, held))
    before = _peak_bytes()
    try:
        read()
        error, text = "", ""
    except Exception as raised:  # which one is what the test asks for
        error, text = type(raised).__name__, str(raised)
    answer.send(Ending(error, text, _peak_bytes() - before))


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _data_bytes() -> int:
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmData"))

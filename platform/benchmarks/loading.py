"""Frames of recordings, in order, loaded by several processes a few recordings ahead of whoever writes them.

Processes, not threads: decoding and drawing hold Python's lock much of the time. They are started afresh (`spawn`), for
a search that makes a stand-in has Ray's threads running, which a fork would leave in an undefined state.
"""

import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.connection import wait

import numpy as np

from platform.benchmarks.recording import Recording, UnusableFile
from platform.config.errors import UserError

AHEAD = 2  # portions a process, those being loaded included: what waits in memory
PORTION = 500  # frames handed to a process at once, and not less than one recording
PATIENCE_S = 2.0  # of loading alone: what is done by then would have ended before processes are there

Loaded = np.ndarray | UnusableFile  # uint8 (T, H, W, C), or why there is none


def default_workers() -> int:
    """As many as this process may use cores."""
    return len(os.sched_getaffinity(0))


def loaded(recordings: Sequence[Recording], workers: int) -> Generator[Loaded]:
    """What each recording's `load` returns or says, in the order given; the same for any number of workers.

    Raises UserError when a worker is killed.
    """
    began = time.monotonic()
    left = iter(recordings)
    for recording in left:
        yield load(recording)
        if workers > 1 and time.monotonic() - began > PATIENCE_S:
            yield from _loaded_by_processes(left, workers)


def _loaded_by_processes(recordings: Iterator[Recording], workers: int) -> Iterator[Loaded]:
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), initializer=_begin_worker)
    ahead: deque[Future[list[Loaded]]] = deque()
    try:
        for portion in _portions(recordings):
            with _ctrl_c_later():  # a pool starts its processes one by one, while it is handed work
                ahead.append(pool.submit(_load_all, portion))
            if len(ahead) >= AHEAD * workers:
                yield from ahead.popleft().result()
        while ahead:
            yield from ahead.popleft().result()
    except BrokenProcessPool as broken:
        raise UserError(
            "a process that loads recordings was killed, perhaps for want of memory. Run the same command again, with "
            "--workers 1 if it happens again; what is finished is kept."
        ) from broken
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


@contextmanager
def _ctrl_c_later() -> Iterator[None]:
    """Ctrl-C is the parent's to handle, which does so after this block; processes started in it never hear it.

    They inherit this thread's mask, and so are deaf while they import, too. Python's handler runs in the main thread
    even if another one is handed the signal: it only takes note, for a process that is half started would tell of it.
    """
    heard: list[int] = []
    handler = signal.getsignal(signal.SIGINT)
    ours = threading.current_thread() is threading.main_thread() and handler is not None  # None: it is not Python's
    if ours:
        signal.signal(signal.SIGINT, lambda number, _: heard.append(number))
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        if ours:
            signal.signal(signal.SIGINT, handler)
        if heard:
            signal.raise_signal(signal.SIGINT)


def load(recording: Recording) -> Loaded:
    try:
        frames = recording.load()
    except UnusableFile as reason:
        return reason
    return frames if len(frames) else UnusableFile("it has no frames")


def _load_all(portion: Sequence[Recording]) -> list[Loaded]:
    return [load(recording) for recording in portion]


def _portions(recordings: Iterator[Recording]) -> Iterator[list[Recording]]:
    portion: list[Recording] = []
    num_frames = 0
    for recording in recordings:
        portion.append(recording)
        num_frames += recording.num_frames or PORTION
        if num_frames >= PORTION:
            yield portion
            portion, num_frames = [], 0
    if portion:
        yield portion


def _begin_worker() -> None:
    """When the parent is gone, however it ended, so is the worker."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def follow() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()

"""Work done ahead of its turn by threads, handed over in order."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from threading import Event
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Stopped(Exception):
    """For `work` to raise once its `stop` is set: nobody waits for the result any more."""


def work_ahead(
    work: Callable[[Item, Event], Result], items: Iterable[Item], readers: int
) -> Generator[Result, None, None]:
    """`work(item, stop)` of every item, in the items' order, at most `readers` ahead of the one that was taken.

    With 0 readers the calling thread does it, each at its turn. What `work` raises is raised where its result was due.
    Closing the generator (`contextlib.closing`) sets `stop`, drops what has not begun and returns when no thread is
    left: a thread in the middle of its work cannot be broken off, so long work should look at `stop` between its parts.
    """
    stop = Event()
    if readers == 0:
        for item in items:
            yield work(item, stop)
        return
    waiting, due = iter(items), deque[Future[Result]]()
    pool = ThreadPoolExecutor(readers, thread_name_prefix="reader")
    try:
        due.extend(pool.submit(work, item, stop) for item in islice(waiting, readers))
        while due:
            result = due.popleft().result()
            due.extend(pool.submit(work, item, stop) for item in islice(waiting, 1))
            yield result
            del result  # or the block that was used up would lie in memory until the next one has come
    finally:
        stop.set()
        pool.shutdown(wait=True, cancel_futures=True)

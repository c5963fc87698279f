"""Waiting for the study's database: for how long, what the user hears of it, and that Ctrl-C ends it."""

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_exponential

from platform.config.errors import UserError
from platform.results.scores import readable_time
from platform.tuning.study.database import Gone

PATIENCE_S = 600.0
LONGEST_PAUSE_S = 10.0
Answer = TypeVar("Answer")


class WaitEnded(Exception):
    """The user pressed Ctrl-C while the database was waited for."""


class NoAnswer(UserError):
    """It was waited for long enough."""


class Patience:
    """Calls something until the database answers."""

    def __init__(self, told: Callable[[str], None], go_on: str) -> None:
        """`go_on`: the command with which the search can be gone on with after `PATIENCE_S`."""
        self._told = told
        self._go_on = go_on
        self._most_s = PATIENCE_S
        self._ended: Exception | None = None
        self._retrying = Retrying(
            retry=retry_if_exception_type(Gone),
            wait=wait_exponential(multiplier=0.5, max=LONGEST_PAUSE_S),
            stop=stop_after_delay(self._most_s),
            reraise=True,
        )

    def __call__(self, call: Callable[[], Answer], again: Callable[[], Answer] | None = None) -> Answer:
        """What `call` returns, or `again` after an outage. Raises NoAnswer or WaitEnded, and from then on always."""
        if self._ended is not None:
            raise self._ended
        with _CtrlC() as ctrl_c:
            try:
                return call()
            except Gone as gone:
                began = time.monotonic()
                self._told(f"the study's database does not answer ({gone}); the search waits for it")
            try:
                with ctrl_c.ending_it():
                    answer = self._retrying(again or call)
            except Gone as gone:
                reason = f"the study's database has not answered for {readable_time(self._most_s)} ({gone})"
                self._ended = NoAnswer(f"{reason}. What was finished is kept. When it answers: {self._go_on}")
                raise self._ended from None
            except WaitEnded as ended:
                self._ended = ended
                raise
        self._told(f"the study's database answers again, after {readable_time(time.monotonic() - began)}")
        return answer


class _CtrlC:
    """Hears of Ctrl-C after whoever handles it otherwise: Tune only takes note of it, to end later."""

    def __init__(self) -> None:
        self._heard = False
        self._ends = False
        self._before: Any = None

    def __enter__(self) -> "_CtrlC":
        before = signal.getsignal(signal.SIGINT)
        if callable(before) and threading.current_thread() is threading.main_thread():
            self._before = before
            signal.signal(signal.SIGINT, self._hear)
        return self

    def __exit__(self, *failure: Any) -> None:
        if signal.getsignal(signal.SIGINT) == self._hear:  # Tune puts back what was there before it
            signal.signal(signal.SIGINT, self._before)

    @contextlib.contextmanager
    def ending_it(self) -> Iterator[None]:
        """Raises WaitEnded within, also where Ctrl-C was pressed before."""
        self._ends = True
        try:
            if self._heard:
                raise WaitEnded
            yield
        finally:
            self._ends = False

    def _hear(self, number: int, frame: Any) -> None:
        self._heard = True
        self._before(number, frame)
        if self._ends:
            raise WaitEnded

"""Storage that does not answer for a while is waited for: what a search does there is not lost with a network."""

from collections.abc import Callable
from typing import TypeVar

from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_exponential

from platform.storage.fetching import FULL

PATIENCE_S = 600.0
LONGEST_PAUSE_S = 5.0
Answer = TypeVar("Answer")


def patiently(call: Callable[[], Answer], most_s: float = PATIENCE_S) -> Answer:
    """What `call` returns, which is called again while storage is away. Raises what it raised last after `most_s`."""
    return Retrying(
        retry=retry_if_exception(is_away),
        wait=wait_exponential(multiplier=0.5, max=LONGEST_PAUSE_S),
        stop=stop_after_delay(most_s),
        reraise=True,
    )(call)


def is_away(fault: BaseException) -> bool:
    """May it be otherwise later? Not where a file is missing, or this machine's own disk is full."""
    cause = fault if isinstance(fault, OSError) else fault.__cause__
    return isinstance(cause, OSError) and not isinstance(cause, FileNotFoundError) and cause.errno not in FULL

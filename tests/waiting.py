"""Waiting for what comes to pass elsewhere: in another process, or another thread."""

import time
from collections.abc import Callable


def wait_for(has_come: Callable[[], bool], most_s: float = 100) -> None:
    ends = time.monotonic() + most_s
    while not has_come():
        assert time.monotonic() < ends, f"it did not come to pass within {most_s:.0f} s"
        time.sleep(0.02)

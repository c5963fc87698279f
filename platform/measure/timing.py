"""Comparing alternatives fairly on a machine that is never quite idle."""

import statistics
import time
from collections.abc import Callable, Mapping

from platform.training import graphs

WARM_UP_ON_GPU = graphs.WARM_UP + 2  # steps run as they are, then one is captured


def median_seconds(
    alternatives: Mapping[str, Callable[[], object]], *, repeats: int, warm_up: int = 1
) -> dict[str, float]:
    """The median time of each alternative, in seconds. They take turns, so that what disturbs one disturbs all."""
    times: dict[str, list[float]] = {name: [] for name in alternatives}
    for turn in range(warm_up + repeats):
        for name, run in alternatives.items():
            began = time.perf_counter()
            run()
            if turn >= warm_up:
                times[name].append(time.perf_counter() - began)
    return {name: statistics.median(values) for name, values in times.items()}

"""Of Tune's trials those that have not ended: whoever looks at them at each step shall not look at thousands."""

from collections.abc import Sequence
from typing import Any

from ray.tune.experiment import Trial

ENDED = (Trial.TERMINATED, Trial.ERROR)


class Living:
    """Tune only ever adds to its trials, and one that has ended stays so."""

    def __init__(self) -> None:
        self._living: list[Any] = []
        self._seen = 0

    def of(self, trials: Sequence[Any]) -> list[Any]:
        """In the order in which they were added."""
        both = [*self._living, *trials[self._seen :]]
        self._seen = len(trials)
        self._living = [trial for trial in both if trial.status not in ENDED]
        return self._living

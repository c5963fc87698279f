"""Nodes on which a trial asks for the same share of a GPU, and which of such classes a trial waits for.

Ray lets a placement group wait for one share on some nodes, not for either of two shares: whoever asks must choose. All
that is known of the trials is what they asked for; what others do on the nodes is Ray's to know.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

CLOSE = 1e-6  # to a whole number, after many divisions


@dataclass(frozen=True)
class Asked:
    """What a trial that runs or waits asked for: this share of a GPU, on one of these nodes."""

    gpus: float
    nodes: frozenset[str]


@dataclass(frozen=True)
class GpuClass:
    """`nodes`: their resources, by their ids. `fits` tells how many trials of a share fit on such resources."""

    gpus: float
    nodes: Mapping[str, Mapping[str, float]]
    fits: Callable[[Mapping[str, float], float], int]
    _places: dict[float, int] = field(default_factory=dict, compare=False)

    @property
    def asked(self) -> Asked:
        return Asked(self.gpus, frozenset(self.nodes))

    def places(self, gpus: float) -> int:
        """Trials of a share that fit side by side."""
        if gpus not in self._places:
            self._places[gpus] = sum(self.fits(resources, gpus) for resources in self.nodes.values())
        return self._places[gpus]

    def left(self, others: Counter[Asked]) -> float:
        """The places beside those who asked for some here; below 0 where more wait than fit."""
        used = 0.0
        for other, number in others.items():
            if not other.nodes.isdisjoint(self.nodes):
                used += number / max(1, self.places(other.gpus))
        return self.places(self.gpus) * (1 - used)


def choose(classes: Sequence[GpuClass], others: Counter[Asked], now: Asked | None = None) -> Asked | None:
    """That with the most places left, beside what the `others` asked for. What is asked for `now` stays while it has
    one, or no class has. None where there is no class."""
    left = {each.asked: each.left(others) for each in classes}
    if not left:
        return None
    best = max(left, key=lambda asked: left[asked])
    if now in left and (left[now] > 1 - CLOSE or left[best] < 1 - CLOSE):
        return now
    return best


def room(classes: Iterable[GpuClass], unusual: Counter[Asked]) -> int:
    """Trials that fit side by side, with those who asked for more than is usual among them."""
    return sum(max(0, int(each.left(unusual) + CLOSE)) for each in classes) + unusual.total()

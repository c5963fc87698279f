"""A search on many nodes, event by event: places where trials train, and what all of them share.

A closed queueing network. Every place runs one trial after the other; whoever is shared serves in the order asked. The
driver is one thread, which asks and tells the study as well.
"""

import heapq
import itertools
import random
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import astuple, dataclass
from typing import Literal

Limit = Literal["driver", "study", "storage", "network", "nodes", "trials"]
Place = Generator[float, float, None]  # yields when it goes on, is sent that time
SPREAD = 0.2  # a trial's epochs take up to so much more or less than the mean, by what was drawn
FULL = 0.9  # who is busy for so much of the time limits the search
MOST_NODES = 1e9  # more are as good as infinitely many


@dataclass(frozen=True)
class Demand:
    """Seconds of each that is shared."""

    driver: float = 0.0  # Tune, records, checkpoints
    study: float = 0.0  # of the driver's thread too
    storage: float = 0.0
    network: float = 0.0

    @property
    def thread(self) -> float:
        return self.driver + self.study

    def __add__(self, other: "Demand") -> "Demand":
        return Demand(*(mine + theirs for mine, theirs in zip(astuple(self), astuple(other), strict=True)))

    def times(self, factor: float) -> "Demand":
        return Demand(*(factor * mine for mine in astuple(self)))


@dataclass(frozen=True)
class Work:
    """What a search's trials ask for."""

    epochs: int
    epoch_s: float  # at its place: training and validation
    setup_s: float = 0.0  # at its place, before the first epoch
    trial: Demand = Demand()
    report: Demand = Demand()  # after each epoch, with its checkpoint
    report_per_place: Demand = Demand()  # more of it for each trial that runs at the time
    rungs: Sequence[int] = ()  # epochs after which one of `reduction` trials goes on
    reduction: int = 1
    node_start_s: float = 0.0  # of a node, before its first trial: memories, computed once on each

    @property
    def mean_epochs(self) -> float:
        stages = zip((0, *self.rungs), (*self.rungs, self.epochs), strict=True)
        return sum((last - first) / self.reduction**n for n, (first, last) in enumerate(stages))

    def demand(self, places: float) -> Demand:
        """Of a whole trial, where so many run at a time."""
        return self.trial + (self.report + self.report_per_place.times(places)).times(self.mean_epochs)

    @property
    def alone_s(self) -> float:
        """Of a trial whose place never waits for another's."""
        return self.setup_s + self.mean_epochs * self.epoch_s + sum(astuple(self.demand(1)))


@dataclass(frozen=True)
class Simulated:
    """A whole search. `busy`: for what share of its time each was; `nodes`, places that trained."""

    num_nodes: int
    num_places: int  # of all nodes together
    num_trials: int
    wall_s: float
    busy: dict[str, float]
    residence_s: float  # mean, from a trial's place being free to its end

    @property
    def trials_an_hour(self) -> float:
        return 3600 * self.num_trials / self.wall_s

    @property
    def limit(self) -> Limit:
        """Who is busy all the time, else the nodes; `trials` where there are not two for each place.

        Of the driver's thread, whose work is most of it.
        """
        study, driver = self.busy["study"], self.busy["driver"]
        if study + driver >= FULL:
            return "study" if study > driver else "driver"
        if self.busy["storage"] >= FULL:
            return "storage"
        if self.busy["network"] >= FULL:
            return "network"
        return "nodes" if self.num_trials >= 2 * self.num_places else "trials"


class _Server:
    """Serves one after the other."""

    def __init__(self) -> None:
        self._free_at = 0.0

    def until(self, now: float, seconds: float) -> float:
        """When that will be done which is asked for now."""
        self._free_at = max(now, self._free_at) + seconds
        return self._free_at


class _Search:
    """What places share, and what was counted of them."""

    def __init__(self, work: Work, num_places: int, num_trials: int, seed: int) -> None:
        self._work = work
        self._trials = iter(_drawn(work, num_trials, random.Random(seed)))  # the same ones on however many nodes
        self._thread, self._storage, self._network = _Server(), _Server(), _Server()
        self._report = work.report + work.report_per_place.times(num_places)
        self.asked = work.trial.times(num_trials)
        self.reports = 0
        self.training_s = self.residence_s = 0.0

    def place(self) -> Place:
        """One trial after the other, for as long as there are any."""
        work, report = self._work, self._report
        now = yield work.node_start_s
        for epochs, epoch_s in self._trials:
            began = now
            now = yield self._thread.until(now, work.trial.thread)
            now = yield now + work.setup_s
            for _ in range(epochs):
                if report.network:
                    now = yield self._network.until(now, report.network)
                now = yield now + epoch_s
                if report.storage:
                    now = yield self._storage.until(now, report.storage)
                now = yield self._thread.until(now, report.thread)
            self.reports += epochs
            self.training_s += epochs * epoch_s
            self.residence_s += now - began

    def total(self) -> Demand:
        return self.asked + self._report.times(self.reports)


def _drawn(work: Work, num_trials: int, generator: random.Random) -> Iterator[tuple[int, float]]:
    """Of each trial: its epochs, as successive halving has it, and how long they take."""
    for _ in range(num_trials):
        lives = (rung for rung in work.rungs if generator.random() * work.reduction >= 1)
        yield next(lives, work.epochs), work.epoch_s * generator.uniform(1 - SPREAD, 1 + SPREAD)


def simulate(work: Work, *, num_nodes: int, places: int, num_trials: int, seed: int = 0) -> Simulated:
    """`places`: of each node."""
    num_places = num_nodes * places
    search = _Search(work, min(num_places, num_trials), num_trials, seed)
    order = itertools.count()  # of what happens at one time
    going: list[tuple[float, int, Place]] = []
    for _ in range(min(num_places, num_trials)):
        place = search.place()
        going.append((next(place), next(order), place))
    heapq.heapify(going)
    now = 0.0
    while going:
        now, _, place = going[0]
        try:
            heapq.heapreplace(going, (place.send(now), next(order), place))
        except StopIteration:
            heapq.heappop(going)
    names = ("driver", "study", "storage", "network")
    busy = {name: seconds / now for name, seconds in zip(names, astuple(search.total()), strict=True)}
    busy["nodes"] = search.training_s / (now * num_places)
    return Simulated(num_nodes, num_places, num_trials, now, busy, search.residence_s / num_trials)


def saturated_at(work: Work, places: int) -> dict[str, float]:
    """With how many nodes the driver, the storage and the network are busy all the time; infinite for whom nobody asks.

    Of a search without end: nodes that begin, and those that find no trial, ask for less.
    """

    def busy(nodes: float, of: Callable[[Demand], float]) -> float:
        return of(work.demand(nodes * places)) * nodes * places / work.alone_s

    return {
        "driver": _first(lambda nodes: busy(nodes, lambda demand: demand.thread) >= 1),
        "storage": _first(lambda nodes: busy(nodes, lambda demand: demand.storage) >= 1),
        "network": _first(lambda nodes: busy(nodes, lambda demand: demand.network) >= 1),
    }


def _first(holds: Callable[[float], bool]) -> float:
    """The smallest number from which on it holds."""
    low, high = 0.0, 1.0
    while not holds(high):
        low, high = high, 2 * high
        if high > MOST_NODES:
            return float("inf")
    while high - low > 1e-6 * high:
        middle = (low + high) / 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high

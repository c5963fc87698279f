"""The trials no other trial beats in everything at once."""

from collections.abc import Callable, Iterable, Sequence

from platform.results.record import TrialRecord


def pareto_set(
    records: Iterable[TrialRecord], point: Callable[[TrialRecord], Sequence[float] | None]
) -> list[TrialRecord]:
    """Records whose `point` (lower is better in every number; None leaves the record out) no other one beats.

    Equal points stay together. Sorted by the first number.
    """
    points = [(record, tuple(mine)) for record in records if (mine := point(record)) is not None]

    def beaten(mine: Sequence[float]) -> bool:
        return any(theirs != mine and all(t <= m for t, m in zip(theirs, mine, strict=True)) for _, theirs in points)

    return [record for record, mine in sorted(points, key=lambda pair: pair[1]) if not beaten(mine)]

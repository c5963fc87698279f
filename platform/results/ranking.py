"""The order of trials, and those of them that a reader wants to see beside each other."""

from collections.abc import Iterable, Sequence

from platform.results.record import TrialRecord
from platform.results.scores import Score


def ranked(records: Iterable[TrialRecord], objective: Score) -> list[TrialRecord]:
    """Those with a score: who trained to the end before who was stopped, the best first."""
    name = objective.name
    scored = [record for record in records if record.state in ("finished", "stopped") and name in record.metrics]
    return sorted(scored, key=lambda record: (record.state != "finished", objective.signed(record.metrics[name])))


def leaders(ranking: Sequence[TrialRecord], count: int) -> list[TrialRecord]:
    """The best with sources, the best without and the next best, `count` of them, in the order of the ranking."""
    firsts = [
        next((record for record in ranking if bool(record.sources) is distils), None) for distils in (True, False)
    ]
    order = {record.trial: place for place, record in enumerate(ranking)}
    chosen = {record.trial: record for record in (*firsts, *ranking) if record is not None}
    return sorted(list(chosen.values())[:count], key=lambda record: order[record.trial])

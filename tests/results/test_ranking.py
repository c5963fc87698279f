"""Which trials stand first, and which are kept to be looked at."""

from platform.results.ranking import leaders, ranked
from platform.results.record import TrialRecord, TrialState
from platform.results.scores import score


def record(number: int, mse: float | None, state: TrialState = "finished", *sources: str) -> TrialRecord:
    metrics = {} if mse is None else {"mse": mse}
    settings = {"sources": list(sources)}
    return TrialRecord(trial=number, id=str(number), state=state, seed=0, settings=settings, metrics=metrics)


def test_who_trained_to_the_end_stands_before_who_was_stopped() -> None:
    records = [record(0, 3.0), record(1, 1.0, "stopped"), record(2, 2.0), record(3, None, "failed")]
    assert [each.trial for each in ranked(records, score("mse"))] == [2, 0, 1]
    assert [each.trial for each in ranked(records, score("mse", higher_is_better=True))] == [0, 2, 1]


def test_the_best_without_sources_is_among_the_leaders_however_many_distil_better() -> None:
    ranking = [record(number, number, "finished", "digits_1") for number in range(6)] + [
        record(9, 9.0),
        record(10, 10.0),
    ]
    assert [each.trial for each in leaders(ranking, 4)] == [0, 1, 2, 9]
    assert [each.trial for each in leaders(ranking[:6], 4)] == [0, 1, 2, 3]
    assert leaders([], 4) == []

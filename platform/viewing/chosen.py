"""Which trials are looked at beside each other."""

from platform.results.record import TrialRecord
from platform.viewing.watched import View

MOST = 8  # columns that a screen has room for


def chosen(view: View, trials: str) -> list[TrialRecord]:
    """Those that are named, `3,17`, also while they run; without any the best with and the best without sources."""
    records = {record.trial: record for record in view.summary.records}
    records |= {trial.trial: trial.as_record("interrupted") for trial in view.progress.running}
    named = [
        int(part)
        for part in trials.replace("%2C", ",").split(",")
        if part.isdecimal() and part.isascii() and len(part) < 10
    ]
    if not named:
        with_sources = view.summary.best_with_sources
        best = [view.summary.best, with_sources, view.summary.best_without_sources]
        named = [record.trial for record in best if record is not None]
    return [records[number] for number in dict.fromkeys(named) if number in records][:MOST]

"""Which trials are looked at: those that an address names, or the best."""

from platform.results.look import Look
from platform.results.record import TrialRecord
from platform.viewing.watched import View

MOST = 8  # beside each other: columns that a screen has room for


def chosen(view: View, trials: str) -> list[TrialRecord]:
    """Those that are named, `3,17`, also while they run; without any the best with and the best without sources."""
    records = {record.trial: record for record in view.summary.records}
    records |= {trial.trial: trial.as_record("interrupted") for trial in view.progress.running}
    named = numbers(trials)
    if not named:
        with_sources = view.summary.best_with_sources
        best = [view.summary.best, with_sources, view.summary.best_without_sources]
        named = [record.trial for record in best if record is not None]
    return [records[number] for number in dict.fromkeys(named) if number in records]


def numbers(text: str) -> list[int]:
    """`3,17` as it stands in an address; whatever is no number is passed over."""
    return [int(part) for part in text.split(",") if part.isdecimal() and part.isascii() and len(part) < 10]


def looks_with_gates(view: View) -> list[Look]:
    """At trials that draw on sources: that whose setting is confirmed, then the best first."""
    return [look for look in view.findings.looks if look.facts.sources]


def look_of(view: View, trial: str) -> Look | None:
    """That at the trial that is named, or else the first one; None where no trial that was looked at has gates."""
    looks = looks_with_gates(view)
    return next((look for look in looks if look.facts.trial in numbers(trial)), looks[0] if looks else None)

"""What a run came to, in sentences, with what a reader must know before repeating them."""

from platform.reporting.confirmed_verdict import confirmed_verdict
from platform.results.findings import Findings
from platform.results.record import TrialRecord
from platform.results.scores import score, summed_up
from platform.results.summary import RunSummary

FEW_TRIALS = 20


def verdict(findings: Findings) -> str:
    """What was confirmed; before that, what the search found."""
    return search_verdict(findings.summary) if findings.confirmed is None else confirmed_verdict(findings.confirmed)


def search_verdict(summary: RunSummary) -> str:
    """The best trial and its validation score against copying the last frame: one sentence."""
    best, measure = summary.best, summary.score
    if best is None:
        return "No trial came to a score, so there is nothing to conclude yet."
    value = summary.value(best) or 0.0
    if summary.finished:
        count = len(summary.finished)
        among = f"is the best of {count} finished trials" if count > 1 else "is the only trial that finished"
    else:
        among = f"is the best so far, stopped early after {_epochs(best)} as no trial finished"
    text = f"Trial {best.trial} {among}: on validation its {measure.label} is {measure.text(value)}"
    if summary.floor is not None:
        text += f", {measure.against(value, summary.floor)}"
    return text + ". By this score it was chosen, which therefore flatters it."


def caveats(summary: RunSummary) -> list[str]:
    """What a reader must know before repeating the sentence above."""
    notes = []
    best, other, measure = summary.best, summary.best_without_sources, summary.score
    if best is not None and (worse := _not_beaten(summary, best)):
        notes.append(f"By {' and '.join(worse)} it does not beat copying the last frame.")
    if best is not None and summary.finished:
        if best is other:
            notes.append("It distils from no source: in this search, no trial that did distil came out better.")
        elif other is not None and best.sources:
            start, value = other.settings.get("start", "scratch"), measure.text(summary.value(other))
            notes.append(
                f"The best trial without any source, trial {other.trial} (start {start}), reached {value} on "
                "validation. Each is one training run with one seed, so the gap is a lead to confirm, no proof."
            )
        elif best.sources:
            notes.append("No trial without sources finished, so whether distilling helped at all cannot be told here.")
    if summary.records and len(summary.finished) < FEW_TRIALS:
        notes.append(f"Only {len(summary.finished)} trials finished: read every comparison below as a hint.")
    stand_ins = sorted(name for name, card in summary.provenance.sources.items() if card.get("synthetic"))
    if stand_ins and not summary.synthetic:
        notes.append(f"These sources were pretrained on synthetic stand-ins: {', '.join(stand_ins)}.")
    if summary.synthetic is None:
        notes.append("Whether the frames are real or a synthetic stand-in was not recorded.")
    return notes


def _not_beaten(summary: RunSummary, best: TrialRecord) -> list[str]:
    """Protocols, other than the one that was optimised, by which the best trial is no better than copying the last
    frame."""
    mine, floor = best.metrics, best.last_frame
    others = [score(name) for name in summed_up(mine) if name != summary.score.name and name in floor]
    return [each.label for each in others if not each.is_better(mine[each.name], floor[each.name])]


def _epochs(record: TrialRecord) -> str:
    return f"{record.epochs} epoch{'' if record.epochs == 1 else 's'}"

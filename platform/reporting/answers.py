"""The five questions that a reader of a search has, each answered in a sentence or two."""

import shlex
from collections.abc import Sequence

from platform.results.confirmed import Confirmed
from platform.results.curves import still_improving
from platform.results.effects import SourceEffect
from platform.results.findings import Findings
from platform.results.scores import NARROW, readable_time, score_number
from platform.results.serving import read_totals, serving_sentence
from platform.results.summary import RunSummary


def answers(findings: Findings) -> list[tuple[str, str]]:
    """Questions with their answers. What can be copied into a terminal stands between back quotes."""
    summary, confirmed = findings.summary, findings.confirmed
    return [
        ("Did transfer help?", _help(summary, confirmed)),
        ("Which sources?", _which(summary, findings.effects)),
        ("How sure are we?", _sure(summary, confirmed)),
        ("What did it cost?", _cost(summary, confirmed)),
        ("What next?", _next(summary, confirmed)),
    ]


def _help(summary: RunSummary, confirmed: Confirmed | None) -> str:
    if confirmed is not None and confirmed.contrasts:
        against = confirmed.against("scratch")
        if against:
            contrast = against[0]
            if not contrast.is_clear:
                return "No difference to training from scratch was found."
            good = confirmed.measure.signed(contrast.found.mean) < 0
            size = f"{score_number(abs(contrast.found.mean))} in {confirmed.measure.label}"
            control = confirmed.against("control")
            by_imitation = ""
            if good and control:
                clear = control[0].is_clear and confirmed.measure.signed(control[0].found.mean) < 0
                by_imitation = (
                    " Imitation did it: the same network without it is worse."
                    if clear
                    else " But the same network without imitation was not found to be worse."
                )
            return f"{'Yes' if good else 'No, it harmed'}: by {size} against scratch.{by_imitation}"
    with_sources = [record for record in summary.finished if record.sources]
    other = summary.best_without_sources
    if not with_sources or other is None:
        return "Cannot be told: trials both with and without sources must finish."
    best = min(with_sources, key=lambda record: summary.score.signed(summary.value(record) or 0.0))
    mine, theirs = summary.value(best) or 0.0, summary.value(other) or 0.0
    perhaps, word = ("Perhaps", "better") if summary.score.is_better(mine, theirs) else ("Not seen", "not better")
    return (
        f"{perhaps}: the best trial that distils is {word} ({summary.score.text(mine)}) than the best that does not "
        f"({summary.score.text(theirs)}), one seed each."
    )


def _which(summary: RunSummary, effects: Sequence[SourceEffect]) -> str:
    if not summary.sources:
        return "None were offered."
    good = [e for e in effects if e.is_clear and summary.score.signed(e.difference or 0.0) < 0]
    bad = [e for e in effects if e.is_clear and e not in good]
    rest = [e.source for e in effects if not e.is_clear]
    parts = []
    if good:
        parts.append("trials did better with " + ", ".join(map(_with_interval, good)))
    if bad:
        parts.append("worse with " + ", ".join(map(_with_interval, bad)))
    if rest:
        parts.append(f"no clear effect of {', '.join(rest)}")
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}." if text else "Too few trials finished to tell."


def _with_interval(effect: SourceEffect) -> str:
    low, high = sorted(abs(edge) for edge in effect.interval or (0.0, 0.0))
    return (
        f"{effect.source} (by {score_number(abs(effect.difference or 0.0))}, 95{NARROW}% {score_number(low)} to "
        f"{score_number(high)})"
    )


def _sure(summary: RunSummary, confirmed: Confirmed | None) -> str:
    if confirmed is not None and confirmed.contrasts:
        found = confirmed.contrasts[0].found
        whole = "" if confirmed.is_whole else " so far"
        return (
            f"Confirmed{whole} with {found.num_seeds} seeds on {found.num_clips:,} test clips of {found.num_videos:,} "
            "videos; intervals below. The sources' effects above are hints from the search."
        )
    seeds = "one seed" if summary.finished else "nothing"
    return f"Not yet: each of {len(summary.finished)} finished trials has {seeds}, judged by clips it was chosen on."


def _cost(summary: RunSummary, confirmed: Confirmed | None) -> str:
    if not summary.records:
        return "Nothing yet."
    spent = sum(record.duration_s for record in summary.records)
    text = f"{readable_time(spent)} of training in {len(summary.records)} trials"
    if confirmed is not None:
        more = sum(record.duration_s for setting in confirmed.settings for record in setting.trials)
        text += f", {readable_time(more)} to confirm"
    served = serving_sentence(summary.records, read_totals(summary.folder))
    return f"{text}; {served}." if served else f"{text}."


def _next(summary: RunSummary, confirmed: Confirmed | None) -> str:
    run = shlex.quote(str(summary.folder.path))
    if not summary.finished:
        return f"Go on with the search: `python -m platform.search --resume {run}`."
    if confirmed is None:
        return f"Confirm it with several seeds: `python -m platform.confirm {run}`."
    if not confirmed.is_whole:
        return f"Go on confirming: `python -m platform.confirm {run}`."
    if summary.best is not None and still_improving(summary.score, summary.best):
        return "The best trial was still improving: train longer, `--set training.epochs=...`, and search again."
    against = confirmed.against("scratch")
    if against and not against[0].is_clear:
        return "Offer other sources, or more seeds: a smaller difference than the interval shows may still be there."
    return f"Use it: {summary.folder.best} holds the search's best target, ready to predict."

"""The five questions that a reader of a search has, each answered in a sentence or two."""

import shlex
from collections.abc import Sequence

from platform.results.confirmed import Confirmed, Contrast
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
    if confirmed is not None and (against := confirmed.against("scratch")):
        return " ".join(filter(None, (_chosen(confirmed, against[0]), _finetuned(confirmed), _superior(confirmed))))
    best, other = summary.best_with_sources, summary.best_without_sources
    if best is None or other is None:
        return "Cannot be told: trials both with and without sources must finish."
    mine, theirs = summary.value(best) or 0.0, summary.value(other) or 0.0
    perhaps, word = ("Perhaps", "better") if summary.score.is_better(mine, theirs) else ("Not seen", "not better")
    return (
        f"{perhaps}: the best trial that distils is {word} ({summary.score.text(mine)}) than the best that does not "
        f"({summary.score.text(theirs)}), one seed each."
    )


def _chosen(confirmed: Confirmed, contrast: Contrast) -> str:
    """The chosen setting against scratch."""
    if not contrast.is_clear:
        return "No difference to training from scratch was found."
    by = f"by {_size(confirmed, contrast)} against scratch"
    if not confirmed.is_better(contrast):
        return f"No, it harmed: {by}."
    if (control := confirmed.equal_control) is not None:
        but = "is better" if confirmed.is_worse(control) else "was not found to be worse"
        return f"{by[0].upper()}{by[1:]}, but the same network without imitation {but}."
    return f"Yes: {by}." + (" The same network without imitation is worse." if confirmed.against("control") else "")


def _finetuned(confirmed: Confirmed) -> str:
    """The other way of transfer."""
    if (contrast := confirmed.finetuned) is None:
        return ""
    starting = contrast.mine.method
    if not contrast.is_clear:
        return f"No difference was found for {starting}."
    verb = "helped" if confirmed.is_better(contrast) else "harmed"
    return f"{starting[0].upper()}{starting[1:]} {verb} by {_size(confirmed, contrast)}."


def _superior(confirmed: Confirmed) -> str:
    """What is better than the chosen setting."""
    if (contrast := confirmed.superior) is None:
        return ""
    method = contrast.other.method
    return f"{method[0].upper()}{method[1:]} is better than that, by {_size(confirmed, contrast)}."


def _size(confirmed: Confirmed, contrast: Contrast) -> str:
    return f"{score_number(abs(contrast.found.mean))}{confirmed.measure.suffix} in {confirmed.measure.label}"


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
        found = (confirmed.against("scratch") or confirmed.contrasts)[0].found
        whole = "" if confirmed.is_whole else " so far"
        return (
            f"Confirmed{whole} with {found.num_seeds} seeds on {found.num_clips:,} test clips of {found.num_videos:,} "
            "videos; intervals below. The sources' effects above are hints from the search."
        )
    if confirmed is not None and not confirmed.is_readable:
        return "Cannot be told: what was confirmed is damaged. The sources' effects above are hints from the search."
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
    if not summary.is_readable:
        return f"Restore {summary.folder.results} from a copy: it is damaged, and a search cannot go on without it."
    if not summary.finished:
        return f"Go on with the search: `python -m platform.search --resume {run}`."
    if confirmed is None:
        return f"Confirm it with several seeds: `python -m platform.confirm {run}`."
    if not confirmed.is_readable:
        told, folder = confirmed.folder.results, shlex.quote(str(confirmed.folder.path))
        return (
            f"Restore {told} from a copy, or move {folder} away and confirm anew: `python -m platform.confirm {run}`."
        )
    if not confirmed.is_whole:
        return f"Go on confirming: `python -m platform.confirm {run}`."
    if summary.best is not None and still_improving(summary.score, summary.best):
        return "The best trial was still improving: train longer, `--set training.epochs=...`, and search again."
    against, finetuned = confirmed.against("scratch"), confirmed.finetuned
    helps = bool(against) and confirmed.is_better(against[0]) and confirmed.equal_control is None
    beaten = [contrast.other for contrast in confirmed.contrasts if confirmed.is_better(contrast)]
    if (superior := confirmed.superior) is not None and superior.other.sources:
        return f"Take {superior.other.name} instead, {superior.other.method}: it is clearly better, see below."
    if superior is not None:
        return f"Start from the weights of {superior.other.start} and distil nothing: see {superior.other.name} below."
    if not helps and finetuned is not None and confirmed.is_better(finetuned) and finetuned.mine not in beaten:
        return f"Start from the weights of {finetuned.mine.start} and distil nothing: see {finetuned.mine.name} below."
    if (control := confirmed.equal_control) is not None and confirmed.is_worse(control):
        return "Imitation harms: train the control, or offer other sources or layers."
    if control is not None:
        return "Imitation is not seen to help: offer other sources or layers, or train the control, which costs less."
    if against and against[0].is_clear and confirmed.measure.signed(against[0].found.mean) > 0:
        return "Train from scratch, or offer other sources: distilling from these did harm."
    if against and not against[0].is_clear:
        return "Offer other sources, or more seeds: a smaller difference than the interval shows may still be there."
    if confirmed.folder.best.is_dir():
        return f"Use it: {confirmed.folder.best} holds the confirmed setting's target, ready to predict."
    return "Use the confirmed setting, below."

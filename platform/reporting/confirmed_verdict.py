"""What a confirmation came to, in sentences with effect, interval and n."""

from platform.config.trial import SCRATCH
from platform.results.confirm_plan import Role
from platform.results.confirmed import Confirmed, Contrast
from platform.results.scores import NARROW, p_text, score_number, signed_number

RIVALS: dict[Role, str] = {
    "best": "another of the search's best settings",
    "scratch": "training from scratch",
    "control": "the same network without imitation",
    "finetune": "starting from a source's weights",
    "all": "distilling from all sources",
    "single": "distilling from the best single source",
}


def confirmed_verdict(confirmed: Confirmed) -> str:
    """One sentence: the chosen setting against scratch, and what is better than it. It says so where no difference was
    found, or none can be told."""
    if not confirmed.is_readable:
        return f"What was confirmed cannot be told: {confirmed.folder.results} is damaged."
    if confirmed.chosen is None:
        return "Nothing is confirmed yet: no setting has been trained and tested."
    if not confirmed.chosen.sources and confirmed.chosen.start == SCRATCH:
        return "Nothing that transfers was tested yet, only training from scratch."
    against, who = confirmed.against("scratch"), confirmed.chosen.method
    if not against:
        return f"Nothing can be said of {who}: training from scratch was not tested beside it."
    sentence = contrast_sentence(confirmed, against[0], who)
    but = [_doubt(confirmed, contrast) for contrast in confirmed.doubts]
    return f"{sentence[:-1]}; but {', and '.join(but)}." if but else sentence


def other_verdict(confirmed: Confirmed) -> str | None:
    """On the other way of transfer, to start from a source's weights; None where the first sentence is about it, or it
    was not tested."""
    if confirmed.finetuned is None:
        return None
    return contrast_sentence(confirmed, confirmed.finetuned, confirmed.finetuned.mine.method)


def what_is_lost(confirmed: Confirmed) -> str | None:
    """That targets failed, once nothing is left to be done; None where none did."""
    if not confirmed.num_lost:
        return None
    return (
        f"{confirmed.num_lost} of {confirmed.num_planned} targets failed or lost their weights, and are not trained "
        "again: all that is told rests on the others, which may flatter a setting that fails."
    )


def contrast_sentence(confirmed: Confirmed, contrast: Contrast, who: str) -> str:
    """How `contrast.mine`, called `who`, differs from another."""
    found, measure = contrast.found, confirmed.measure
    rival, label = RIVALS[contrast.other.planned.role], f"the test {measure.label}"
    if not contrast.is_clear:
        by = f"{signed_number(found.mean)}{measure.suffix}"
        differs = f"{label} differs by {by} ({_interval(contrast)}; {_n(confirmed, contrast)})"
        return f"No difference found between {who} and {rival}: {differs}."
    size = f"{score_number(abs(found.mean))}{measure.suffix}"
    if measure.is_ratio and (base := contrast.other.scores[measure.name].mean):
        size += f" ({100 * abs(found.mean) / abs(base):.1f}{NARROW}%)"
    verb = "lowers" if found.mean < 0 else "raises"
    judged = f", which is {'better' if confirmed.is_better(contrast) else 'worse'}"
    if confirmed.is_better(contrast) and not measure.higher_is_better:
        judged = ""  # an error that is lowered
    return (
        f"{who[0].upper()}{who[1:]} {verb} {label} by {size} against {rival}{judged}: "
        f"{_interval(contrast)}; {_n(confirmed, contrast)}."
    )


def _doubt(confirmed: Confirmed, contrast: Contrast) -> str:
    rival = RIVALS[contrast.other.planned.role]
    told = f"{_interval(contrast)}, p{NARROW}{p_text(contrast.p)}"
    if confirmed.is_worse(contrast):
        size = f"{score_number(abs(contrast.found.mean))}{confirmed.measure.suffix}"
        return f"{rival} is better than this setting by {size} ({told})"
    return f"{rival} was not found to be worse ({signed_number(contrast.found.mean)}, {told})"


def _interval(contrast: Contrast) -> str:
    low, high = contrast.found.interval
    if contrast.is_clear:
        low, high = sorted((abs(low), abs(high)))
        return f"95{NARROW}% interval {score_number(low)} to {score_number(high)}"
    return f"95{NARROW}% interval {signed_number(low)} to {signed_number(high)}"


def _n(confirmed: Confirmed, contrast: Contrast) -> str:
    """Of what, and how surely: a seed that was lost in either setting is in neither."""
    found, seeds = contrast.found, f"{contrast.found.num_seeds} seeds"
    if found.num_seeds < confirmed.num_seeds:
        rest = "the others were lost" if confirmed.is_whole else "so far"
        seeds = f"{found.num_seeds} of {confirmed.num_seeds} seeds ({rest})"
    n = f"{seeds}, {found.num_clips:,} clips of {found.num_videos:,} videos, p{NARROW}{p_text(contrast.p)}"
    if (count := confirmed.num_compared) > 1:
        n += f" corrected for {count} comparisons, as the interval is not"
    return n

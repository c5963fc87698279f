"""The looks of a run, at its best trials."""

from collections.abc import Sequence

from platform.config.bounded import Refused
from platform.results.absent import Absent
from platform.results.look import Look, read_look
from platform.results.ranking import ranked
from platform.results.summary import RunSummary


def read_looks(summary: RunSummary, missing: list[str], first: int | None = None) -> tuple[Look, ...]:
    """Those that are there: that at trial `first`, then the best trial first. What cannot be read, or is of another
    trial, is told in `missing`."""
    found = []
    for record in ranked(summary.records, summary.score):
        path = summary.folder.look(record.id)
        if not path.exists():
            continue
        try:
            look = read_look(path)
            if look.facts.trial != record.trial:
                raise Refused(f"is of trial {look.facts.trial}")
        except (OSError, Refused) as fault:
            missing.append(f"look.npz of trial {record.trial} {fault}, so that it is not shown closely.")
            continue
        found.append(look)
    if not found and summary.records:
        missing.append(
            Absent("There are no predicted frames and no gates: the best trials are looked at when a search ends.")
        )
    return tuple(sorted(found, key=lambda look: look.facts.trial != first))


def side_by_side(looks: Sequence[Look], count: int) -> list[Look]:
    """Those at the same clips as the first: it, the first with and the first without sources, and more up to `count`,
    in their order."""
    same = [
        look for look in looks if (look.facts.clips, look.facts.kept) == (looks[0].facts.clips, looks[0].facts.kept)
    ]
    firsts = [next((look for look in same if bool(look.facts.sources) is distils), None) for distils in (True, False)]
    chosen = {look.facts.trial for look in firsts if look is not None}
    for look in same:
        if len(chosen) < count:
            chosen.add(look.facts.trial)
    return [look for look in same if look.facts.trial in chosen][:count]

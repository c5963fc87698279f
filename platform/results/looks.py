"""The looks of a run, at its best trials."""

from platform.config.bounded import Refused
from platform.results.look import Look, read_look
from platform.results.summary import RunSummary


def read_looks(summary: RunSummary, missing: list[str]) -> tuple[Look, ...]:
    """Those that are there, the best trial first. What cannot be read, or is of another trial, is told in `missing`."""
    name, found = summary.score.name, []
    scored = [record for record in (*summary.finished, *summary.in_state("stopped")) if name in record.metrics]
    for record in sorted(scored, key=lambda r: (r.state != "finished", summary.score.signed(r.metrics[name]))):
        try:
            look = read_look(summary.folder.look(record.id))
            if look.facts.trial != record.trial:
                raise Refused(f"is of trial {look.facts.trial}")
        except FileNotFoundError:
            continue
        except (OSError, Refused) as fault:
            missing.append(f"look.npz of trial {record.trial} {fault}, so that it is not shown closely.")
            continue
        found.append(look)
    if not found and summary.records:
        missing.append("There are no predicted frames and no gates: the best trials are looked at when a search ends.")
    return tuple(found)

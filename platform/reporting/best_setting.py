"""The setting that a reader takes away: the confirmed one, or the search's best while nothing is confirmed."""

from dataclasses import dataclass

from platform.reporting.confirmed_table import mean_text
from platform.reporting.tables import setting_rows
from platform.results.confirmed import Confirmed, ConfirmedSetting
from platform.results.findings import Findings
from platform.results.record import TrialRecord
from platform.results.scores import NARROW, score, shown


@dataclass(frozen=True)
class BestSetting:
    """`settings` and `scores` are rows of text, those of scores below `columns`. `note`: where the search's own best is
    another one."""

    heading: str
    note: str
    settings: list[tuple[str, str]]
    columns: tuple[str, ...]
    scores: list[tuple[str, ...]]


def best_setting(findings: Findings) -> BestSetting | None:
    """None where there is no score yet."""
    if findings.confirmed is not None and findings.settled is not None:
        return _confirmed(findings.confirmed, findings.settled, findings.summary.best)
    return _searched(findings.summary.best) if findings.summary.best is not None else None


def _confirmed(confirmed: Confirmed, setting: ConfirmedSetting, best: TrialRecord | None) -> BestSetting:
    floor = next(iter(setting.tested.values())).last_frame
    planned, note = setting.planned, ""
    if best is not None and best.trial != planned.trial:
        note = f"In the search, which judged by validation clips and one seed, trial {best.trial} scored best."
    if (superior := confirmed.superior) is not None:
        note = f"{superior.other.name} is clearly better on the test split: see the table. {note}".strip()
    return BestSetting(
        heading=f"The confirmed setting, {planned.origin}",
        note=note,
        settings=setting_rows(planned.settings),
        columns=("score", f"test, mean of {len(setting.tested)} seeds ± 95{NARROW}%", "copying the last frame"),
        scores=[
            (score(name).axis, mean_text(setting, name), score(name).text(floor.get(name))) for name in setting.scores
        ],
    )


def _searched(best: TrialRecord) -> BestSetting:
    """One training run."""
    return BestSetting(
        heading=f"The best setting, trial {best.trial}",
        note="",
        settings=[*setting_rows(best.settings), ("seed", str(best.seed))],
        columns=("score", "validation", "copying the last frame"),
        scores=[
            (score(name).axis, score(name).text(best.metrics[name]), score(name).text(best.last_frame.get(name)))
            for name in shown(best.metrics)
        ],
    )

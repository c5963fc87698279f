"""A confirmation as rows of text, for a page, and as the table that a terminal is shown."""

from dataclasses import dataclass

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from platform.reporting.confirmed_verdict import confirmed_verdict, other_verdict, what_is_lost
from platform.results.confirmed import Confirmed, ConfirmedSetting
from platform.results.scores import NARROW, p_text, plain_number, readable_time, score, score_number, signed_number


@dataclass(frozen=True)
class ConfirmedRow:
    """Texts of one setting. `difference` is the chosen setting's score minus this one's."""

    name: str
    what: str
    origin: str
    n: str
    scores: tuple[str, ...]
    difference: str
    interval: str
    p: str
    cost: str
    is_chosen: bool

    @property
    def cells(self) -> tuple[str, ...]:
        """In the order of `confirmed_columns`."""
        compared = (self.difference, self.interval, self.p)
        return (self.name, self.what, self.n, *self.scores, *compared, self.cost, self.origin)


def confirmed_columns(confirmed: Confirmed) -> list[str]:
    """Each score by its name, the difference by a Δ."""
    compared = (f"Δ {confirmed.measure.name}", "95 % interval", "p, corrected")
    return ["setting", "", "seeds", *score_names(confirmed), *compared, "training, a run", "settings of"]


def confirmed_note(confirmed: Confirmed) -> str:
    """What the numbers of the table are, and which setting is not in it."""
    left_out = "".join(f" {name} was left out: {why}." for name, why in confirmed.left_out.items())
    return (
        "Trained with the same clips, steps and seeds. The setting in bold was chosen by its validation scores, and "
        "the test split scored once, when all had been trained. Scores are means over seeds with 95 % intervals; Δ is "
        "that setting minus the one of the row, with an interval over seeds and videos, and its p-value corrected for "
        f"all rows (Holm).{left_out}"
    )


def score_names(confirmed: Confirmed) -> list[str]:
    return list(dict.fromkeys(name for setting in confirmed.settings for name in setting.scores))


def confirmed_rows(confirmed: Confirmed) -> list[ConfirmedRow]:
    """The chosen setting first, then the others in the order of the plan."""
    names = score_names(confirmed)
    ordered = sorted(confirmed.settings, key=lambda setting: setting is not confirmed.chosen)
    return [_row(confirmed, setting, names) for setting in ordered]


def _row(confirmed: Confirmed, setting: ConfirmedSetting, names: list[str]) -> ConfirmedRow:
    contrast = next((c for c in confirmed.contrasts if c.other is setting), None)
    n = f"{len(setting.tested)} of {confirmed.num_seeds}"
    if setting.num_failed:
        n += f", {setting.num_failed} failed"
    cost = [readable_time(setting.seconds)] if setting.seconds is not None else []
    if setting.passes:
        cost.append(f"{setting.passes:,.0f} blocks of memory")
    if setting.parameters:
        cost.append(f"{plain_number(setting.parameters)} weights")
    return ConfirmedRow(
        name=setting.name,
        what=setting.what,
        origin=setting.planned.origin,
        n=n,
        scores=tuple(mean_text(setting, name) for name in names),
        difference="" if contrast is None else signed_number(contrast.found.mean),
        interval="" if contrast is None else " to ".join(map(signed_number, contrast.found.interval)),
        p="" if contrast is None else p_text(contrast.p).removeprefix(f"={NARROW}"),
        cost=", ".join(cost),
        is_chosen=setting is confirmed.chosen,
    )


def mean_text(setting: ConfirmedSetting, name: str) -> str:
    """`31.2 ± 0.4`, over seeds; a dash where it was not scored."""
    found = setting.scores.get(name)
    if found is None:
        return "–"
    half = "" if found.half is None else f" ± {score_number(found.half)}"
    return f"{score(name).text(found.mean)}{half}"


def print_confirmed(confirmed: Confirmed, console: Console) -> None:
    """The verdict and the table."""
    console.print()
    console.print(f"[bold]verdict[/] {escape(confirmed_verdict(confirmed))}", soft_wrap=True)
    for told in (other_verdict(confirmed), what_is_lost(confirmed)):
        if told is not None:
            console.print(escape(told), soft_wrap=True)
    names = score_names(confirmed)
    label = confirmed.measure.name
    table = Table("setting", "", "n", *names, f"Δ {label}", "95 % interval", "p", box=None, header_style="bold")
    for row in confirmed_rows(confirmed):
        style = "bold" if row.is_chosen else ""
        table.add_row(row.name, row.what, row.n, *row.scores, row.difference, row.interval, row.p, style=style)
    console.print(table)
    if confirmed.contrasts:
        console.print(
            f"[dim]Test split; mean over seeds ± 95 %. Δ: {escape(confirmed.chosen.name if confirmed.chosen else '')} "
            "minus the setting of the row, paired by seed and clip; p corrected for all rows (Holm).[/]",
            soft_wrap=True,
        )

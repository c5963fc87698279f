"""What a section is given, what it hands back, and the table of promises that all of them end in."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from platform.config.home import Home
from platform.config.run import RunConfig
from platform.measure.peak import has_fast_bfloat16
from platform.measure.setting import Setting


@dataclass(frozen=True)
class Asked:
    """A search whose cost on as many nodes is to be foretold."""

    config: RunConfig
    node_counts: tuple[int, ...]


@dataclass(frozen=True)
class Bench:
    """How everything is measured: sizes, timed runs of each alternative, and a home that is gone afterwards."""

    setting: Setting
    repeats: int
    home: Home
    asked: Asked | None = None

    @property
    def device(self) -> str:
        return "cuda" if torch.cuda.is_available() else "cpu"

    @property
    def processor_bars_hold(self) -> bool:
        """What is promised of a processor is promised of one that computes in bfloat16, at the released sizes."""
        return self.setting.is_released and has_fast_bfloat16()

    def processor_bar(self, met: bool) -> bool | None:
        return met if self.processor_bars_hold else None


@dataclass(frozen=True)
class Row:
    """One promise: what was measured and what was promised; `met` is None where it was not run, or does not hold."""

    what: str
    measured: str
    bar: str
    met: bool | None


@dataclass(frozen=True)
class Section:
    """The figures of one section, under their names, and its part of the table."""

    figures: dict[str, Any]
    rows: list[Row] = field(default_factory=list)


def print_rows(rows: Iterable[Row], console: Console) -> None:
    table = Table("what", "measured", "bar", "", box=None, header_style="bold", title_justify="left")
    for row in rows:
        verdict = {True: "[green]ok[/]", False: "[yellow]below[/]", None: ""}[row.met]
        table.add_row(row.what, row.measured, row.bar, verdict)
    console.print(table)


def giga(per_s: float) -> str:
    """Operations a second."""
    return f"{per_s / 1e9:,.0f} GFLOP/s"

"""The closing lines of a search: what they say can be read, and what they offer can be copied."""

import shlex
from pathlib import Path
from typing import Any

from rich.console import Console

from platform.reporting.closing import closing_lines
from platform.results.record import TrialRecord
from platform.results.run_folder import RunFolder

SETTINGS: dict[str, Any] = {"sources": [], "start": "scratch", "learning_rate": 1e-3}


def closing(path: str, settings: dict[str, Any] = SETTINGS) -> list[str]:
    best = TrialRecord(trial=3, id="00003", state="finished", seed=0, settings=settings)
    console = Console(width=80, record=True, force_terminal=False)
    for line in closing_lines(best, RunFolder(Path(path)), [best]):
        console.print(line, soft_wrap=True)
    return console.export_text().splitlines()


def command(lines: list[str], program: str) -> list[str]:
    """The words a shell makes of the one line that ends in this program's call."""
    line = next(line for line in lines if f" {program} " in line and "pip" not in line)
    return shlex.split(line[line.index(program) :])


def test_the_offered_commands_survive_a_path_with_spaces() -> None:
    lines = closing("runs/my first $run")
    assert command(lines, "tensorboard") == ["tensorboard", "--logdir", "runs/my first $run/trials"]
    assert command(lines, "optuna-dashboard") == ["optuna-dashboard", "sqlite:///runs/my first $run/study.db"]


def test_an_ordinary_path_is_not_quoted() -> None:
    assert any(line.endswith("tensorboard --logdir runs/kth/trials") for line in closing("runs/kth"))


def test_paths_and_names_are_never_taken_for_markup() -> None:
    gates = {"tmu": {"layers": [0], "merge": "mean", "bias": 0.0}, "distil": {"weight": 0.1}}
    text = "\n".join(closing("runs/[/x] [red]", SETTINGS | gates | {"sources": ["[/s] [blue]"]}))
    assert "runs/[/x] [red]/report.html" in text
    assert "sources [/s] [blue]" in text

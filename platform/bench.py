"""`python -m platform.bench`: what this machine does, where its time goes, and what a cluster of such would take."""

import datetime
import importlib
import json
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import ValidationError

from platform.config.errors import UserError
from platform.config.load import choose_profile, load_run
from platform.config.network import NetworkConfig
from platform.console import console, run

if TYPE_CHECKING:
    from platform.bench_sections.section import Bench, Section

EPILOG = """
[bold]Examples[/]

python -m platform.bench

python -m platform.bench step --repeats 9 --json step.json

python -m platform.bench nodes --yaml kth.yaml --profile full --nodes 1,2,4
"""


class Part(StrEnum):
    """What can be measured by itself. Each but the first is a module of `bench_sections`."""

    ALL = "all"
    STEP = "step"
    MEMORY = "memory"
    DATA = "data"
    SEARCH = "search"
    NODES = "nodes"


def bench(
    part: Annotated[
        Part, typer.Argument(metavar="[step|memory|data|search|nodes]", help="What; all of it.")
    ] = Part.ALL,
    repeats: Annotated[int, typer.Option(min=1, help="Timed runs of each alternative; medians are printed.")] = 5,
    hidden: Annotated[str, typer.Option(help="Widths of the layers; default: the released ones.")] = "64,64,64,64",
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write the figures to this file.")] = None,
    yaml: Annotated[str | None, typer.Option(help="nodes: estimate what this search costs. A path or a name.")] = None,
    profile: Annotated[
        str, typer.Option(help="nodes: of the YAML: laptop, full, or auto as a search takes it.")
    ] = "auto",
    nodes: Annotated[str, typer.Option(help="nodes: how many, of machines like this one.")] = "1,2,4",
) -> None:
    """Measure this machine: training steps, memory serving, streaming and preparing, whole searches, two nodes.

    All of it takes about 15 minutes on two cores. Alternatives take turns and medians are told; the last table holds
    what is promised beside what was measured. step, memory and data need no Ray. `data` writes 3 GB into the temporary
    folder; all that is written there is removed.
    """
    network = _network(hidden)
    if json_file is not None and not json_file.absolute().parent.is_dir():
        raise UserError(f"--json {json_file}: there is no folder {json_file.absolute().parent}. Make it first.")
    node_counts = _counts(nodes)
    if yaml is not None and part not in (Part.ALL, Part.NODES):
        raise UserError(f"--yaml {yaml}: its cost is told by `python -m platform.bench nodes --yaml {yaml}`.")
    config = None if yaml is None else load_run(yaml, profile=choose_profile(profile))
    import torch

    from platform.bench_sections.section import Asked, Bench, print_rows
    from platform.measure.setting import Setting, temporary_home
    from platform.training.versions import hardware, package_versions

    machine, today = hardware(), datetime.date.today().isoformat()
    figures: dict[str, Any] = {
        "date": today,
        "hardware": machine,
        "threads": torch.get_num_threads(),
        "versions": package_versions(),
        "repeats": repeats,
        "hidden": network.hidden,
    }
    rows = []
    asked = None if config is None else Asked(config, node_counts)
    with temporary_home() as home:
        for name, section in _sections(part, Bench(Setting(network), repeats, home, asked)):
            figures[name] = section.figures
            rows += section.rows
    if rows:
        told = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in machine.items())
        console.print(f"[bold]measured {today}[/], {told}, torch {torch.__version__}")
        print_rows(rows, console)
    figures["table"] = [vars(row) for row in rows]
    if json_file is not None:
        json_file.write_text(json.dumps(figures, indent=2))
        console.print(f"written to {json_file}", markup=False, soft_wrap=True)


def _sections(part: Part, bench: "Bench") -> Iterator[tuple[str, "Section"]]:
    for each in Part:
        if each is Part.ALL or part not in (Part.ALL, each):
            continue
        console.print(f"[bold]{each}[/]")
        module = importlib.import_module(f"platform.bench_sections.{each}")
        yield each.value, module.run(bench)


def _counts(nodes: str) -> tuple[int, ...]:
    try:
        counts = tuple(int(count) for count in nodes.split(","))
    except ValueError:
        counts = ()
    if not counts or min(counts) < 1:
        raise UserError(f"--nodes {nodes!r} is not understood; give numbers of nodes, for example --nodes 1,2,4")
    return counts


def _network(hidden: str) -> NetworkConfig:
    """Before torch is imported and anything is timed."""
    try:
        return NetworkConfig.model_validate({"hidden": [width.strip() for width in hidden.split(",")]})
    except ValidationError as error:
        fault = error.errors()[0]
        raise UserError(
            f"--hidden {hidden!r} is not understood ({fault['input']!r}: {fault['msg']}); give 1 to 16 widths, for "
            "example --hidden 64,64"
        ) from None


if __name__ == "__main__":
    run(bench, epilog=EPILOG)

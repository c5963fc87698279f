"""`python -m platform.search kth.yaml`: from a YAML to a report."""

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.markup import escape

from platform.config.errors import UserError
from platform.config.home import Home
from platform.config.load import load_run
from platform.config.run import RunConfig
from platform.console import Interrupted, console, run
from platform.results.run_folder import RunFolder, default_run_path, new_run_folder

EPILOG = """
[bold]Examples[/]

python -m platform.search kth.yaml

python -m platform.search kth --dry-run

python -m platform.search kth --set search.trials=40 --set training.epochs=10 --run-dir runs/long

python -m platform.search my_own.yaml --profile full --address auto

Shipped YAML files are found by bare name; copy one to begin your own. Everything a YAML may say is printed by
--dry-run and written to config.yaml in the run folder.
"""


def search(
    config: Annotated[str, typer.Argument(help="A YAML file: a path, or the bare name of a shipped one (kth).")],
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Change one value, e.g. search.trials=20. Repeatable.",
        ),
    ] = None,
    profile: Annotated[
        str, typer.Option(help="laptop, full, or auto: full where the Ray cluster has a GPU, else laptop.")
    ] = "auto",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be done, and touch nothing.")] = False,
    run_dir: Annotated[
        Path | None, typer.Option(help="The run folder. Default: runs/<name>-<time>.", show_default=False)
    ] = None,
    address: Annotated[
        str | None,
        typer.Option(help="A running Ray cluster: auto, or host:port. Default: a Ray of its own here."),
    ] = None,
) -> None:
    """Search which sources, layers and gates help a video predictor, and how strongly to distil.

    Takes the prepared benchmark or its stand-in, pretrains the sources the bank lacks, runs the trials, scores the
    best on the test split and writes report.html. Ctrl-C ends it within seconds and keeps what has finished.
    """
    if profile not in ("auto", "laptop", "full"):
        raise UserError(f"--profile {profile}: use laptop, full or auto")
    candidates = {name: load_run(config, profile=name, overrides=overrides or ()) for name in _profiles(profile)}
    home = Home.from_environment()
    if dry_run:
        _dry_run(candidates, home, local=address is None)
        return
    chosen_name = next(iter(candidates.values())).name
    folder = RunFolder(run_dir or default_run_path(chosen_name))
    with new_run_folder(folder.path):
        _search(candidates, folder, home, address)


def _profiles(profile: str) -> tuple[Literal["laptop", "full"], ...]:
    """Both for auto: a fault in either is told before anything starts."""
    if profile == "auto":
        return ("laptop", "full")
    return ("laptop",) if profile == "laptop" else ("full",)


def _choose(candidates: dict[Literal["laptop", "full"], RunConfig], num_gpus: float) -> RunConfig:
    if len(candidates) == 1:
        return next(iter(candidates.values()))
    if num_gpus > 0:
        return candidates["full"]
    console.print("no GPU here: taking the [bold]laptop[/] profile (small frames, minutes); --profile full overrides.")
    return candidates["laptop"]


def _dry_run(candidates: dict[Literal["laptop", "full"], RunConfig], home: Home, *, local: bool) -> None:
    import torch

    from platform.tuning.plan import SearchPlan, print_plan

    chosen = _choose(candidates, torch.cuda.device_count())
    print_plan(SearchPlan.make(chosen, home), home, console)
    if not local:
        console.print("the cluster at --address was not asked; its GPUs choose the profile when the search starts.")


def _search(
    candidates: dict[Literal["laptop", "full"], RunConfig], folder: RunFolder, home: Home, address: str | None
) -> None:
    from platform.results.page import render_report
    from platform.results.text import closing_lines, failure_text
    from platform.tuning.cluster import cluster, cluster_gpus
    from platform.tuning.search_run import run_search

    with cluster(address):
        outcome = run_search(_choose(candidates, cluster_gpus()), folder, home, console)
    report = render_report(folder.path)
    if outcome.interrupted:
        ended = sum(record.state != "interrupted" for record in outcome.records)
        raise Interrupted(f"{ended} trials had ended and are kept in {folder.path}; what is known so far: {report}")
    if outcome.best is None:
        raise UserError(f"no trial came to a score: {failure_text(outcome.records)}. See {report}")
    if failures := failure_text(outcome.records):
        console.print(f"[yellow]note:[/] {escape(failures)}", soft_wrap=True)
    for line in closing_lines(outcome.best, outcome.test, folder, outcome.records):
        console.print(line, soft_wrap=True)


if __name__ == "__main__":
    run(search, epilog=EPILOG)

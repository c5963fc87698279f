"""`python -m platform.compare transfer.yaml`: the table of a paper, made by one command."""

import contextlib
import shlex
from typing import Annotated

import typer
from rich.markup import escape

from platform.config.errors import UserError
from platform.config.home import Home
from platform.config.load import choose_profile, load_run
from platform.config.resolved import resumed_config
from platform.console import Interrupted, console, run
from platform.results.run_folder import default_run_path, new_run_folder
from platform.results.stored_run import fetched_run, run_at


def compare(
    config: Annotated[
        str | None,
        typer.Argument(help="A YAML file with `compare.settings`: a path, or a shipped name.", show_default=False),
    ] = None,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change one value, e.g. compare.seeds=3.")
    ] = None,
    profile: Annotated[
        str, typer.Option(help="laptop, full, or auto: full where this machine has a GPU, else laptop.")
    ] = "auto",
    run_dir: Annotated[
        str | None, typer.Option(help="The run folder, or a URI (s3://...). Default: runs/<name>-<time>.")
    ] = None,
    address: Annotated[
        str | None, typer.Option(help="A running Ray cluster: auto, or host:port. Default: a Ray of its own here.")
    ] = None,
    resume: Annotated[
        str | None,
        typer.Option(metavar="RUN", help="Go on with a comparison that ended early.", show_default=False),
    ] = None,
) -> None:
    """Train the settings that a YAML names, each with the same clips, steps and seeds, and print mean and interval.

    Scores are of validation clips: nothing is chosen by them, so they are fair. The run folder holds report.html with
    the learning curves, the table as comparison.md and comparison.json, and every run in results.parquet.
    """
    home = Home.from_environment()
    folder = fetched_run(resume, home) if resume is not None else None
    if folder is not None:
        if folder.study.exists() or folder.shared_study.exists():
            raise UserError(f"{resume} is a search's: go on with `python -m platform.search --resume {resume}`.")
        settings = resumed_config(folder.config, yaml=config, overrides=overrides or ())
    elif config is not None:
        settings = load_run(config, profile=choose_profile(profile), overrides=overrides or ())
    else:
        raise UserError("which comparison? Give a YAML file, for example: python -m platform.compare transfer.yaml")
    if not settings.compare.settings:
        raise UserError(f"{config} names nothing to compare. Add compare.settings: {{name: {{sources: [...], ...}}}}")
    from platform.reporting.comparison_page import print_comparison, render_comparison
    from platform.results.comparison import Comparison
    from platform.tuning.cluster.connecting import cluster
    from platform.tuning.comparison import run_comparison
    from platform.tuning.keeping.driver import driving

    begins = new_run_folder if folder is None else contextlib.nullcontext
    folder = folder or run_at(run_dir or default_run_path(settings.name), home)
    with begins(folder), driving(folder, console):
        with cluster(address):
            ended = run_comparison(settings, folder, home, console, resumed=resume is not None)
        page = render_comparison(folder.path)
    comparison = Comparison.read(folder.path)
    print_comparison(comparison, console)
    console.print(f"[bold]report[/]  {escape(str(page))}, with learning curves", soft_wrap=True)
    console.print(f"[bold]table[/]   {escape(str(folder.comparison_table))}", soft_wrap=True)
    if ended == "interrupted":
        raise Interrupted(
            "The table above is of the runs that had ended. Go on with "
            f"`python -m platform.compare --resume {shlex.quote(folder.address)}`"
        )


if __name__ == "__main__":
    run(compare)

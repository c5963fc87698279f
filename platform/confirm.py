"""`python -m platform.confirm RUN`: is what a search found true?"""

import shlex
from typing import Annotated

import typer
from rich.markup import escape

from platform.config.errors import UserError
from platform.config.home import Home
from platform.config.resolved import load_resolved
from platform.console import Interrupted, console, run
from platform.results.stored_run import fetched_run

EPILOG = """
[bold]Examples[/]

python -m platform.confirm runs/long

python -m platform.confirm runs/long --set confirm.seeds=10 --set confirm.settings=1

In a search's YAML, `confirm: {}` does it when the search has ended.
"""


def confirm(
    run_folder: Annotated[
        str, typer.Argument(metavar="RUN", help="The run folder of a search that has finished trials.")
    ],
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="confirm.seeds, confirm.settings, confirm.epochs. Repeatable."),
    ] = None,
    address: Annotated[
        str | None,
        typer.Option(help="A running Ray cluster: auto, or host:port. Default: a Ray of its own here."),
    ] = None,
) -> None:
    """Train a search's best settings again, full length and with several seeds, beside what they must beat: training
    from scratch, the same network that imitates nothing, starting from a source's weights, all sources, one source.
    All see the same clips for the same number of steps. Then score each once on the test split.

    Prints the verdict and the table; report.html has both at its top. When it is broken off, the same command goes on.
    """
    from platform.reporting.confirmed_table import print_confirmed
    from platform.reporting.page import render_report
    from platform.results.confirmed import read_confirmed
    from platform.results.summary import RunSummary
    from platform.tuning.cluster.connecting import cluster
    from platform.tuning.confirmation import prepare_confirmation, run_confirmation
    from platform.tuning.keeping.driver import driving

    wrong = [each for each in overrides or () if not each.startswith(("confirm.", "resources."))]
    if wrong:
        raise UserError(f"--set {wrong[0]}: a confirmation is of the search as it was; set confirm... or resources...")
    home = Home.from_environment()
    search = fetched_run(run_folder, home)
    config = load_resolved(search.config, overrides=overrides or ())
    with driving(search, console):
        confirmation = prepare_confirmation(search, config, home)
        if confirmation.has_begun and overrides:
            raise UserError(
                f"{search.confirm} was begun with its own settings and seeds; leave out --set to go on with it, or "
                "move it away to confirm anew. The test split is then looked at once more: say so where you report it."
            )
        with cluster(address):
            ended = run_confirmation(confirmation, home, console)
        report = render_report(search.path)
    if (confirmed := read_confirmed(RunSummary.read(search.path))) is not None:
        print_confirmed(confirmed, console)
    console.print(f"[bold]report[/]  {escape(str(report))}", soft_wrap=True)
    if ended != "whole":
        raise Interrupted(
            "What was trained is kept, and nothing is tested before all is. Go on with "
            f"`python -m platform.confirm {shlex.quote(run_folder)}`"
        )


if __name__ == "__main__":
    run(confirm, epilog=EPILOG)

"""`python -m platform.dashboard [RUN ...]`: runs in a browser, while they run and afterwards."""

import contextlib
import signal
import sys
from typing import Annotated

import typer

from platform.config.errors import UserError
from platform.console import console, run

EPILOG = """On another machine: `ssh -L 8050:localhost:8050 MACHINE`, then open http://localhost:8050 here."""


def dashboard(
    folders: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RUN ...]", help="Run folders, folders of runs, or URIs of runs. Default: runs", show_default=False
        ),
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free one.")] = 8050,
    host: Annotated[
        str,
        typer.Option(help="127.0.0.1 is this machine alone; whoever reaches another address may read everything."),
    ] = "127.0.0.1",
    open_browser: Annotated[bool, typer.Option("--open", help="Open it in a browser here.")] = False,
) -> None:
    """Show runs in a browser: progress, trials to sort, filter and compare, every figure of the report, gates and
    predictions, kept up to date while a search runs. Reads only. Ctrl-C ends it; searches go on."""
    from platform.results.stored_run import fetched_run, followed
    from platform.viewing.server import serve

    runs = [fetched_run(folder) for folder in folders or ["runs"]]
    for run_folder in runs:
        if folders and not run_folder.path.is_dir():
            raise UserError(f"{run_folder.path} is no folder. Give a run folder, or a folder with runs in it.")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with contextlib.ExitStack() as stack:
        for run_folder in runs:
            stack.enter_context(followed(run_folder))
        serve([run_folder.path for run_folder in runs], host, port, console, open_browser=open_browser)


if __name__ == "__main__":
    run(dashboard, epilog=EPILOG)

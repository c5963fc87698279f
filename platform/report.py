"""`python -m platform.report RUN`: (re)writes the run's report.html and prints where it is."""

from typing import Annotated

import typer

from platform.config.errors import UserError, is_full_disk
from platform.console import console, run


def report(
    run_folder: Annotated[
        str, typer.Argument(metavar="RUN", help="The run folder that platform.search printed, e.g. runs/kth-...")
    ],
    text: Annotated[
        bool, typer.Option("--text", help="Print verdict, answers and the best trials here, and write nothing.")
    ] = False,
) -> None:
    """Write report.html of a search or a comparison: one file that opens from disk and needs no network.

    Beside it `tables/` has the same numbers as CSV and Parquet. Works on a run that is still going or was cut short,
    and says what is missing. Reads everything else only.
    """
    try:
        _report(run_folder, text)
    except OSError as error:
        if is_full_disk(error):
            raise
        raise UserError(
            f"{error.filename or run_folder} cannot be read ({error.strerror}). Whoever owns it can allow that: "
            f"chmod -R a+rX {run_folder}"
        ) from error


def _report(run_folder: str, text: bool) -> None:
    from platform.reporting.comparison_page import print_comparison, render_comparison
    from platform.reporting.page import render_report
    from platform.reporting.terminal import print_findings
    from platform.results.comparison import Comparison, is_comparison
    from platform.results.findings import Findings
    from platform.results.stored_run import fetched_run

    path = fetched_run(run_folder).path
    if text:
        if is_comparison(path):
            print_comparison(Comparison.read(path), console)
        else:
            print_findings(Findings.read(path), console)
        return
    render = render_comparison if is_comparison(path) else render_report
    console.print(str(render(path)), markup=False, soft_wrap=True)


if __name__ == "__main__":
    run(report)

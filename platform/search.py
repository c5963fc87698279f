"""`python -m platform.search kth.yaml`: from a YAML to a report."""

import json
import shlex
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.markup import escape

from platform.config.errors import DiskFull, UserError, is_full_disk
from platform.config.home import Home
from platform.config.load import find_config, load_run
from platform.config.resolved import load_resolved, resumed_config
from platform.config.run import RunConfig
from platform.console import Interrupted, console, run
from platform.results.run_folder import RunFolder, default_run_path, new_run_folder
from platform.results.stored_run import Heard, fetched_run, fetched_trial, followed, run_at

EXIT_UNEQUAL = 1  # of --replay

EPILOG = """
[bold]Examples[/]

python -m platform.search kth.yaml

python -m platform.search kth --dry-run

python -m platform.search kth --set search.trials=40 --set training.epochs=10 --run-dir runs/long

python -m platform.search my_own.yaml --profile full --address auto

python -m platform.search kth --address auto --run-dir s3://bucket/runs/kth

python -m platform.search kth --submit head:8265 --run-dir s3://bucket/runs/kth

python -m platform.search --resume runs/long --extend 20

python -m platform.search --replay runs/long/17

Shipped YAML files are found by bare name; copy one to begin your own. Everything a YAML may say is printed by
--dry-run and written to config.yaml in the run folder.
"""


def search(
    config: Annotated[
        str | None,
        typer.Argument(help="A YAML file: a path, or the bare name of a shipped one (kth).", show_default=False),
    ] = None,
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
        str | None,
        typer.Option(
            help="The run folder, or a URI of storage that all nodes reach (s3://...). Default: runs/<name>-<time>.",
            show_default=False,
        ),
    ] = None,
    address: Annotated[
        str | None,
        typer.Option(help="A running Ray cluster: auto, or host:port. Default: a Ray of its own here."),
    ] = None,
    submit: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Run it as a job of the cluster whose Ray dashboard is there (head:8265), which goes on when this "
            "terminal closes; with --follow or --stop, join or end it.",
            show_default=False,
        ),
    ] = None,
    ray_dashboard: Annotated[
        bool, typer.Option("--ray-dashboard", help="Start Ray's dashboard too; platform.dashboard links to it.")
    ] = False,
    resume: Annotated[
        str | None,
        typer.Option(
            metavar="RUN", help="Go on with a search that ended early, in its run folder.", show_default=False
        ),
    ] = None,
    extend: Annotated[
        int, typer.Option(metavar="N", min=0, help="With --resume: add N trials to the search.", show_default=False)
    ] = 0,
    warm_start: Annotated[
        str | None,
        typer.Option(
            metavar="RUN",
            help="Begin with what an earlier run found out: its finished trials that this search could have drawn.",
            show_default=False,
        ),
    ] = None,
    stop: Annotated[
        str | None,
        typer.Option(
            metavar="RUN", help="End the search that runs in this folder, as Ctrl-C would.", show_default=False
        ),
    ] = None,
    follow: Annotated[
        str | None,
        typer.Option(
            metavar="RUN",
            help="Watch the search that runs in this folder; Ctrl-C leaves it running.",
            show_default=False,
        ),
    ] = None,
    replay: Annotated[
        str | None,
        typer.Option(
            metavar="RUN/TRIAL",
            help="Train one trial again alone, from its record, and compare: exit code 0 if equal bit for bit, else 1.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Search which sources, layers and gates help a video predictor, and how strongly to distil.

    Takes the prepared benchmark or its stand-in, pretrains the sources the bank lacks, runs the trials, scores the
    best on the test split and writes report.html. Ctrl-C ends it within seconds and keeps what has finished; --resume
    goes on from there, and after a crash: trials that ran continue from their last epoch.
    """
    if profile not in ("auto", "laptop", "full"):
        raise UserError(f"--profile {profile}: use laptop, full or auto")
    if submit is not None:
        if dry_run or replay is not None or address is not None or ray_dashboard:
            raise UserError(
                "--submit runs a search elsewhere: leave out --dry-run, --replay, --address, --ray-dashboard."
            )
        if warm_start is not None and not _is_found_everywhere(warm_start):
            raise UserError(
                f"--warm-start {warm_start}: the cluster reads it. Give an absolute path on a file system that all its "
                "nodes share, or a URI."
            )
        options = [part for each in overrides or () for part in ("--set", each)]
        options += [
            *(("--warm-start", warm_start) if warm_start else ()),
            *(("--extend", f"{extend}") if extend else ()),
        ]
        places = {"--run-dir": run_dir, "--resume": resume, "--follow": follow, "--stop": stop}
        _submit(submit, places, config, options, profile=profile, overrides=overrides or ())
        return
    if stop is not None:
        _stop(stop)
        return
    if follow is not None:
        _follow(follow)
        return
    if replay is not None:
        if config is not None or overrides:
            raise UserError("--replay trains a trial as it was: leave out the YAML and --set.")
        _replay(replay)
        return
    if resume is not None:
        if dry_run or run_dir is not None or warm_start is not None:
            raise UserError("--resume goes on with a run as it is: leave out --dry-run, --run-dir and --warm-start.")
        home = Home.from_environment()
        folder = fetched_run(resume, home)
        resolved = resumed_config(folder.config, yaml=config, overrides=overrides or (), extend=extend)
        _search({resolved.profile: resolved}, folder, home, address, ray_dashboard=ray_dashboard, resumed=True)
        return
    if extend:
        raise UserError("--extend adds trials to a run: give it beside --resume RUN.")
    if config is None:
        raise UserError("which search? Give a YAML file, for example: python -m platform.search kth.yaml")
    home, warm = Home.from_environment(), []
    if warm_start is not None:
        warm = [f"search.warm_start={json.dumps(str(fetched_run(warm_start, home).path.absolute()))}"]
    candidates = {
        name: load_run(config, profile=name, overrides=[*(overrides or ()), *warm]) for name in _profiles(profile)
    }
    if dry_run:
        _dry_run(candidates, home, local=address is None)
        return
    chosen_name = next(iter(candidates.values())).name
    folder = run_at(run_dir or default_run_path(chosen_name), home)
    with new_run_folder(folder):
        _search(candidates, folder, home, address, ray_dashboard=ray_dashboard)


def _submit(
    address: str,
    places: Mapping[str, str | None],
    config: str | None,
    options: list[str],
    *,
    profile: str,
    overrides: Sequence[str],
) -> None:
    """`places`: the options that name a run, one of which must."""
    from platform.tuning.cluster.submitting import Job

    given = [(option, place) for option, place in places.items() if place is not None]
    if len(given) != 1 or not _is_found_everywhere(given[0][1]):
        raise UserError(
            "--submit needs to know the run where all nodes find it: give --run-dir (or --resume, --follow, --stop) an "
            "absolute path on a file system that they share, or a URI, as s3://bucket/runs/kth."
        )
    ((option, where),) = given
    if option == "--stop":
        Job(address, where).stop()
        console.print("ended, with what had finished kept", markup=False)
        return
    yaml = None
    if config is not None:
        for name in _profiles(profile):
            load_run(config, profile=name, overrides=overrides)  # its faults are told here, not in a log elsewhere
        yaml = find_config(config)
    elif option == "--run-dir":
        raise UserError("which search? Give a YAML file, for example: python -m platform.search kth.yaml")
    job = Job(address, where)
    try:
        if option != "--follow":
            beside = [yaml.name] if yaml is not None else []
            chosen = ["--profile", profile] if option == "--run-dir" else []
            job.submit([*beside, option, job.run, *chosen, *options], yaml)
        job.follow(console)
    except KeyboardInterrupt:
        raise Interrupted(job.how_to_go_on()) from None


def _is_found_everywhere(place: str) -> bool:
    return "://" in place or Path(place).is_absolute()


def _stop(run: str) -> None:
    from platform.tuning.keeping.driver import stop

    stop(run_at(run, Home.from_environment()))
    console.print("ended, with what had finished kept", markup=False)


def _follow(run: str) -> None:
    from platform.reporting.following import follow
    from platform.results.summary import RunSummary

    folder, named = fetched_run(run), shlex.quote(run)
    summary, runs = RunSummary.read(folder.path), Heard(folder)
    if not runs():
        raise UserError(f"no search runs in {run}. What it came to: python -m platform.report {named} --text")
    try:
        with followed(folder):
            follow(summary, console, runs)
    except KeyboardInterrupt:
        raise Interrupted(f"The search goes on. Join it again: python -m platform.search --follow {named}") from None
    console.print(f"the search has ended: python -m platform.report {named} --text", markup=False, soft_wrap=True)


def _replay(trial: str) -> None:
    from platform.tuning.keeping.recorded import Recorded
    from platform.tuning.replay import run_replay

    try:
        home = Home.from_environment()
        is_equal = run_replay(Recorded.read(fetched_trial(trial, home)), home, console)
    except KeyboardInterrupt:
        raise Interrupted("A replay begins anew each time; the run is as it was.") from None
    if not is_equal:
        raise typer.Exit(EXIT_UNEQUAL)


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

    from platform.sizing.estimate import Node
    from platform.sizing.many_nodes import dry_run_lines
    from platform.training.step_cost import time_step
    from platform.tuning.plan import SearchPlan
    from platform.tuning.plan_page import print_plan

    plan = SearchPlan.make(_choose(candidates, torch.cuda.device_count()), home)
    step = time_step(plan.config)
    print_plan(plan, step, home, console)
    for line in dry_run_lines(plan, step, Node.here(plan.config, home)):
        console.print(line, markup=False)
    if not local:
        console.print("the cluster at --address was not asked; its GPUs choose the profile when the search starts.")


def _search(
    candidates: dict[Literal["laptop", "full"], RunConfig],
    folder: RunFolder,
    home: Home,
    address: str | None,
    *,
    ray_dashboard: bool,
    resumed: bool = False,
) -> None:
    from platform.reporting.closing import closing_lines, failure_text
    from platform.reporting.confirmed_table import print_confirmed
    from platform.reporting.page import render_report
    from platform.results.confirmed import read_confirmed
    from platform.results.summary import RunSummary
    from platform.tuning.cluster.connecting import cluster, cluster_gpus
    from platform.tuning.confirmation import prepare_confirmation, run_confirmation
    from platform.tuning.keeping.driver import driving, note_ray
    from platform.tuning.search_run import run_search

    go_on, confirmed = partial(_go_on, folder, address), None
    with driving(folder, console):
        with cluster(address, dashboard=ray_dashboard) as shown_at:
            note_ray(folder, shown_at)
            config = _choose(candidates, cluster_gpus())
            try:
                outcome = run_search(config, folder, home, console, resumed=resumed)
                if config.confirm is not None and outcome.ended == "whole" and outcome.best is not None:
                    confirmation = prepare_confirmation(folder, load_resolved(folder.config), home)
                    confirmed = run_confirmation(confirmation, home, console)
            except KeyboardInterrupt:
                if folder.config.is_file():
                    raise Interrupted(f"What was finished is kept. {go_on()}") from None
                raise
            except Exception as error:
                if is_full_disk(error):
                    raise DiskFull(go_on()) from error
                raise
        report = render_report(folder.path)
    ended = sum(record.state != "interrupted" for record in outcome.records)
    if outcome.ended == "interrupted":
        raise Interrupted(f"{ended} trials had ended and are kept; what is known so far: {report}. {go_on()}")
    if outcome.ended == "budget":
        console.print(
            f"the budget was used up when {ended} of {config.search.trials} trials had ended. "
            f"{go_on(' --set search.budget.hours=...')}",
            markup=False,
            soft_wrap=True,
        )
    if outcome.best is None and outcome.ended == "budget":
        raise UserError(f"no trial came to a score. {go_on(' --set search.budget.hours=...')}")
    if outcome.best is None:
        raise UserError(f"no trial came to a score: {failure_text(outcome.records)}. See {report}")
    if failures := failure_text(outcome.records):
        console.print(f"[yellow]note:[/] {escape(failures)}", soft_wrap=True)
    if (found := read_confirmed(RunSummary.read(folder.path))) is not None:
        print_confirmed(found, console)
    for line in closing_lines(outcome.best, folder, outcome.records):
        console.print(line, soft_wrap=True)
    if confirmed not in (None, "whole"):
        raise Interrupted(f"The search is whole, its confirmation is not. {go_on()}")


def _go_on(folder: RunFolder, address: str | None, options: str = "") -> str:
    where = "" if address is None else f" --address {address}"
    return f"Go on with `python -m platform.search --resume {shlex.quote(folder.address)}{where}{options}`"


if __name__ == "__main__":
    run(search, epilog=EPILOG)

"""`python -m platform.prepare`: real files (or a built-in stand-in) into the Arrow store that searches read.

Everything usable is stored; who trains and who tests is decided by each search. Run it again after an
interruption: what is finished is kept.
"""

import re
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from platform.benchmarks.catalog import NATIVE_SIZE, list_prepared, open_benchmark, prepare_dataset, reader_of
from platform.benchmarks.loading import default_workers
from platform.benchmarks.progress import progress_bar
from platform.benchmarks.recording import DAY, NumClips, Wanted
from platform.benchmarks.remote import remote_of
from platform.benchmarks.store import FrameStore
from platform.config.datasets import DATASETS, MOST_DIGITS, OWN, OWN_DATASET, dataset_named
from platform.config.errors import UserError
from platform.config.home import Home
from platform.config.load import benchmark_from, choose_profile, load_run
from platform.console import Interrupted, console, run

MOST_SKIPPED_SHOWN = 50
MOST_GROUPS_SHOWN = 25  # KTH's persons


def prepare(
    name: Annotated[
        str | None,
        typer.Argument(help="kth, flying_digits, sevir, ... (see --list), or own_NAME.", show_default=False),
    ] = None,
    source: Annotated[
        Path | None, typer.Option("--from", help="Folder with the real files; --list says which.", show_default=False)
    ] = None,
    target: Annotated[
        Path | None,
        typer.Option("--to", help="Folder for the store; searches look in TMU_HOME/benchmarks, the default."),
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(
            min=8,
            max=512,
            help=f"Pixels a side of the stored frames; of a radar's, the shorter side. {NATIVE_SIZE} if not given.",
            show_default=False,
        ),
    ] = None,
    digits: Annotated[str, typer.Option(help="flying_digits: how many digits fly, one store each.")] = "1,2,3",
    clips: Annotated[
        str | None,
        typer.Option(help="flying_digits: sequences to make for train,validation,test; 4000,500,1000 of real digits."),
    ] = None,
    event_hours: Annotated[
        int,
        typer.Option(min=1, max=24 * 31, help="Radars: hours of one event, the unit that splits are made of."),
    ] = DAY,
    group_by: Annotated[
        str | None,
        typer.Option(
            help="own_NAME: a regular expression; its first group, in a file's path, names the unit that splits are "
            "made of, such as a person. Without it: the folder, or the file.",
            show_default=False,
        ),
    ] = None,
    grey: Annotated[bool, typer.Option("--grey", help="own_NAME: store colour pictures as grey.")] = False,
    synthetic: Annotated[bool, typer.Option("--synthetic", help="Make the built-in stand-in; needs no files.")] = False,
    replace: Annotated[bool, typer.Option("--replace", help="Make a store anew that holds something else.")] = False,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes that decode; as many as there are cores.", show_default=False)
    ] = None,
    fetch: Annotated[
        bool, typer.Option("--fetch", help="Copy what was published at TMU_REMOTE to this machine, and stop.")
    ] = False,
    publish: Annotated[
        bool, typer.Option("--publish", help="Copy what is prepared here to TMU_REMOTE, for other machines, and stop.")
    ] = False,
    look: Annotated[
        bool,
        typer.Option(
            "--look",
            help="Draw clips of each split of what is prepared into NAME-look.png, and stop; NAME may be a YAML.",
        ),
    ] = False,
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="--look: how clips are cut, for example --set total_length=12; may be repeated.",
            show_default=False,
        ),
    ] = None,
    show: Annotated[
        bool, typer.Option("--list", help="Show what is known, from whom it comes and what is prepared, and stop.")
    ] = False,
) -> None:
    """Prepare a benchmark for searches.

    python -m platform.prepare kth --from ~/KTH

    python -m platform.prepare sevir --from ~/sevir --size 128

    python -m platform.prepare own_lab --from ~/videos --group-by '(mouse[0-9]+)'

    python -m platform.prepare kth --synthetic
    """
    benchmarks = (target or Home.from_environment().benchmarks).expanduser().absolute()
    for mode, chosen in (("--list", show), ("--look", look), ("--fetch", fetch), ("--publish", publish)):
        preparing = {
            "--from": source,
            "--synthetic": synthetic,
            "--clips": clips,
            "--group-by": group_by,
            "--grey": grey,
            "--workers": workers,
            "--event-hours": event_hours != DAY,
        }
        if chosen and (idle := next((option for option, given in preparing.items() if given), None)):
            raise UserError(f"{mode} prepares nothing, so that {idle} would change nothing. Drop one of them.")
    if show:
        _print_list(benchmarks)
        return
    if name is None:
        raise UserError(f"which benchmark? Name one of {', '.join(DATASETS)}, or {OWN}NAME; see --list and --help.")
    if look:
        if target is not None:
            raise UserError("--look draws what searches find, below TMU_HOME; set that instead of --to.")
        _look(name, digits, size, overrides or [])
        return
    if overrides:
        raise UserError("--set says how clips are cut for --look; what is prepared holds whole videos. Add --look.")
    if fetch or publish:
        _exchange(_datasets(name, digits), benchmarks, publish=publish, replace=replace)
        return
    datasets = _datasets(name, digits)
    if source is None and not synthetic:
        stand_in = ", or --synthetic for the built-in stand-in" if reader_of(datasets[0]).stand_in else ""
        raise UserError(
            f"where are the files of {name}? Add --from DIR, DIR being the folder with {reader_of(datasets[0]).files}"
            f"{stand_in}."
        )
    if source is not None and synthetic:
        raise UserError("--from reads real files and --synthetic makes a stand-in; give one of them.")
    wanted = Wanted(
        size or NATIVE_SIZE,
        num_clips=_parse_clips(clips, name),
        event_hours=event_hours,
        group_by=_pattern(group_by),
        grey=grey,
    )
    _refuse_idle(name, wanted)
    for dataset in datasets:
        try:
            with progress_bar(f"preparing {dataset}") as report:
                store = prepare_dataset(
                    dataset,
                    source,
                    benchmarks,
                    wanted,
                    replace=replace,
                    workers=workers or default_workers(),
                    report=report,
                )
        except KeyboardInterrupt:
            raise Interrupted("Run the same command again to go on; what is finished is kept.") from None
        _print_store(store)
    if target is not None and benchmarks != Home.from_environment().benchmarks:
        console.print(
            f"Searches look in {Home.from_environment().benchmarks}; to let them find this, move it there "
            f"or set TMU_HOME so that {benchmarks} is its folder benchmarks.",
            markup=False,
            soft_wrap=True,
        )


def _look(name: str, digits: str, size: int | None, overrides: list[str]) -> None:
    """A YAML brings the splits and lengths of its search."""
    from platform.benchmarks.contact_sheet import contact_sheet

    home = Home.from_environment()
    if size is not None:
        overrides = [*overrides, f"stored_size={size}"]
    if name.endswith((".yaml", ".yml")):
        run = load_run(name, profile=choose_profile("auto"), overrides=[f"benchmark.{text}" for text in overrides])
        configs = [run.benchmark]
    else:
        configs = [benchmark_from(dataset, overrides) for dataset in _datasets(name, digits)]
    for config in configs:
        benchmark = open_benchmark(config, home, make=False)
        file = Path(f"{config.dataset}-look.png")
        contact_sheet(benchmark).save(file)
        console.print(f"{benchmark.label}: drawn in {file}", markup=False, soft_wrap=True)
        benchmark.refuse_leaks()


def _exchange(datasets: list[str], benchmarks: Path, *, publish: bool, replace: bool) -> None:
    """Copy every size of these, real and stand-in, to or from the storage that TMU_REMOTE names."""
    remote = remote_of(Home.from_environment())
    if remote is None:
        raise UserError("where to? Set TMU_REMOTE to storage that all machines reach, for example s3://bucket/tmu.")
    here = [folder for folder, store in list_prepared(benchmarks).items() if isinstance(store, FrameStore)]
    there = remote.names()
    for dataset in datasets:
        names = [name for name in (here if publish else there) if name.startswith(f"{dataset}-")]
        if not names:
            place = benchmarks if publish else remote.uri
            raise UserError(f"no {dataset} is in {place}; there: {', '.join(here if publish else there) or 'nothing'}.")
        for name in names:
            with progress_bar(f"{'publishing' if publish else 'fetching'} {name}") as report:
                if publish:
                    copied = remote.publish(FrameStore.open(benchmarks / name), report, replace=replace)
                else:
                    copied = remote.fetch(name, benchmarks, report, replace=replace, compare=True)
            told = "copied" if copied else "there already"
            console.print(f"{name}: {told}", markup=False, soft_wrap=True)


def _datasets(name: str, digits: str) -> list[str]:
    """What is prepared under that name: flying_digits is a store for each number of digits."""
    base, _, number = name.partition("flying_digits_")
    if not base and number.isdecimal() and 1 <= int(number) <= MOST_DIGITS:
        return [name]  # as stores and errors call it
    try:
        dataset_named(name)
    except ValueError as fault:
        raise UserError(f"{fault}.") from None
    if name != "flying_digits":
        return [name]
    numbers = [number.strip() for number in digits.split(",") if number.strip()]
    if not numbers or any(not number.isdecimal() or not 1 <= int(number) <= MOST_DIGITS for number in numbers):
        raise UserError(f"--digits {digits!r} is not understood; give some of 1,2,3, for example --digits 2,3.")
    return [f"{name}_{number}" for number in dict.fromkeys(numbers)]


def _pattern(group_by: str | None) -> str | None:
    if group_by is None:
        return None
    try:
        num_groups = re.compile(group_by).groups
    except re.error as fault:
        raise UserError(f"--group-by {group_by!r} is no regular expression ({fault}).") from None
    if num_groups < 1:
        raise UserError(f"--group-by {group_by!r} has no group; put the part that names the unit in parentheses.")
    return group_by


def _refuse_idle(name: str, wanted: Wanted) -> None:
    """An option that would change nothing is a misunderstanding, told before hours of work."""
    base = "flying_digits" if name.startswith("flying_digits") else name
    if not name.startswith(OWN) and (wanted.group_by or wanted.grey):
        raise UserError(f"--group-by and --grey are for your own data, {OWN}NAME; {name} knows its own. Drop them.")
    if not dataset_named(base).thresholds and wanted.event_hours != DAY:
        raise UserError(f"--event-hours is for radars; {name} has none. Drop it.")


def _parse_clips(clips: str | None, name: str) -> NumClips | None:
    if clips is None:
        return None
    if not name.startswith("flying_digits"):
        raise UserError(f"--clips is for flying_digits; {name} has the clips its videos hold. Drop it.")
    parts = [part.strip() for part in clips.split(",")]
    if len(parts) != 3 or not all(part.isdigit() and int(part) > 0 for part in parts):
        raise UserError(f"--clips {clips!r} is not understood; give three numbers, for example --clips 4000,500,1000.")
    return NumClips(*(int(part) for part in parts))


def _print_store(store: FrameStore) -> None:
    manifest = store.manifest
    title = f"{manifest.dataset} (synthetic)" if manifest.synthetic else manifest.dataset
    lines = [
        f"{title}: {manifest.num_videos} videos, {manifest.num_frames} frames of "
        f"{manifest.frame_size[0]}x{manifest.frame_size[1]}, {manifest.num_bytes / 1e6:.0f} MB, verified",
        f"  groups       {_shortened(store.videos.groups)}",
        f"  categories   {_shortened(store.videos.categories)}",
        f"  fingerprint  {manifest.fingerprint}",
        f"  stored in    {store.path}",
    ]
    if manifest.skipped:
        lines.append(f"  not used     {len(manifest.skipped)}:")
        lines += [f"    {skip.file}: {skip.reason}" for skip in manifest.skipped[:MOST_SKIPPED_SHOWN]]
    if len(manifest.skipped) > MOST_SKIPPED_SHOWN:
        lines.append(f"    and {len(manifest.skipped) - MOST_SKIPPED_SHOWN} more, in manifest.json")
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)


def _shortened(groups: tuple[str, ...]) -> str:
    if len(groups) <= MOST_GROUPS_SHOWN:
        return ", ".join(groups)
    return f"{', '.join(groups[:MOST_GROUPS_SHOWN])} and {len(groups) - MOST_GROUPS_SHOWN} more"


def _print_list(benchmarks: Path) -> None:
    known = Table(box=None, title="Known benchmarks", title_justify="left")
    for column in ("name", "from whom", "files below --from", "stand-in"):
        known.add_column(column, no_wrap=column == "name")
    for name, dataset in {**DATASETS, f"{OWN}NAME": OWN_DATASET}.items():
        reader = reader_of("flying_digits_1" if name == "flying_digits" else name)
        known.add_row(name, dataset.origin, reader.files, "built in" if reader.stand_in else "none")
    console.print(known, "")
    if (remote := remote_of(Home.from_environment())) is not None:
        published = ", ".join(remote.names()) or "nothing"
        console.print(f"Published at {remote.uri}: {published}", "", markup=False, soft_wrap=True, sep="\n")
    prepared = list_prepared(benchmarks)
    if not prepared:
        console.print(f"Nothing is prepared in {benchmarks}.", markup=False, soft_wrap=True)
        console.print("Begin with `python -m platform.prepare kth --from DIR`.", markup=False, soft_wrap=True)
        return
    table = Table(title=f"Prepared in {benchmarks}", title_justify="left", box=None)
    for column in ("benchmark", "videos", "frames", "groups", "MB", "fingerprint"):
        table.add_column(column, justify="right" if column in ("videos", "frames", "MB") else "left")
    for name, store in prepared.items():
        if isinstance(store, FrameStore):
            held = store.manifest
            counts = (f"{held.num_videos:,}", f"{held.num_frames:,}", str(len(store.videos.groups)))
            table.add_row(name, *counts, f"{held.num_bytes / 1e6:.0f}", held.fingerprint[:12])
    console.print(table)
    for fault in prepared.values():
        if isinstance(fault, UserError):
            console.print(f"damaged: {fault}", markup=False, soft_wrap=True)


if __name__ == "__main__":
    run(prepare)

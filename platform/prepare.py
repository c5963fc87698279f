"""`python -m platform.prepare`: real files (or a built-in stand-in) into the Arrow store that searches read.

Everything usable is stored; who trains and who tests is decided by each search. Run it again after an
interruption: what is finished is kept.
"""

from difflib import get_close_matches
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from platform.benchmarks.catalog import list_prepared, prepare_dataset
from platform.benchmarks.progress import progress_bar
from platform.benchmarks.recording import NumClips, Wanted
from platform.benchmarks.registry import READERS
from platform.benchmarks.store import FrameStore
from platform.config.errors import UserError
from platform.config.home import Home
from platform.console import Interrupted, console, run

NAMES = ("kth", "flying_digits")
MOST_SKIPPED_SHOWN = 50


def prepare(
    name: Annotated[str | None, typer.Argument(help="kth or flying_digits", show_default=False)] = None,
    source: Annotated[
        Path | None,
        typer.Option(
            "--from",
            help="Folder with the real files (KTH's AVI files, or MNIST's IDX files).",
            show_default=False,
        ),
    ] = None,
    target: Annotated[
        Path | None,
        typer.Option("--to", help="Folder for the store; searches look in TMU_HOME/benchmarks, the default."),
    ] = None,
    size: Annotated[int, typer.Option(min=8, max=512, help="Pixels a side of the stored frames.")] = 64,
    digits: Annotated[str, typer.Option(help="flying_digits: how many digits fly, one store each.")] = "1,2,3",
    clips: Annotated[
        str | None,
        typer.Option(help="flying_digits: sequences to make for train,validation,test; 4000,500,1000 of real digits."),
    ] = None,
    synthetic: Annotated[bool, typer.Option("--synthetic", help="Make the built-in stand-in; needs no files.")] = False,
    replace: Annotated[bool, typer.Option("--replace", help="Make a store anew that holds something else.")] = False,
    show: Annotated[bool, typer.Option("--list", help="Show what is prepared, and stop.")] = False,
) -> None:
    """Prepare a benchmark for searches.

    python -m platform.prepare kth --from ~/KTH

    python -m platform.prepare flying_digits --from ~/MNIST --digits 2,3

    python -m platform.prepare kth --synthetic
    """
    benchmarks = (target or Home.from_environment().benchmarks).expanduser().absolute()
    if show:
        _print_list(benchmarks)
        return
    if name is None:
        raise UserError(f"which benchmark? Name one of {', '.join(NAMES)}, or see --help.")
    datasets = _datasets(name, digits)
    if source is None and not synthetic:
        raise UserError(f"where are the files of {name}? Add --from DIR, or --synthetic for the built-in stand-in.")
    if source is not None and synthetic:
        raise UserError("--from reads real files and --synthetic makes a stand-in; give one of them.")
    wanted = Wanted(size, num_clips=_parse_clips(clips, name))
    for dataset in datasets:
        try:
            with progress_bar(f"preparing {dataset}") as report:
                store = prepare_dataset(dataset, source, benchmarks, wanted, replace=replace, report=report)
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


def _datasets(name: str, digits: str) -> list[str]:
    if name in READERS and name not in NAMES:
        return [name]  # flying_digits_2, as stores and errors call it
    if name not in NAMES:
        near = get_close_matches(name, (*NAMES, *READERS), n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise UserError(f"no benchmark {name!r}; known: {', '.join(NAMES)}.{hint}")
    if name == "kth":
        return [name]
    numbers = [number.strip() for number in digits.split(",") if number.strip()]
    if not numbers or any(f"{name}_{number}" not in READERS for number in numbers):
        raise UserError(f"--digits {digits!r} is not understood; give some of 1,2,3, for example --digits 2,3.")
    return [f"{name}_{number}" for number in dict.fromkeys(numbers)]


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
    return ", ".join(groups) if len(groups) <= 30 else f"{', '.join(groups[:30])} and {len(groups) - 30} more"


def _print_list(benchmarks: Path) -> None:
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
            counts = (str(held.num_videos), str(held.num_frames), str(len(store.videos.groups)))
            table.add_row(name, *counts, f"{held.num_bytes / 1e6:.0f}", held.fingerprint[:12])
    console.print(table)
    for fault in prepared.values():
        if isinstance(fault, UserError):
            console.print(f"damaged: {fault}", markup=False, soft_wrap=True)


if __name__ == "__main__":
    run(prepare)

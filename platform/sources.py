"""`python -m platform.sources`: what the bank holds, how checkpoints get into it, and which memories are stored."""

import datetime
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
import yaml
from rich.table import Table

from platform.bank.bank import Bank
from platform.bank.card import Card
from platform.config.errors import UserError
from platform.config.home import Home
from platform.console import console, run

if TYPE_CHECKING:
    from platform.memory.inventory import StoredFolder

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False, no_args_is_help=True)


@app.callback()
def sources() -> None:
    """The bank of frozen pretrained networks."""


def _frames(card: Card) -> str:
    return "any size" if card.frame_size is None else f"{card.frame_size}x{card.frame_size}"


@app.command("list")
def list_sources() -> None:
    """Every source with what it learned from and how well it predicts; of shared storage (TMU_REMOTE) those too that
    are not here yet."""
    bank = Bank.of(Home.from_environment())
    columns = ("source", "network", "pretrained on", "frames", "mse", "last frame", *([""] if bank.remote else []))
    table = Table(*columns, box=None, header_style="bold")
    here, published = bank.entries(), bank.published()
    listed = sorted({*here, *published})
    for entry in listed:
        card = bank.card(entry)
        kind = "" if card.transfer is None else f"TMU of {len(card.transfer.sources)} sources, "
        network = f"{kind}{card.network.family} {list(card.network.hidden)}"
        frames = f"{_frames(card)}, {card.channels} channel{'s' if card.channels > 1 else ''}"
        scores = [f"{kept['mse']:.4g}" if "mse" in kept else "-" for kept in (card.score, card.last_frame)]
        where = "published" if entry not in here else "here, published" if entry in published else "here"
        table.add_row(entry, network, card.data.label, frames, *scores, *([where] if bank.remote else []))
    console.print(table if listed else f"the bank {bank.root} is empty; `python -m platform.pretrain kth` fills it")


@app.command()
def show(name: Annotated[str, typer.Argument(help="A source, as `list` prints it.")]) -> None:
    """The whole card of one source; its weights are checked against it."""
    bank = Bank.of(Home.from_environment())
    card, network = bank.card(name), bank.load(name)
    console.print(yaml.safe_dump(card.model_dump(mode="json"), sort_keys=False), markup=False)
    console.print(f"memories: {', '.join(network.memory_channels)}; weights are what the card says")


@app.command("import")
def import_source(
    checkpoint: Annotated[
        Path, typer.Argument(help="A checkpoint of the TMU, PredRNN or OpenSTL code, or a state dict of your own.")
    ],
    family: Annotated[
        str,
        typer.Option(
            help="convlstm, tmu or predrnn, told apart further by the weights; or one of an installed package."
        ),
    ],
    patch_size: Annotated[int, typer.Option(min=1, help="Patch side it was trained with; not in the weights.")],
    name: Annotated[str, typer.Option(help="Its name in the bank; a YAML uses it as `bank: NAME`.")],
    frame_size: Annotated[
        int | None,
        typer.Option(
            min=1, help="Frame side it was trained on, where the weights do not tell; else clips as they are."
        ),
    ] = None,
    hidden: Annotated[
        list[int] | None,
        typer.Option(min=1, help="Of a package's family: channels of a layer, once a layer. Default: all as the last."),
    ] = None,
    kernel_size: Annotated[int | None, typer.Option(min=1, help="Of a package's family. Default: 5.")] = None,
    layer_norm: Annotated[
        bool, typer.Option("--layer-norm", help="Of a package's family: built with layer norm.")
    ] = False,
    trained_on: Annotated[str, typer.Option(help="What it was trained on, for the card.")] = "unknown data",
    replace: Annotated[bool, typer.Option("--replace", help="Replace a source of that name.")] = False,
) -> None:
    """Put a published checkpoint into the bank, and on shared storage where TMU_REMOTE is set. Only plain tensors are
    read from the file."""
    from platform.bank.imports import import_checkpoint

    bank = Bank.of(Home.from_environment())
    card = import_checkpoint(
        bank,
        checkpoint,
        family=family,
        patch_size=patch_size,
        name=name,
        hidden=tuple(hidden) if hidden else None,
        kernel_size=kernel_size,
        layer_norm=layer_norm,
        frame_size=frame_size,
        trained_on=trained_on,
        replace=replace,
    )
    bank.publish(name, replace=replace)
    network = f"{card.network.family} {list(card.network.hidden)}, kernel {card.network.kernel_size}"
    console.print(f"[bold]{name}[/]  {network}, {card.parameters:,} weights, frames of {_frames(card)}")


@app.command()
def publish(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[SOURCE]...", help="As `list` prints them. Default: all.")
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace another of that name there, or a damaged one.")
    ] = False,
) -> None:
    """Copy sources to the storage that all machines reach (TMU_REMOTE). What is pretrained or imported while that is
    set goes there by itself."""
    bank = _shared_bank()
    for name in names or bank.entries():
        told = "copied" if bank.publish(name, replace=replace) else "there already"
        console.print(f"{name}: {told}", markup=False, soft_wrap=True)


@app.command()
def fetch(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[SOURCE]...", help="As `list` prints them. Default: all.")
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Replace one of that name here.")] = False,
) -> None:
    """Copy sources from the storage that all machines reach (TMU_REMOTE) to this one. A search does so by itself."""
    bank = _shared_bank()
    for name in names or bank.published():
        if name not in bank:
            bank.card(name)  # says that there is none, and the nearest name
        told = "copied" if bank.fetch(name, replace=replace) else "here already"
        console.print(f"{name}: {told}", markup=False, soft_wrap=True)


def _shared_bank() -> Bank:
    bank = Bank.of(Home.from_environment())
    if bank.remote is None:
        raise UserError("where to? Set TMU_REMOTE to storage that all machines reach, for example s3://bucket/tmu.")
    return bank


@app.command()
def rank(
    config: Annotated[str, typer.Argument(help="A YAML file: a path, or the bare name of a shipped one (kth).")],
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change one value. Repeatable.")
    ] = None,
    profile: Annotated[str, typer.Option(help="laptop, full, or auto: full where this machine has a GPU.")] = "auto",
) -> None:
    """Rank a YAML's sources by what their memories say about its benchmark, before any trial runs.

    LogME is the evidence of a linear regression from memory to the next frame, ridge R² what such a regression explains
    on other clips. The memories are stored: a search finds them ready.
    """
    from platform.benchmarks.catalog import open_benchmark
    from platform.config.load import choose_profile, load_run
    from platform.tuning.pretraining import bank_entries
    from platform.tuning.ranking import rank_run_sources, ranking_table

    settings = load_run(config, profile=choose_profile(profile), overrides=overrides or ())
    home = Home.from_environment()
    benchmark = open_benchmark(settings.benchmark, home)
    entries = bank_entries(settings, home)
    if missing := [name for name, entry in entries.items() if entry is None]:
        raise UserError(f"{', '.join(missing)} must be pretrained first: python -m platform.pretrain {config}")
    ranking = rank_run_sources(settings, home, {n: e for n, e in entries.items() if e is not None}, benchmark)
    console.print(ranking_table(ranking, benchmark.label))


@app.command()
def cache(
    source: Annotated[
        str | None, typer.Option(help="Only memories of this source: its name in the bank, or in a YAML.")
    ] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Remove them, except those that a process uses now.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Remove without asking.")] = False,
) -> None:
    """The memories stored on this machine: of which sources, how much, last used when.

    Whatever is removed is computed again when a search asks for it.
    """
    from platform.memory.inventory import clear as clear_folders
    from platform.memory.inventory import stored_folders
    from platform.memory.room import capacity
    from platform.results.scores import readable_bytes

    root = Home.from_environment().memory
    stored = stored_folders(root)
    if not stored:
        console.print(f"no memories are stored below {root}; a search stores them as its trials ask", soft_wrap=True)
        return
    chosen = [each for each in stored if source is None or source in _names(each)]
    if not chosen:
        known = ", ".join(sorted({_names(each)[0] for each in stored}))
        raise UserError(f"no memories of a source {source!r} are stored; there are some of {known}")
    num_bytes = sum(each.num_bytes for each in chosen)
    if not clear:
        console.print(_stored_table(chosen))
        room = readable_bytes(capacity(root, None))
        console.print(
            f"{readable_bytes(num_bytes)} below {root}; this disk takes {room} of memories, a YAML's "
            "resources.memory_budget may take less",
            soft_wrap=True,
        )
        return
    unused = [each for each in chosen if not each.in_use]
    free = readable_bytes(sum(each.num_bytes for each in unused))
    if unused and not yes:
        if not sys.stdin.isatty():
            raise UserError(f"this removes {free} of memories, and nobody is there to be asked. Give --yes.")
        if not typer.confirm(f"Remove {free} of memories? They are computed again when a search asks for them."):
            console.print("nothing was removed")
            return
    left = clear_folders(root, chosen)
    left_bytes = sum(each.num_bytes for each in left)
    console.print(f"removed {readable_bytes(num_bytes - left_bytes)}")
    if left:
        console.print(f"left {readable_bytes(left_bytes)} that a process uses now")


def _names(stored: "StoredFolder") -> tuple[str, ...]:
    """How a source can be called here, first as `list` prints it."""
    if stored.label is None:
        return ("damaged",)
    return tuple(name for name in (stored.label.entry, stored.label.source) if name)


def _stored_table(folders: "list[StoredFolder]") -> Table:
    from platform.results.scores import readable_bytes

    columns = ("source", "memory", "direction", "feed", "clips", "as", "blocks", "size", "last used", "")
    table = Table(*columns, box=None, header_style="bold")
    for each in folders:
        described = ["?"] * 5
        if each.label is not None:
            key = each.label.key
            variant = f", variant {key.variant}" if key.variant else ""
            clips = f"{each.label.clips} {key.clips_fingerprint[:8]}{variant}".strip()
            described = [key.memory, key.direction, key.feed, clips, key.dtype]
        last_used = datetime.datetime.fromtimestamp(each.last_used).strftime("%Y-%m-%d %H:%M")
        size = readable_bytes(each.num_bytes)
        table.add_row(_names(each)[0], *described, str(each.num_blocks), size, last_used, "in use" * each.in_use)
    return table


if __name__ == "__main__":
    run(app)

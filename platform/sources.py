"""`python -m platform.sources list` and `show`: what the bank holds."""

from typing import Annotated

import typer
import yaml
from rich.table import Table

from platform.bank.bank import Bank
from platform.config.home import Home
from platform.console import console, run

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False, no_args_is_help=True)


@app.callback()
def sources() -> None:
    """The bank of frozen pretrained networks."""


@app.command("list")
def list_sources() -> None:
    """Every source with what it learned from and how well it predicts."""
    bank = Bank(Home.from_environment().bank)
    table = Table("source", "network", "pretrained on", "frames", "mse", "last frame", box=None, header_style="bold")
    for entry in bank.entries():
        card = bank.card(entry)
        network = f"{card.network.family} {list(card.network.hidden)}"
        frames = f"{card.frame_size}x{card.frame_size}x{card.channels}"
        scores = [f"{kept['mse']:.4g}" if "mse" in kept else "-" for kept in (card.score, card.last_frame)]
        table.add_row(entry, network, card.data.label, frames, *scores)
    console.print(
        table if bank.entries() else f"the bank {bank.root} is empty; `python -m platform.pretrain kth` fills it"
    )


@app.command()
def show(name: Annotated[str, typer.Argument(help="A source, as `list` prints it.")]) -> None:
    """The whole card of one source; its weights are checked against it."""
    bank = Bank(Home.from_environment().bank)
    card = bank.card(name)
    bank.load(name)
    console.print(yaml.safe_dump(card.model_dump(mode="json"), sort_keys=False), markup=False)
    console.print(f"memories: {', '.join(bank.load(name).memory_channels)}; weights are what the card says")


if __name__ == "__main__":
    run(app)

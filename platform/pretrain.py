"""`python -m platform.pretrain kth.yaml`: make the sources a YAML names, without searching."""

from typing import Annotated

import typer

from platform.config.errors import UserError, nearest
from platform.config.home import Home
from platform.config.load import choose_profile, load_run
from platform.console import console, run


def pretrain(
    config: Annotated[str, typer.Argument(help="A YAML file: a path, or the bare name of a shipped one (kth).")],
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[SOURCE]...", help="Which of its sources. Default: all.")
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a value, e.g. sources.digits_2.pretraining.epochs=5."),
    ] = None,
    profile: Annotated[
        str, typer.Option(help="laptop, full, or auto: full where this machine has a GPU, else laptop.")
    ] = "auto",
) -> None:
    """Pretrain the sources that the bank lacks, one after the other, and put them into the bank.

    A search does this by itself; here it is done ahead, or on another machine, without Ray. What the bank already has
    is left alone. Ctrl-C leaves nothing half-written.
    """
    from platform.bank.bank import Bank
    from platform.benchmarks.catalog import open_benchmark
    from platform.tuning.pretraining import bank_entries, pretrain_here, score_text, specs

    settings, home = (
        load_run(config, profile=choose_profile(profile), overrides=overrides or ()),
        Home.from_environment(),
    )
    recipes = specs(settings)
    for name in names or ():
        if name not in recipes:
            raise UserError(
                f"{config} names no source {name!r}{nearest(name, recipes)} to pretrain: {', '.join(recipes)}"
            )
    for name in names or recipes:
        spec = recipes[name]
        open_benchmark(spec.benchmark, home).refuse_leaks()
        entry = bank_entries(settings, home)[name]
        if entry is None:
            entry = pretrain_here(spec, home, console)
        card = Bank.of(home).card(entry)
        console.print(f"[bold]{entry}[/]  {card.data.label}: {score_text(card)}", soft_wrap=True)
    console.print(f"the bank is {home.bank}", soft_wrap=True)


if __name__ == "__main__":
    run(pretrain)

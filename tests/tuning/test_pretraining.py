"""Sources on storage that all machines reach: whoever pretrains one publishes it, and nobody pretrains it again."""

from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from platform.bank.bank import Bank
from platform.benchmarks.catalog import open_benchmark
from platform.benchmarks.remote import RemoteBenchmarks
from platform.config.home import Home
from platform.config.run import RunConfig
from platform.storage.fetching import silent
from platform.tuning.pretraining import bank_entries, pretrain_here, specs
from platform.tuning.stage import needed_files

Config = Callable[..., RunConfig]
QUIET = Console(quiet=True)


@pytest.fixture
def machine(tiny_home: Home, remote: str, tmp_path: Path) -> Callable[[str], Home]:
    """A machine of its own, with the prepared benchmarks and an empty bank."""

    def make(name: str) -> Home:
        home = Home(tmp_path / name, remote)
        home.root.mkdir()
        home.benchmarks.symlink_to(tiny_home.benchmarks)
        return home

    return make


def test_what_one_machine_has_pretrained_no_other_pretrains_again(
    machine: Callable[[str], Home], tiny_config: Config
) -> None:
    config, one, other = tiny_config(), machine("one"), machine("other")
    assert bank_entries(config, other) == {"one": None, "two": None}
    entry = pretrain_here(specs(config)["one"], one, QUIET)
    assert bank_entries(config, other) == {"one": entry, "two": None}
    assert not other.bank.exists()
    Bank.of(other).load(entry)
    assert Bank(other.bank).card(entry) == Bank(one.bank).card(entry)


def test_nodes_need_no_file_of_what_was_published(
    machine: Callable[[str], Home], tiny_config: Config, remote: str
) -> None:
    config, home = tiny_config(), machine("one")
    entry = pretrain_here(specs(config)["one"], Home(home.root), QUIET)  # where nothing is shared
    benchmark = open_benchmark(config.benchmark, home)
    needed = {each.path.name: each.repair for each in needed_files(benchmark, home, [entry])}
    assert "platform.prepare flying_digits --publish" in needed["manifest.json"]
    assert f"platform.sources publish {entry}" in needed["card.json"]
    Bank.of(home).publish(entry)
    RemoteBenchmarks(remote).publish(benchmark.store, silent)
    assert list(needed_files(benchmark, home, [entry])) == []

"""Two pretrained sources over tiny clips, and homes whose store of memories is empty."""

from collections.abc import Callable
from pathlib import Path

import pytest

from platform.bank.bank import Bank
from platform.benchmarks.blocks import ClipBlocks
from platform.benchmarks.catalog import open_benchmark
from platform.config.home import Home
from platform.config.run import RunConfig
from platform.memory.blocks import BlockStore
from platform.memory.compute import SourceRunner
from platform.memory.request import MemoryIdentity
from platform.memory.server import ServedSource, Serving
from platform.training.pretraining import SourceRecipe, pretrain


@pytest.fixture
def clips(tiny_home: Home, tiny_config: Callable[..., RunConfig]) -> ClipBlocks:
    """Three blocks of 8, 8 and 4 clips."""
    return open_benchmark(tiny_config().benchmark, tiny_home).blocks("train")


@pytest.fixture
def served(tiny_home: Home, tiny_config: Callable[..., RunConfig], clips: ClipBlocks) -> dict[str, ServedSource]:
    """Sources `one` and `two`, pretrained for an epoch or two."""
    bank, found = Bank(tiny_home.bank), {}
    for name, source in tiny_config().sources.items():
        assert source.benchmark is not None
        assert source.network is not None
        assert source.pretraining is not None
        recipe = SourceRecipe(name, open_benchmark(source.benchmark, tiny_home), source.network, source.pretraining)
        if bank.find(recipe.hash) is None:
            list(pretrain(recipe, bank))
        identity = MemoryIdentity(bank.card(recipe.entry).function_sha256, clips.fingerprint, 3, (4, 4))
        found[name] = ServedSource(name, recipe.entry, identity)
    return found


@pytest.fixture
def fresh_home(tiny_home: Home, tmp_path: Path) -> Home:
    """The same benchmarks and bank, and no memories."""
    home = Home(tmp_path / "home")
    home.root.mkdir()
    home.benchmarks.symlink_to(tiny_home.benchmarks)
    home.bank.symlink_to(tiny_home.bank)
    return home


@pytest.fixture
def serving(served: dict[str, ServedSource], fresh_home: Home, tiny_config: Callable[..., RunConfig]) -> Serving:
    """Both sources in one server, with a store that begins empty."""
    return Serving(served, tiny_config().benchmark, fresh_home, cpus=0.2)


@pytest.fixture
def runners(served: dict[str, ServedSource], fresh_home: Home, clips: ClipBlocks) -> dict[str, SourceRunner]:
    """The same sources without Ray, with a store of their own."""
    bank, store = Bank(fresh_home.bank), BlockStore(fresh_home.root / "oracle")
    return {name: SourceRunner(bank.load(each.entry), clips, each.identity, store) for name, each in served.items()}

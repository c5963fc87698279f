"""The ranking of a run's sources: a source that cannot read the clips is refused by name, before any computes."""

from collections.abc import Callable
from pathlib import Path

import pytest

from platform.bank.bank import Bank
from platform.bank.card import Card, TrainingData
from platform.bank.networks import build_network
from platform.benchmarks.catalog import open_benchmark
from platform.config.errors import UserError
from platform.config.home import Home
from platform.config.network import NetworkConfig
from platform.config.run import RunConfig
from platform.tuning.ranking import rank_run_sources


def test_a_source_whose_patches_do_not_divide_the_clips_is_refused_before_any_computes(
    tiny_home: Home, tiny_config: Callable[..., RunConfig], tmp_path: Path
) -> None:
    home, network = Home(tmp_path), NetworkConfig(hidden=(5,), kernel_size=3, patch_size=5)
    card = Card(
        name="odd",
        network=network,
        channels=1,
        frame_size=None,
        weights_sha256="",
        data=TrainingData(label="nothing", synthetic=True),
        parameters=1,
        created="2026-01-01",
    )
    Bank(home.bank).add("odd", build_network(network, channels=1, frame_size=None), card)
    config = tiny_config("sources={odd: {bank: odd}}", "search.space={}")
    with pytest.raises(UserError, match=r"source 'odd' reads patches of 5.* frames of 16.* --frame-size"):
        rank_run_sources(config, home, {"odd": "odd"}, open_benchmark(config.benchmark, tiny_home))
    assert not home.memory.exists()

"""What the trials of a run can come to, told from the YAML alone."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from platform.config.errors import UserError
from platform.config.load import load_run
from platform.config.network import NetworkConfig
from platform.config.reach import heaviest, network_memories
from platform.config.trial import TrialSettings
from tests.given import TINY
from tmu_models.families import ENTRY_POINTS, _entry_points


@pytest.fixture
def broken_family(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An installed package that offers a family and cannot be imported."""
    info = tmp_path / "mim_networks-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mim-networks\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{ENTRY_POINTS}]\nmim = no_such_module:MIMCell\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    _entry_points.cache_clear()
    yield "mim"
    _entry_points.cache_clear()


def test_a_network_has_a_cell_memory_a_layer_and_predrnn_a_flow_too() -> None:
    assert network_memories(NetworkConfig(hidden=(4, 6))) == {"cell/0": 4, "cell/1": 6}
    flow = network_memories(NetworkConfig(family="predrnn", hidden=(4, 4)))
    assert set(flow) == {"cell/0", "cell/1", "spatiotemporal/0", "spatiotemporal/1"}


def test_of_a_family_nobody_can_build_no_memory_is_known(broken_family: str) -> None:
    """The family itself is the fault, told with its own place in the YAML."""
    assert network_memories(NetworkConfig(family=broken_family)) == {}
    assert network_memories(NetworkConfig(family="nobody_knows_it")) == {}


def test_a_broken_family_with_the_released_merge_is_told_where_it_stands(broken_family: str) -> None:
    with pytest.raises(UserError, match=r"network\.family: .*cannot be imported"):
        load_run("kth", overrides=[f"network.family={broken_family}", "search.space.tmu.merge.choice=[released, mean]"])


def test_the_heaviest_trial_has_all_sources_all_layers_and_the_largest_kernel() -> None:
    (heaviest,) = heaviest_of("search.space.tmu.kernel_size={int: [3, 7], step: 2}")
    assert heaviest.sources == ("one", "two")
    assert (heaviest.tmu.layers, heaviest.tmu.kernel_size, heaviest.tmu.merge) == ((0, 1), 7, "softmax")


def test_of_ways_that_exclude_each_other_each_is_among_the_heaviest() -> None:
    found = heaviest_of(
        "search.space.tmu.merge={choice: [mean, released, sum]}",
        "search.space.distil.what={choice: [memory, frames]}",
        "search.space.transfer={choice: [tmu, knowledge_flow]}",
    )
    ways = [(settings.distil.what, settings.transfer, settings.tmu.merge) for settings in found]
    assert sorted(ways) == [
        ("frames", "tmu", "mean"),
        ("memory", "knowledge_flow", "mean"),
        ("memory", "tmu", "mean"),
        ("memory", "tmu", "released"),
    ]


def test_weights_are_held_to_where_they_began_in_the_heaviest_trial_where_one_may_do_so() -> None:
    assert [(each.start, each.l2_sp) for each in heaviest_of()] == [("scratch", 0)]
    (held,) = heaviest_of("search.space.l2_sp={float: [0.0, 0.1]}")
    assert (held.start, held.l2_sp > 0) == ("one", True)


def test_compared_settings_are_among_the_heaviest() -> None:
    found = heaviest_of("compare.settings={wide: {sources: [one], tmu: {kernel_size: 51}}}")
    assert 51 in [settings.tmu.kernel_size for settings in found]


def heaviest_of(*changes: str) -> list[TrialSettings]:
    return heaviest(load_run(str(TINY), profile="laptop", overrides=changes))

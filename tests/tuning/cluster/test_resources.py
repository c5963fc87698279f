"""Servers first, trials of what is left."""

import pytest
from pydantic import ByteSize

from platform.config.errors import UserError
from platform.config.search import ResourcesConfig
from platform.tuning.cluster.resources import share_on, trial_resources, trials_on


def node(cpu: float, gpu: float = 0, memory: float = 0, name: str = "") -> dict:
    about = {"NodeID": name, "NodeManagerHostname": name, "NodeManagerAddress": "192.0.2.1"}
    return {**about, "Alive": True, "Resources": {"CPU": cpu, "GPU": gpu, "memory": memory}}


def test_two_cores_run_two_trials_beside_the_servers() -> None:
    got = trial_resources(ResourcesConfig(), [node(2)], num_sources=3)
    assert got.at_once == 2
    assert 2 * got.cpus + 0.1 <= 2


def test_a_trial_that_wants_every_cpu_gets_what_the_servers_leave_and_the_user_is_told() -> None:
    got = trial_resources(ResourcesConfig(cpus_per_trial=2), [node(2)], num_sources=3)
    assert got.cpus == pytest.approx(1.9)
    assert "a trial asks for 2 CPUs, 1.9 are left" in got.notes[0]


def test_a_trial_that_wants_every_gpu_gets_what_the_servers_leave() -> None:
    got = trial_resources(ResourcesConfig(gpus_per_trial=1, server_gpus=0.25), [node(8, 1)], num_sources=1)
    assert got.gpus == 0.75
    assert got.at_once == 1


def test_without_sources_nothing_is_set_aside() -> None:
    assert trial_resources(ResourcesConfig(cpus_per_trial=2), [node(2)], num_sources=0).cpus == 2


def test_auto_takes_a_gpu_where_there_is_one() -> None:
    assert trial_resources(ResourcesConfig(), [node(8, 2)], num_sources=1).gpus == 1
    assert trial_resources(ResourcesConfig(), [node(8, 2)], num_sources=1).at_once == 2
    assert trial_resources(ResourcesConfig(), [node(8)], num_sources=1).gpus == 0


def test_a_fraction_lets_trials_share_a_gpu() -> None:
    assert trial_resources(ResourcesConfig(gpus_per_trial=0.25), [node(16, 1)], num_sources=1).at_once == 4


def test_a_gpu_that_is_not_there_is_refused_with_the_repair() -> None:
    with pytest.raises(UserError, match=r"Set resources\.gpus_per_trial=0"):
        trial_resources(ResourcesConfig(gpus_per_trial=1), [node(2)], num_sources=1)


def test_servers_that_leave_no_cpu_are_refused() -> None:
    with pytest.raises(UserError, match="Lower it"):
        trial_resources(ResourcesConfig(server_cpus=2), [node(2)], num_sources=1)


def test_a_fraction_that_is_no_1_of_k_becomes_one_and_the_user_is_told() -> None:
    got = trial_resources(ResourcesConfig(gpus_per_trial=0.3), [node(16, 1)], num_sources=0)
    assert (got.gpus, got.at_once) == (0.3333, 3)
    assert "gpus_per_trial=0.3 is neither a whole number of GPUs nor 1/k: it gets 1/3 of one" in got.notes[0]
    assert trial_resources(ResourcesConfig(gpus_per_trial=0.7), [node(16, 1)], num_sources=0).gpus == 1
    assert trial_resources(ResourcesConfig(gpus_per_trial=2.5), [node(16, 4)], num_sources=0).gpus == 2
    for exact in (0.5, 0.333, 0.25, 1, 2):
        assert trial_resources(ResourcesConfig(gpus_per_trial=exact), [node(16, 4)], num_sources=0).notes == ()


def test_a_share_lies_on_one_gpu() -> None:
    """Of two GPUs, one of which serves too, 1.75 are left; but a trial of a half fits three times only, of one once."""
    for share, at_once in ((0.5, 3), (1, 1)):
        wanted = ResourcesConfig(gpus_per_trial=share, server_gpus=0.25)
        assert trial_resources(wanted, [node(16, 2)], num_sources=1).at_once == at_once


def test_a_trial_that_shares_a_gpu_is_held_to_its_share() -> None:
    shared = trial_resources(ResourcesConfig(gpus_per_trial=0.25), [node(16, 1)], num_sources=1)
    assert shared.limit.gpu_share == 0.25
    whole = trial_resources(ResourcesConfig(gpus_per_trial=1), [node(16, 1)], num_sources=1)
    assert whole.limit.gpu_share is None


def test_memory_bounds_how_many_trials_run_at_once() -> None:
    got = trial_resources(
        ResourcesConfig(memory_per_trial=ByteSize(4_000_000_000)), [node(8, memory=13e9)], num_sources=0
    )
    assert got.at_once == 3
    assert got.of_ray == {"CPU": 1, "GPU": 0, "memory": 4e9}
    assert got.limit.num_bytes == 4_000_000_000


def test_a_trial_that_wants_more_memory_than_a_node_has_gets_what_there_is_and_the_user_is_told() -> None:
    got = trial_resources(
        ResourcesConfig(memory_per_trial=ByteSize(64_000_000_000)), [node(8, memory=13e9)], num_sources=0
    )
    assert (got.memory_bytes, got.at_once) == (13_000_000_000, 1)
    assert "asks for 64 GB of memory, no node that could run it has more than 13 GB" in got.notes[0]


@pytest.mark.parametrize(("server_gpus", "share", "at_once"), [(0.0, 1, 2), (0.25, 0.75, 2), (0.75, 1, 1)])
def test_auto_leaves_no_gpu_idle_beside_the_servers(server_gpus: float, share: float, at_once: int) -> None:
    resources = trial_resources(ResourcesConfig(server_gpus=server_gpus), [node(16, gpu=2)], 2)
    assert (resources.gpus, resources.at_once) == (share, at_once)


GIB = 1 << 30


def share(node: dict, need_gib: float, gpu_gib: float | None, wanted: ResourcesConfig | None = None) -> float | None:
    """With sources, and so with memory servers."""
    wanted = wanted or ResourcesConfig()
    known = None if gpu_gib is None else int(gpu_gib * GIB)
    resources = trial_resources(wanted, [node], 1)
    return share_on(node["Resources"], wanted, resources, int(need_gib * GIB), known)


def test_auto_gives_the_1_of_k_that_has_room_for_what_a_trial_needs() -> None:
    assert share(node(64, 1), 5, 16) == 0.3333
    assert share(node(64, 1), 5, 80) == 0.0625
    assert share(node(64, 1), 8, 16) == 0.5
    assert share(node(64, 1), 9, 16) == 1
    assert share(node(64, 1), 17, 16) is None
    assert share(node(64), 1, None) is None


def test_auto_takes_no_less_than_what_would_stay_idle() -> None:
    """Of 80 GiB a trial of 1 needs an eightieth, but eight cores of a GPU run no more than seven beside the servers."""
    assert share(node(8, 1), 1, 80) == 0.1428
    assert share(node(16, 2), 1, 80) == 0.1428


def test_auto_gives_a_whole_gpu_where_its_memory_is_not_known() -> None:
    assert share(node(64, 1), 5, None) == 1


def test_auto_leaves_the_servers_their_part_of_a_gpu() -> None:
    served = ResourcesConfig(server_gpus=0.25)
    assert share(node(64, 1), 9, 16, served) == 0.75
    assert share(node(64, 2), 9, 16, served) == 0.75
    assert share(node(64, 2), 14, 16, served) == 1
    assert share(node(64, 1), 14, 16, served) is None
    assert share(node(64, 1), 5, 16, served) == 0.3333


def test_nodes_of_different_sizes_run_as_many_trials_as_fit_each_and_one_that_is_too_small_is_named() -> None:
    nodes = [node(64, 1, name="small"), node(64, 1, name="large"), node(64, 2, name="tiny"), node(64, name="none")]
    known = {"small": 16 * GIB, "large": 80 * GIB, "tiny": 4 * GIB, "none": None}
    got = trial_resources(ResourcesConfig(), nodes, 0, need_bytes=5 * GIB, gpu_bytes=known)
    assert (got.gpus, got.at_once, got.need_bytes) == (0.3333, 3 + 16, 5 * GIB)
    (note,) = got.notes
    assert "a trial needs about 5.37 GB of a GPU's memory" in note
    assert "tiny (192.0.2.1) has 4.29 GB, and gets no trials. Lower training.batch_size" in note
    assert trials_on(nodes[1]["Resources"], ResourcesConfig(), got, gpus=0.0625) == 16


def test_a_trial_that_no_gpu_has_room_for_is_refused_with_the_repair() -> None:
    nodes, known = [node(64, 1, name="small")], {"small": 16 * GIB}
    with pytest.raises(UserError, match=r"no node has so much: small .* has 17\.2 GB\. Lower training\.batch_size"):
        trial_resources(ResourcesConfig(), nodes, 0, need_bytes=20 * GIB, gpu_bytes=known)


def test_a_share_that_is_asked_for_is_given_whatever_a_trial_needs() -> None:
    """Then nobody foretells anything."""
    assert trial_resources(ResourcesConfig(gpus_per_trial=0.5), [node(64, 1)], 0).need_bytes is None

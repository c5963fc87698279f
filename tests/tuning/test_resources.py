"""Servers first, trials of what is left."""

import pytest

from platform.config.errors import UserError
from platform.config.search import ResourcesConfig
from platform.tuning.resources import trial_resources


def node(cpu: float, gpu: float = 0) -> dict:
    return {"Alive": True, "Resources": {"CPU": cpu, "GPU": gpu}}


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

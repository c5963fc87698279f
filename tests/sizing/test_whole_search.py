"""Both searches that are compared are real, and are the same: trial by trial they learn alike."""

from pathlib import Path

import pytest

from platform.config.home import Home
from platform.config.network import NetworkConfig
from platform.config.run import RunConfig
from platform.measure.setting import Setting
from platform.sizing.trials import in_process, jobs, make_ready, searched, timed_config
from platform.sizing.whole_search import trial_time, whole_search

BLOCKS, SOURCES, DIRECTIONS, EPOCHS, TRIALS = 3, 2, 2, 2, 3
TINY = Setting(
    NetworkConfig(hidden=(8, 8), kernel_size=3),
    batch_size=4,
    block_clips=8,
    frame_size=16,
    input_length=3,
    total_length=6,
)

pytestmark = [
    pytest.mark.usefixtures("local_ray"),
    pytest.mark.filterwarnings("ignore:merge 'released':UserWarning"),
]


@pytest.fixture
def home(tiny_home: Home, tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.root.mkdir()
    home.benchmarks.symlink_to(tiny_home.benchmarks)
    make_ready(TINY, home, SOURCES)
    return home


@pytest.fixture
def config() -> RunConfig:
    return timed_config(TINY, SOURCES, trials=TRIALS, epochs=EPOCHS)


def test_both_ways_learn_alike_and_ours_runs_each_source_once_a_block(
    config: RunConfig, home: Home, tmp_path: Path
) -> None:
    """Slow: two searches, whose workers import torch and Ray."""
    whole = whole_search(config, home, tmp_path / "runs")
    assert whole.ours.source_passes == whole.source_passes_wanted == BLOCKS * SOURCES * DIRECTIONS
    assert whole.source_passes_plain == whole.source_passes_wanted * TRIALS * EPOCHS
    assert whole.largest_difference < 0.02  # ours may compute in bfloat16
    assert whole.speedup == whole.plain_s / whole.ours.wall_s
    assert 0 < whole.ours.in_epochs_s < whole.ours.at_once * whole.ours.trials_s
    assert whole.ours.orchestration_s > 0
    again = searched(config, home, tmp_path / "again")
    assert again.source_passes == 0  # what is stored serves the next search


def test_a_trials_time_is_told_part_by_part(config: RunConfig, home: Home) -> None:
    memory = in_process(config, home)
    time = trial_time(config, home)
    assert set(time.parts) == {"data", "memory", "forward", "backward", "update", "evaluation", "setting_up"}
    assert all(seconds >= 0 for seconds in time.parts.values())
    assert min(time.forward, time.backward, time.update, time.evaluation, time.setting_up) > 0
    assert memory.runners.keys() == set(config.sources)


def test_no_two_trials_are_the_same(config: RunConfig) -> None:
    given = jobs(config)
    assert len({job.settings["learning_rate"] for job in given}) == len({job.seed for job in given}) == TRIALS
    assert all(job.settings["sources"] == list(config.sources) for job in given)

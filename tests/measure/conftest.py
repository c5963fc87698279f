"""A setting so small that a step takes milliseconds, on the tests' own digits."""

from pathlib import Path

import pytest

from platform.benchmarks.blocks import ClipBlocks
from platform.config.home import Home
from platform.config.network import NetworkConfig
from platform.measure.setting import Setting, training_clips


@pytest.fixture
def tiny() -> Setting:
    return Setting(
        network=NetworkConfig(hidden=(8, 8), kernel_size=3, patch_size=4),
        batch_size=4,
        block_clips=8,
        frame_size=16,
        input_length=3,
        total_length=6,
    )


@pytest.fixture
def home(tiny_home: Home, tmp_path: Path) -> Home:
    """The prepared digits, but an empty memory: stored blocks of other tests would be found ready."""
    home = Home(tmp_path)
    home.benchmarks.symlink_to(tiny_home.benchmarks)
    return home


@pytest.fixture
def clips(tiny: Setting, home: Home) -> ClipBlocks:
    return training_clips(tiny, home)

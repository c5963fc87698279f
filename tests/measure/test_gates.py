"""Which merges keep the memory in scale, and which is known not to."""

import pytest

from platform.config.network import NetworkConfig
from platform.measure.gates import memory_rms

SMALL = NetworkConfig(hidden=(8, 8), kernel_size=3, patch_size=4)


@pytest.mark.parametrize("merge", ["mean", "softmax", "sum"])
def test_our_merges_keep_the_memory_in_scale(merge: str) -> None:
    rms = memory_rms(SMALL, merge, num_sources=2, frame_size=16, num_steps=40)
    assert len(rms) == 40
    assert max(rms) < 5
    assert rms[-1] < 1.2 * rms[19]


@pytest.mark.filterwarnings("ignore:merge 'released':UserWarning")
def test_the_released_merge_grows_without_end() -> None:
    rms = memory_rms(SMALL, "released", num_sources=2, frame_size=16, num_steps=20)
    assert rms[18] > 1_000 * rms[0]

"""Stored bytes become floats in [0, 1]; what was never measured becomes 0 and is said to be missing."""

import numpy as np
import pytest
import torch

from platform.benchmarks.encoding import MISSING
from platform.benchmarks.tensors import clips_to_float, clips_to_tensors


def stored(channels: int = 1) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (2, 3, 4, 5, channels), dtype=np.uint8)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize(("field", "top"), [(False, 255), (True, 254)])
def test_bytes_are_fractions_of_white_or_of_the_top_level(channels: int, reverse: bool, field: bool, top: int) -> None:
    clips = stored(channels)
    frames, valid = clips_to_tensors(clips, field=field, reverse=reverse)
    wanted = torch.from_numpy(clips).permute(0, 1, 4, 2, 3).float() / top
    assert torch.equal(frames, wanted.flip(1) if reverse else wanted)
    assert frames.is_contiguous()
    assert valid is None
    assert torch.equal(clips_to_float(clips, field=field, reverse=reverse), frames)


def test_white_is_a_picture_s_brightest_and_a_fields_missing() -> None:
    clips = stored()
    clips[0, 0, 1, 2] = MISSING
    pictures, all_valid = clips_to_tensors(clips, field=False)
    assert pictures[0, 0, 0, 1, 2] == 1
    assert all_valid is None
    levels, valid = clips_to_tensors(clips, field=True)
    assert levels[0, 0, 0, 1, 2] == 0
    assert valid is not None
    assert valid.shape == levels.shape
    assert (~valid).nonzero().tolist() == [[0, 0, 0, 1, 2]]
    _, backwards = clips_to_tensors(clips, field=True, reverse=True)
    assert backwards is not None
    assert torch.equal(backwards, valid.flip(1))


def test_the_stored_bytes_are_left_alone() -> None:
    clips = stored()
    clips[1, 1] = MISSING
    before = clips.copy()
    clips_to_tensors(clips, field=True)
    np.testing.assert_array_equal(clips, before)

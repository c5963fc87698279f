"""The machine's limit is measured on the convolution of an inner layer, in each dtype."""

import pytest
import torch

from platform.measure.peak import has_fast_bfloat16, peak
from platform.measure.setting import Setting


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_best_layout_and_batch_size_is_told(tiny: Setting, dtype: torch.dtype) -> None:
    best = peak(tiny, dtype, repeats=1)
    assert best.per_s > 0
    assert best.layout in ("contiguous", "channels_last")
    assert best.num_clips in (4, 16)


def test_a_processor_either_has_bfloat16_or_not() -> None:
    assert has_fast_bfloat16() in (True, False)

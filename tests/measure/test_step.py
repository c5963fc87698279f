"""What the bench compares is the same step: the released one and ours train alike, on the same memories."""

import numpy as np
import pytest
import torch

from platform.benchmarks.blocks import ClipBlocks
from platform.config.home import Home
from platform.config.training import TrainingConfig
from platform.measure.setting import Setting
from platform.measure.step import Steps, step_overhead, step_times

BFLOAT16_ERROR = 2e-2  # relative: where the processor has it, ours computes in bfloat16


@pytest.fixture
def steps(tiny: Setting, home: Home, clips: ClipBlocks) -> Steps:
    return Steps.make(tiny, 2, home, clips)


def test_the_released_step_and_ours_train_alike(steps: Steps) -> None:
    for _ in range(4):
        plain, ours = steps.plain_step(), steps.our_step()  # the plain form first: it asks ours for the mask
        assert ours.item() == pytest.approx(plain.item(), rel=BFLOAT16_ERROR)
    mine, theirs = steps.ours.network.state_dict(), steps.plain.weights
    apart = torch.cat([(mine[name] - weight).abs().flatten() for name, weight in theirs.items()])
    moved = 4 * 3e-4  # by four steps of Adam, which go as far wherever a gradient is nearly zero
    assert apart.mean() < 0.1 * moved


def test_served_memories_are_those_the_sources_compute(steps: Steps) -> None:
    served = steps.fetch()
    assert len(served) == len(steps.plain.sources) == 2
    for memory, weights in zip(served.values(), steps.plain.sources, strict=True):
        computed = steps.plain.memory(weights, steps.frames, 3, None)
        assert memory.shape == computed.shape == (4, 5, 8, 4, 4)
        assert np.allclose(memory.float().numpy(), computed.numpy(), atol=BFLOAT16_ERROR)
    one, other = served.values()
    assert not torch.allclose(one, other, atol=BFLOAT16_ERROR)


def test_every_way_is_timed_and_the_plain_forms_operations_counted(steps: Steps, tiny: Setting) -> None:
    times = step_times(steps, repeats=1)
    assert times.num_sources == 2
    assert min(times.plain_s, times.ours_s, times.ours_mean_s, times.fetch_s) > 0
    places, num_steps, k = 4 * 16, 5, 9  # of all clips together; a 3x3 kernel
    forward = 2 * places * num_steps * k * ((16 + 8) * 32 + 16 * 32)
    first_layer_target = 2 * places * num_steps * k * (16 + 8) * 6 * 8
    rest = 2 * places * num_steps * (k * 16 * 32 + 2 * 8 * 8 + 8 * 16)
    sources = 2 * (forward + 2 * places * num_steps * 8 * 16)
    target = 3 * (first_layer_target + rest)
    # Backwards less is done than three times forwards: no gradient goes to the frames, none comes to what is unused.
    assert sources + target / 2 < times.plain_flops < sources + target
    assert times.speedup == times.plain_s / times.ours_s
    assert times.plain_rate == times.plain_flops / times.plain_s


def test_what_is_not_convolution_is_told_in_two_ways(steps: Steps, capfd: pytest.CaptureFixture[str]) -> None:
    took, by_profiler = step_overhead(steps, repeats=1)
    assert took.share == 1 - took.convolutions_s / took.whole_s < 1
    assert took.dtype in ("float32", "bfloat16")
    assert by_profiler is not None
    assert 0 < by_profiler < 1
    assert capfd.readouterr().err == ""


def test_a_step_uses_the_settings_of_a_trial(steps: Steps) -> None:
    plan = TrainingConfig(batch_size=4)
    assert steps.ours.plan == steps.ours_mean.plan == plan

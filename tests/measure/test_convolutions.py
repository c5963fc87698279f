"""Recorded is what runs: every convolution, forward and back, as it was called, and counted from its shapes."""

import pytest
import torch
from torch import nn

from platform.measure.convolutions import convolutions_of, count_flops, main_dtype, overhead

B, C, H, K, SIDE = 2, 3, 4, 5, 8
FORWARD = 2 * B * H * C * K**2 * SIDE**2


@pytest.fixture
def layer() -> nn.Conv2d:
    torch.manual_seed(0)
    return nn.Conv2d(C, H, K, padding=K // 2)


def test_forward_and_backward_are_recorded_and_counted(layer: nn.Conv2d) -> None:
    x = torch.rand(B, C, SIDE, SIDE)
    assert count_flops(convolutions_of(lambda: layer(x))) == FORWARD
    calls = convolutions_of(lambda: layer(x).sum().backward())
    assert len(calls) == 2
    assert count_flops(calls) == 2 * FORWARD  # back to the weights; the input wants no gradient
    assert count_flops(convolutions_of(lambda: layer(x.requires_grad_()).sum().backward())) == 3 * FORWARD


def test_what_is_run_again_is_the_very_call(layer: nn.Conv2d) -> None:
    x = torch.rand(B, C, SIDE, SIDE).to(memory_format=torch.channels_last)

    def lowered() -> None:
        with torch.autocast("cpu", torch.bfloat16):
            layer(x)

    (call,) = convolutions_of(lowered)
    assert main_dtype([call]) == "bfloat16"
    assert call.arguments[0].is_contiguous(memory_format=torch.channels_last)
    call.again()


def test_a_matrix_product_counts_as_a_1x1_convolution() -> None:
    one, other = torch.rand(6, C), torch.rand(C, H)
    assert count_flops(convolutions_of(lambda: one @ other)) == 2 * 6 * C * H


def test_work_that_is_all_convolution_is_recorded_whole() -> None:
    layer = nn.Conv2d(64, 64, 5, padding=2)
    x = torch.rand(8, 64, 32, 32, requires_grad=True)
    gradient = torch.rand(8, 64, 32, 32)
    took = overhead(lambda: torch.autograd.grad(layer(x), (x, *layer.parameters()), gradient), repeats=3)
    assert took.num_convolutions == 2
    assert took.on_top == took.whole_s / took.convolutions_s - 1

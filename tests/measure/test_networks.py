"""What is compared: one pass of a network, and exactly the convolutions that it runs."""

import pytest

from platform.config.network import NetworkConfig
from platform.measure.networks import pass_overhead


@pytest.mark.parametrize("family", ["convlstm", "predrnn"])
def test_every_convolution_of_a_pass_is_run_again(family: str) -> None:
    config = NetworkConfig(family=family, hidden=(4, 4), kernel_size=3)
    took = pass_overhead(config, frame_size=16, total_length=5, input_length=2, batch_size=2, repeats=1)
    steps, layers, output = 4, 2, 1
    assert took.num_convolutions >= steps * (layers + output)  # a layer's input convolution may take steps together
    assert took.dtype == "float32"
    assert took.convolutions_s > 0

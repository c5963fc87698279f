"""What is compared: one pass of a network, and exactly the convolutions that it runs."""

import pytest

from platform.config.network import NetworkConfig
from platform.measure.networks import pass_times


@pytest.mark.parametrize(("family", "in_a_cell"), [("convlstm", 1), ("predrnn", 5)])
def test_every_convolution_of_a_pass_is_replayed(family: str, in_a_cell: int) -> None:
    config = NetworkConfig(family=family, hidden=(4, 4), kernel_size=3)
    times = pass_times(config, frame_size=16, total_length=5, input_length=2, batch_size=2, repeats=1)
    steps, layers, output = 4, 2, 1
    assert times.num_convolutions == steps * (layers * in_a_cell + output)
    assert times.convolutions_s > 0
    assert times.overhead == times.network_s / times.convolutions_s - 1

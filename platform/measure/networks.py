"""A network's forward and backward pass against its convolutions alone: what is left is overhead of ours."""

import torch

from platform.bank.networks import build_network
from platform.config.network import NetworkConfig
from platform.measure.convolutions import Overhead, overhead
from tmu_models import prediction_loss


def pass_overhead(
    config: NetworkConfig, *, frame_size: int, total_length: int, input_length: int, batch_size: int, repeats: int
) -> Overhead:
    """In float32, on random grey clips; the time does not depend on their content."""
    torch.manual_seed(0)
    network = build_network(config, channels=1, frame_size=frame_size)
    frames = torch.rand(batch_size, total_length, 1, frame_size, frame_size)

    def both_ways() -> None:
        network.zero_grad(set_to_none=True)
        prediction = network(frames, input_length=input_length, keep_memories=())
        prediction_loss(prediction, frames).backward()

    return overhead(both_ways, repeats=repeats)

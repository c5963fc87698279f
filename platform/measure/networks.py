"""A network's forward and backward pass against its convolutions alone: what is left is overhead of ours.

The convolutions of one pass are recorded, then replayed one after the other with tensors of the same shapes, gradients
wanted where the network wants them. The two alternatives take turns.
"""

from dataclasses import dataclass

import torch
from torch import nn

from platform.bank.networks import build_network
from platform.config.network import NetworkConfig
from platform.measure.timing import median_seconds
from tmu_models import VideoPredictor, prediction_loss


@dataclass(frozen=True)
class PassTimes:
    """Seconds of a forward and backward pass, and of its convolutions alone."""

    family: str
    network_s: float
    convolutions_s: float
    num_convolutions: int

    @property
    def overhead(self) -> float:
        """What is not convolution, as a part of what is."""
        return self.network_s / self.convolutions_s - 1


@dataclass(frozen=True)
class _Call:
    convolution: nn.Conv2d
    shape: torch.Size
    wants_gradient: bool


def pass_times(
    config: NetworkConfig, *, frame_size: int, total_length: int, input_length: int, batch_size: int, repeats: int
) -> PassTimes:
    """Times on random grey clips; the time does not depend on their content."""
    torch.manual_seed(0)
    network = build_network(config, channels=1, frame_size=frame_size)
    frames = torch.rand(batch_size, total_length, 1, frame_size, frame_size)
    calls = _record(network, frames, input_length)

    def whole() -> None:
        network.zero_grad(set_to_none=True)
        prediction = network(frames, input_length=input_length, keep_memories=())
        prediction_loss(prediction, frames).backward()

    inputs = [torch.rand(call.shape, requires_grad=call.wants_gradient) for call in calls]
    with torch.no_grad():
        gradients = [torch.rand_like(call.convolution(x)) for call, x in zip(calls, inputs, strict=True)]

    def convolutions() -> None:
        network.zero_grad(set_to_none=True)
        for call, x, gradient in zip(calls, inputs, gradients, strict=True):
            x.grad = None
            call.convolution(x).backward(gradient)

    times = median_seconds({"whole": whole, "convolutions": convolutions}, repeats=repeats)
    return PassTimes(config.family, times["whole"], times["convolutions"], len(calls))


def _record(network: VideoPredictor, frames: torch.Tensor, input_length: int) -> list[_Call]:
    """Every convolution of one pass, in its order."""
    calls: list[_Call] = []

    def note(module: nn.Module, arguments: tuple[torch.Tensor, ...]) -> None:
        assert isinstance(module, nn.Conv2d)
        calls.append(_Call(module, arguments[0].shape, arguments[0].requires_grad))

    handles = [m.register_forward_pre_hook(note) for m in network.modules() if isinstance(m, nn.Conv2d)]
    network(frames, input_length=input_length, keep_memories=())
    for handle in handles:
        handle.remove()
    return calls

"""The losses of transfer: predict the next frame, imitate what sources remember, stay near where weights began."""

from collections.abc import Iterable, Mapping

import torch
from torch import nn
from torch.nn import functional as F

from tmu_models.errors import ShapeError
from tmu_models.network import Prediction


def prediction_loss(prediction: Prediction, frames_BTCHW: torch.Tensor) -> torch.Tensor:
    """Mean squared error of all T-1 predicted frames, observed part included, as the reference trains."""
    return F.mse_loss(prediction.frames, frames_BTCHW[:, 1:])


def distillation_loss(
    prediction: Prediction,
    memories: Mapping[str, torch.Tensor],
    *,
    source_weights: Mapping[str, float] | None = None,
    scales: Mapping[str, float] | None = None,
) -> torch.Tensor:
    """Mean over TMU layers and sources of the mean squared error between distilled and true memory.

    `memories` maps a source to (B, T-1, S, h, w). `source_weights` multiplies a source's share (1 where not named);
    `scales`, the variance of each source's memory, divides it, so that one weight means the same for every source.
    Departs from the public code, which sums over steps and never adds the result to the training loss.
    Raises ShapeError where a memory is missing or has another shape than what was distilled.
    """
    if not prediction.distilled:
        raise ShapeError("nothing was distilled: the network has no TMU layers; call add_transfer first")
    terms = []
    for (layer, source), distilled in prediction.distilled.items():
        if source not in memories:
            raise ShapeError(f"layer {layer} distils {source!r}, whose memory was not given; got {sorted(memories)}")
        memory = memories[source]
        if memory.shape != distilled.shape:
            raise ShapeError(
                f"memory of source {source!r} is {tuple(memory.shape)}, the target distils {tuple(distilled.shape)}"
            )
        share = F.mse_loss(distilled, memory.to(distilled.dtype))
        terms.append(share * _factor(source, source_weights, scales))
    return torch.stack(terms).mean()


def output_distillation_loss(
    prediction: Prediction,
    frames: Mapping[str, torch.Tensor],
    *,
    source_weights: Mapping[str, float] | None = None,
    scales: Mapping[str, float] | None = None,
) -> torch.Tensor:
    """Mean over sources of the mean squared error between the target's frames and a source's, (B, T-1, C, H, W)."""
    terms = []
    for source, told in frames.items():
        if told.shape != prediction.frames.shape:
            raise ShapeError(
                f"frames of source {source!r} are {tuple(told.shape)}, the target's {tuple(prediction.frames.shape)}"
            )
        share = F.mse_loss(prediction.frames, told.to(prediction.frames.dtype))
        terms.append(share * _factor(source, source_weights, scales))
    return torch.stack(terms).mean()


class StartingPoint:
    """L2-SP: the squared distance of weights from where they began, for those that came from a source.

    Source: Li, Grandvalet, Davoine, Explicit Inductive Bias for Transfer Learning, ICML 2018.
    """

    def __init__(self, parameters: Iterable[nn.Parameter]) -> None:
        """Remembers where `parameters` are now: call it when they were just loaded, before TMUs are added."""
        self._pairs = [(parameter, parameter.detach().clone()) for parameter in parameters]

    def distance(self) -> torch.Tensor:
        """Half the sum of squares, to be multiplied by l2_sp."""
        return 0.5 * torch.stack([(now - began.to(now)).square().sum() for now, began in self._pairs]).sum()


def _factor(source: str, source_weights: Mapping[str, float] | None, scales: Mapping[str, float] | None) -> float:
    return (source_weights or {}).get(source, 1.0) / (scales or {}).get(source, 1.0)

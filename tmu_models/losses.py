"""The two losses of transfer: predict the next frame, and imitate what the sources remember."""

from collections.abc import Mapping

import torch
from torch.nn import functional as F

from tmu_models.errors import ShapeError
from tmu_models.network import Prediction


def prediction_loss(prediction: Prediction, frames_BTCHW: torch.Tensor) -> torch.Tensor:
    """Mean squared error of all T-1 predicted frames, observed part included, as the reference trains."""
    return F.mse_loss(prediction.frames, frames_BTCHW[:, 1:])


def distillation_loss(
    prediction: Prediction,
    memories: Mapping[str, torch.Tensor],
    source_weights: Mapping[str, float] | None = None,
) -> torch.Tensor:
    """Mean over TMU layers and sources of the mean squared error between distilled and true memory.

    `memories` maps a source to (B, T-1, S, h, w). `source_weights` scales a source's share (1 where not named).
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
        weight = (source_weights or {}).get(source, 1.0)
        terms.append(weight * F.mse_loss(distilled, memory.to(distilled.dtype)))
    return torch.stack(terms).mean()

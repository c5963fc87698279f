"""The losses of transfer: predict the next frame, imitate what sources remember, stay near where weights began."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional as F

from tmu_models.errors import ShapeError
from tmu_models.network import Prediction


class Moments(NamedTuple):
    """Mean and variance of one source's memory (or frames), over everything."""

    mean: float
    variance: float


def prediction_loss(
    prediction: Prediction, frames_BTCHW: torch.Tensor, valid_BTCHW: torch.Tensor | None = None
) -> torch.Tensor:
    """Mean squared error of all T-1 predicted frames, observed part included, as the reference trains.

    `valid_BTCHW` is False where a pixel is missing: the mean is over the others, and 0 where there are none. Raises
    ShapeError where clips or mask are not those of what was predicted.
    """
    if prediction.frames.shape != frames_BTCHW[:, 1:].shape:
        raise ShapeError(f"predicted {tuple(prediction.frames.shape)} of clips {tuple(frames_BTCHW.shape)}: not theirs")
    return _squared_error(prediction.frames, frames_BTCHW[:, 1:], _predicted_part(valid_BTCHW, frames_BTCHW.shape))


def distillation_loss(
    prediction: Prediction,
    memories: Mapping[str, torch.Tensor],
    *,
    source_weights: Mapping[str, float] | None = None,
    moments: Mapping[str, Moments] | None = None,
) -> torch.Tensor:
    """Mean over TMU layers and sources of the mean squared error between distilled and true memory.

    `memories` maps a source to (B, T-1, S, h, w). `source_weights` multiplies a source's share (1 where not named).
    A source with `moments` is imitated in its standard form, (memory - mean) / standard deviation: what is distilled
    leaves a layer norm, so every source begins at the same distance, and one weight means the same for all of them,
    loud or quiet. Departs from the public code, which sums over steps and never adds the result to the training loss.
    Raises ShapeError where a memory is missing or has another shape than what was distilled, or where a weight or
    moments are of no source.
    """
    if not prediction.distilled:
        raise ShapeError("nothing was distilled: the network has no TMU layers; call add_transfer first")
    _check_names({source for _, source in prediction.distilled}, source_weights, moments)
    terms = []
    for (layer, source), distilled in prediction.distilled.items():
        if source not in memories:
            raise ShapeError(f"layer {layer} distils {source!r}, whose memory was not given; got {sorted(memories)}")
        memory = memories[source]
        if memory.shape != distilled.shape:
            raise ShapeError(
                f"memory of source {source!r} is {tuple(memory.shape)}, the target distils {tuple(distilled.shape)}"
            )
        wanted = memory.to(distilled.dtype)
        if moments and source in moments:
            wanted = (wanted - moments[source].mean) / moments[source].variance ** 0.5
        terms.append(F.mse_loss(distilled, wanted) * (source_weights or {}).get(source, 1.0))
    return torch.stack(terms).mean()


def output_distillation_loss(
    prediction: Prediction,
    frames: Mapping[str, torch.Tensor],
    *,
    source_weights: Mapping[str, float] | None = None,
    moments: Mapping[str, Moments] | None = None,
    valid_BTCHW: torch.Tensor | None = None,
) -> torch.Tensor:
    """Mean over sources of the mean squared error between the target's frames and a source's, (B, T-1, C, H, W).

    Divided by the variance of a source's frames where its `moments` are given. Where a pixel of the clips is missing
    (`valid_BTCHW` is False) no source was ever taught what to predict, and it is not imitated. Raises ShapeError as
    `distillation_loss` does.
    """
    if not frames:
        raise ShapeError("no source's frames were given: there is nothing to imitate")
    _check_names(set(frames), source_weights, moments)
    B, T, *rest = prediction.frames.shape
    valid = _predicted_part(valid_BTCHW, torch.Size([B, T + 1, *rest]))
    terms = []
    for source, told in frames.items():
        if told.shape != prediction.frames.shape:
            raise ShapeError(
                f"frames of source {source!r} are {tuple(told.shape)}, the target's {tuple(prediction.frames.shape)}"
            )
        share = _squared_error(prediction.frames, told.to(prediction.frames.dtype), valid)
        if moments and source in moments:
            share = share / moments[source].variance
        terms.append(share * (source_weights or {}).get(source, 1.0))
    return torch.stack(terms).mean()


class StartingPoint:
    """L2-SP: the squared distance of weights from where they began, for those that came from a source.

    Source: Li, Grandvalet, Davoine, Explicit Inductive Bias for Transfer Learning, ICML 2018.
    """

    def __init__(self, parameters: Iterable[nn.Parameter]) -> None:
        """Remembers where `parameters` are now: call it when they were just loaded, before TMUs are added."""
        self._pairs = [(parameter, parameter.detach().clone()) for parameter in parameters]

    def follow(self) -> None:
        """Bring what is remembered to where the parameters have been moved since, and to their precision."""
        self._pairs = [(parameter, began.to(parameter)) for parameter, began in self._pairs]

    def distance(self) -> torch.Tensor:
        """Half the sum of squares, to be multiplied by l2_sp."""
        return 0.5 * torch.stack([(now - began).square().sum() for now, began in self._pairs]).sum()


def _squared_error(predicted: torch.Tensor, wanted: torch.Tensor, valid: torch.Tensor | None) -> torch.Tensor:
    """The mean over valid pixels. Missing ones have no part in it and send back no gradient."""
    if valid is None:
        return F.mse_loss(predicted, wanted)
    error = torch.where(valid, predicted - wanted, 0.0)
    return error.square().sum() / valid.sum().clamp(min=1)


def _predicted_part(valid_BTCHW: torch.Tensor | None, clips: torch.Size) -> torch.Tensor | None:
    """The mask of all frames but the first, which nobody predicts."""
    if valid_BTCHW is None:
        return None
    if valid_BTCHW.shape != clips or valid_BTCHW.dtype != torch.bool:
        raise ShapeError(
            f"valid pixels are {valid_BTCHW.dtype} {tuple(valid_BTCHW.shape)}, not a mask of booleans for clips "
            f"{tuple(clips)}"
        )
    return valid_BTCHW[:, 1:]


def _check_names(
    sources: set[str], source_weights: Mapping[str, float] | None, moments: Mapping[str, Moments] | None
) -> None:
    for what, named in (("source_weights", source_weights), ("moments", moments)):
        if strangers := set(named or ()) - sources:
            raise ShapeError(f"{what} names {sorted(strangers)}, but the sources are {sorted(sources)}")

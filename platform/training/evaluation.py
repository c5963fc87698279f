"""How good a predictor is on clips it never trained on, always beside copying the last frame."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from platform.benchmarks.blocks import ClipBlocks
from platform.benchmarks.tensors import clips_to_tensors
from platform.training.events import EventScores, level_bounds
from platform.training.lpips import LPIPS
from platform.training.metrics import mean_of_defined, per_frame_scores
from tmu_models import VideoPredictor

# B clips, T frames, C channels, H W pixels


@dataclass(frozen=True)
class Evaluation:
    """Mean scores over the predicted part of all clips, and what each clip scored. What is undefined is left out."""

    scores: dict[str, float]  # mse, ssim, psnr; lpips and csi_T, pod_T, far_T where they were asked for
    last_frame: dict[str, float]  # the same for copying the last observed frame; where it lacks a pixel, 0
    seconds_per_clip: float
    per_clip: dict[str, np.ndarray]  # (num_clips,) each; NaN where every pixel of a clip's predicted part is missing


class _Collected:
    """The scores of one way to predict, clip by clip, and its events over all of them."""

    def __init__(self, events: EventScores | None) -> None:
        self.events = events
        self._parts: dict[str, list[np.ndarray]] = {}

    def add(self, true: np.ndarray, predicted: np.ndarray, valid: np.ndarray | None, lpips: LPIPS | None) -> None:
        for name, values_BT in per_frame_scores(true, predicted, lpips, valid_BTCHW=valid).items():
            self._parts.setdefault(name, []).append(mean_of_defined(values_BT, axis=1))
        if self.events is not None:
            self.events.add(true, predicted, valid)

    @property
    def per_clip(self) -> dict[str, np.ndarray]:
        return {name: np.concatenate(parts) for name, parts in self._parts.items()}

    @property
    def scores(self) -> dict[str, float]:
        means = {name: float(mean_of_defined(values, axis=0)) for name, values in self.per_clip.items()}
        pooled = self.events.scores() if self.events is not None else {}
        everything: dict[str, float | None] = {**means, **pooled}
        return {name: value for name, value in everything.items() if value is not None and not np.isnan(value)}


@torch.inference_mode()
def evaluate(
    network: VideoPredictor,
    clips: ClipBlocks,
    input_length: int,
    device: str | torch.device = "cpu",
    *,
    lpips: LPIPS | None = None,
    thresholds: Sequence[float] = (),
) -> Evaluation:
    """Score `network` on every clip of `clips`, on its own predictions after `input_length` frames.

    `thresholds`, in the unit of a measured field, are what counts as an event. Raises UserError as `level_bounds`.
    """
    bounds = level_bounds(clips.store.manifest.encoding, thresholds)
    ours, copying = (_Collected(EventScores(thresholds, bounds) if thresholds else None) for _ in range(2))
    was_training = network.training
    network.eval()
    seconds = 0.0
    for block in range(clips.num_blocks):
        frames, valid = clips_to_tensors(clips.frames(block), device, field=clips.holds_field)
        began = time.perf_counter()
        predicted = predict(network, frames, input_length).cpu().numpy()
        seconds += time.perf_counter() - began
        true = frames[:, input_length:].cpu().numpy()
        mask = None if valid is None else valid[:, input_length:].cpu().numpy()
        copied = np.repeat(frames[:, input_length - 1 : input_length].cpu().numpy(), true.shape[1], axis=1)
        ours.add(true, predicted, mask, lpips)
        copying.add(true, copied, mask, lpips)
    network.train(was_training)
    return Evaluation(
        scores=ours.scores,
        last_frame=copying.scores,
        seconds_per_clip=seconds / clips.num_clips,
        per_clip=ours.per_clip,
    )


def predict(network: VideoPredictor, frames_BTCHW: torch.Tensor, input_length: int) -> torch.Tensor:
    """The frames after the observed ones, (B, T-input_length, C, H, W)."""
    return network(frames_BTCHW, input_length=input_length).frames[:, input_length - 1 :]

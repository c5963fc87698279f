"""How good a predictor is on clips it never trained on, always beside copying the last frame."""

import time
from dataclasses import dataclass

import numpy as np
import torch

from platform.benchmarks.blocks import ClipBlocks
from platform.benchmarks.tensors import clips_to_float
from platform.training.lpips import LPIPS
from platform.training.metrics import per_frame_scores
from tmu_models import VideoPredictor

# B clips, T frames, C channels, H W pixels


@dataclass(frozen=True)
class Evaluation:
    """Mean scores over the predicted part of all clips, and what each clip scored."""

    scores: dict[str, float]  # mse, ssim, psnr, and lpips where it was asked for
    last_frame: dict[str, float]  # the same for copying the last observed frame
    seconds_per_clip: float
    per_clip: dict[str, np.ndarray]  # (num_clips,) each


@torch.inference_mode()
def evaluate(
    network: VideoPredictor,
    clips: ClipBlocks,
    input_length: int,
    device: str | torch.device = "cpu",
    *,
    lpips: LPIPS | None = None,
) -> Evaluation:
    """Score `network` on every clip of `clips`, on its own predictions after `input_length` frames."""
    was_training = network.training
    network.eval()
    predicted_scores: dict[str, list[np.ndarray]] = {}
    copied_scores: dict[str, list[np.ndarray]] = {}
    seconds = 0.0
    for block in range(clips.num_blocks):
        frames = clips_to_float(clips.frames(block), device, field=clips.holds_field)
        began = time.perf_counter()
        predicted = predict(network, frames, input_length).cpu().numpy()
        seconds += time.perf_counter() - began
        true = frames[:, input_length:].cpu().numpy()
        copied = np.repeat(frames[:, input_length - 1 : input_length].cpu().numpy(), true.shape[1], axis=1)
        for kept, guess in ((predicted_scores, predicted), (copied_scores, copied)):
            for name, values_BT in per_frame_scores(true, guess, lpips).items():
                kept.setdefault(name, []).append(values_BT.mean(axis=1))
    network.train(was_training)
    per_clip = {name: np.concatenate(parts) for name, parts in predicted_scores.items()}
    return Evaluation(
        scores={name: float(values.mean()) for name, values in per_clip.items()},
        last_frame={name: float(np.concatenate(parts).mean()) for name, parts in copied_scores.items()},
        seconds_per_clip=seconds / clips.num_clips,
        per_clip=per_clip,
    )


def predict(network: VideoPredictor, frames_BTCHW: torch.Tensor, input_length: int) -> torch.Tensor:
    """The frames after the observed ones, (B, T-input_length, C, H, W)."""
    return network(frames_BTCHW, input_length=input_length).frames[:, input_length - 1 :]

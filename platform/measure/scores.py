"""Scoring a batch of predicted clips against doing the same with scikit-image, frame by frame."""

from dataclasses import dataclass

import numpy as np
from skimage.metrics import mean_squared_error, peak_signal_noise_ratio, structural_similarity

from platform.measure.timing import median_seconds
from platform.training.metrics import per_frame_scores

CLIPS, FRAMES = 64, 10  # of one batch


@dataclass(frozen=True)
class ScoreTimes:
    """Seconds for mse, ssim and psnr of one batch, both with torch's number of threads."""

    batch_s: float
    frame_by_frame_s: float

    @property
    def speedup(self) -> float:
        return self.frame_by_frame_s / self.batch_s


def score_times(*, frame_size: int, repeats: int) -> ScoreTimes:
    """On random grey frames; the time does not depend on their content."""
    draw = np.random.default_rng(0)
    true = draw.random((CLIPS, FRAMES, 1, frame_size, frame_size), np.float32)
    predicted = draw.random(true.shape, np.float32)

    def frame_by_frame() -> list[tuple[float, float, float]]:
        frames = [clips.reshape(-1, *clips.shape[2:]) for clips in (true, predicted)]
        as_bytes = [(clips * 255).astype(np.uint8) for clips in frames]
        return [
            (mean_squared_error(a, b), structural_similarity(p, q, channel_axis=0), peak_signal_noise_ratio(p, q))
            for a, b, p, q in zip(*frames, *as_bytes, strict=True)
        ]

    times = median_seconds(
        {"batch": lambda: per_frame_scores(true, predicted), "frame_by_frame": frame_by_frame}, repeats=repeats
    )
    return ScoreTimes(times["batch"], times["frame_by_frame"])

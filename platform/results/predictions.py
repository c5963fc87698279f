"""A few clips with what a target predicted for them, as a look (`look.py`) holds them."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from platform.config.bounded import Refused


@dataclass(frozen=True)
class Predictions:
    """Clips, uint8. clips (N, T, H, W, C); predicted (N, T-1, H, W, C), where predicted[:, t] is
    the network's frame t+1; the first `input_length` frames were shown to it. `valid` is False where a pixel of the
    clips is missing."""

    clips: np.ndarray
    predicted: np.ndarray
    input_length: int
    valid: np.ndarray | None = None  # bool (N, T, H, W, C); None: nothing is missing

    @cached_property
    def mse(self) -> np.ndarray:
        """Of each clip (N): squared error summed over a frame's pixels in [0, 1], mean of the predicted frames.

        Missing pixels count like the mean of the others, as in the score of that name.
        """
        true = self.clips[:, self.input_length :].astype(np.float32) / 255
        guess = self.predicted[:, self.input_length - 1 :].astype(np.float32) / 255
        errors, there = (true - guess) ** 2, np.ones(true.shape, bool)
        if self.valid is not None:
            there = self.valid[:, self.input_length :]
        counts = there.sum(axis=(2, 3, 4))
        sums = (errors * there).sum(axis=(2, 3, 4)) * np.prod(true.shape[2:]) / np.maximum(counts, 1)
        return sums.sum(axis=1) / np.maximum((counts > 0).sum(axis=1), 1)


def as_predictions(arrays: dict[str, np.ndarray]) -> Predictions:
    """Of an archive's arrays. Raises Refused where they are none, or do not fit together."""
    length = arrays["input_length"]
    if length.shape or length.dtype.kind not in "iu":
        raise Refused("cannot be read")
    return _fitting(arrays["clips"], arrays["predicted"], int(length), arrays.get("valid"))


def _fitting(clips: np.ndarray, predicted: np.ndarray, length: int, valid: np.ndarray | None) -> Predictions:
    agree = clips.ndim == 5 and predicted.shape == (clips.shape[0], clips.shape[1] - 1, *clips.shape[2:])
    agree = agree and (valid is None or (valid.shape == clips.shape and valid.dtype == bool))
    if not (agree and clips.size and clips.dtype == predicted.dtype == np.uint8 and 0 < length < clips.shape[1]):
        raise Refused(
            f"does not fit together (clips {clips.shape} {clips.dtype}, predicted {predicted.shape} "
            f"{predicted.dtype}, input_length {length})"
        )
    return Predictions(clips, predicted, length, valid)

"""LPIPS, the learned perceptual distance: scored where its weights are on disk, named as missing where they are not.

Two public files make it, put by the user into `TMU_HOME/lpips`: torchvision's AlexNet (`BACKBONE`) and the linear
layers of version 0.1 (`LINEAR`) from the package `lpips`. The package itself is not used, because its torchvision would
tie every user to one release of torch. Source: Zhang et al., CVPR 2018; richzhang/PerceptualSimilarity.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import nn

from platform.config.errors import UserError
from tmu_models.torch_file import read_state_dict

BACKBONE = "alexnet-owt-7be5be79.pth"  # https://download.pytorch.org/models/
LINEAR = "alex.pth"  # lpips/weights/v0.1/ of the package's wheel
SMALLEST_FRAME = 31  # pixels: AlexNet's second pooling has nothing to pool below

SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)  # of frames in [-1, 1]
TAPS = (1, 4, 7, 9, 11)  # the rectifiers whose output is compared
WIDTHS = (64, 192, 384, 256, 256)  # their channels
GROUP = 256  # frames that go through AlexNet at once

# N frames, C channels, H W pixels


class LPIPS(nn.Module):
    """`distance` of many frames. Build it with `load_lpips`."""

    def __init__(self, backbone: Mapping[str, torch.Tensor], linear: Mapping[str, torch.Tensor]) -> None:
        """State dicts of the two public files.

        Raises KeyError, TypeError or RuntimeError if they are not those, ValueError for weights that are not finite.
        """
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 64, 11, stride=4, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(64, 192, 5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(192, 384, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(384, 256, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(256, 256, 3, padding=1),
            nn.ReLU(),
        )
        self.linear = nn.ModuleList(nn.Conv2d(width, 1, 1, bias=False) for width in WIDTHS)
        features = {name: weights for name, weights in backbone.items() if name.startswith("features.")}
        taps = {f"linear.{tap}.weight": linear[f"lin{tap}.model.1.weight"] for tap in range(len(TAPS))}
        self.load_state_dict(features | taps)
        for name, weight in self.state_dict().items():
            if not weight.isfinite().all():
                raise ValueError(f"{name} is NaN or infinite")
        self.requires_grad_(False).eval()

    @torch.inference_mode()
    def distance(self, true_NCHW: np.ndarray, predicted_NCHW: np.ndarray) -> np.ndarray:
        """(N,) float64 for float frames in [0, 1], grey or colour; 0 for equal frames, larger is worse."""
        return np.concatenate(
            [
                self._group(true_NCHW[first : first + GROUP], predicted_NCHW[first : first + GROUP])
                for first in range(0, len(true_NCHW), GROUP)
            ]
        )

    def _group(self, true: np.ndarray, predicted: np.ndarray) -> np.ndarray:
        total = torch.zeros(len(true))
        for a, b, linear in zip(self._taps(true), self._taps(predicted), self.linear, strict=True):
            total += linear((a - b) ** 2).mean(dim=(1, 2, 3))
        return total.double().numpy()

    def _taps(self, frames: np.ndarray) -> Iterator[torch.Tensor]:
        """The features of each tap, of length 1 at every place."""
        x = torch.from_numpy(np.ascontiguousarray(frames, np.float32)).expand(-1, 3, -1, -1)
        x = (2 * x - 1 - torch.tensor(SHIFT)[:, None, None]) / torch.tensor(SCALE)[:, None, None]
        for place, layer in enumerate(self.features):
            x = layer(x)
            if place in TAPS:
                yield x / (x.square().sum(dim=1, keepdim=True).sqrt() + 1e-10)


def why_no_lpips(folder: Path, frame_size: int) -> str | None:
    """None where LPIPS can be scored; else what is missing and the repair."""
    missing = [name for name in (BACKBONE, LINEAR) if not (folder / name).is_file()]
    if missing:
        return f"needs {' and '.join(missing)} in {folder} (README, Scores)"
    return f"needs frames of {SMALLEST_FRAME} pixels or more" if frame_size < SMALLEST_FRAME else None


def load_lpips(folder: Path, frame_size: int) -> LPIPS | None:
    """None where weights are missing or frames too small (`why_no_lpips`). Raises UserError for damaged weights."""
    if why_no_lpips(folder, frame_size) is not None:
        return None
    try:
        return LPIPS(*(read_state_dict(folder / name) for name in (BACKBONE, LINEAR)))
    except (RuntimeError, LookupError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise UserError(
            f"the LPIPS weights in {folder} are not the public ones ({reason}); fetch {BACKBONE} and {LINEAR} again, "
            "or remove them to go on without this score"
        ) from error

"""A predictor of rain is scored where it was measured, and on events in the unit of the field."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from platform.benchmarks.blocks import ClipBlocks
from platform.benchmarks.encoding import MISSING, RAIN
from platform.benchmarks.recording import Found, Recording
from platform.benchmarks.store_writer import write_store
from platform.config.errors import UserError
from platform.training.evaluation import Evaluation, evaluate
from platform.training.events import EventScores
from tmu_models import VideoPredictor

THRESHOLDS = (0.5, 10.0)
DRY = 20.0  # mm/h that are never reached


def rain(number: int) -> np.ndarray:
    """Levels (6, 16, 16, 1) up to 10 mm/h, moving; of two videos a corner is missing, of the last all later frames."""
    draw = np.random.default_rng(number)
    field = draw.random((16, 16)) * 10
    frames = RAIN.levels(np.stack([np.roll(field, t, axis=1) for t in range(6)])[..., None])
    if number % 2:
        frames[:, :5, :5] = MISSING
    if number == 3:
        frames[3:] = MISSING
    return frames


@pytest.fixture
def clips(tmp_path: Path) -> ClipBlocks:
    recordings = [Recording(f"v{n}", "1", "rain", f"k{n}", partial(rain, n)) for n in range(4)]
    found = Found(recordings, frame_size=(16, 16), encoding=RAIN)
    store = write_store(tmp_path / "fmi-16", found, dataset="fmi", synthetic=False, reader_version="1")
    return ClipBlocks(
        store, ("1",), categories=None, stride={}, input_length=3, total_length=6, frame_size=16, block_clips=3
    )


class Copying(torch.nn.Module):
    def forward(self, frames: torch.Tensor, *, input_length: int) -> object:
        copied = frames[:, input_length - 1 : input_length].expand(-1, frames.shape[1] - 1, -1, -1, -1)
        return type("Prediction", (), {"frames": copied})


def scored(network: object, clips: ClipBlocks, thresholds: tuple[float, ...] = THRESHOLDS) -> Evaluation:
    return evaluate(network, clips, 3, thresholds=thresholds)  # type: ignore[arg-type]


def stored(clips: ClipBlocks) -> np.ndarray:
    return np.concatenate([clips.frames(block) for block in range(clips.num_blocks)])


def test_what_was_not_measured_is_in_no_score(clips: ClipBlocks) -> None:
    result = scored(Copying(), clips)
    assert result.scores == result.last_frame
    (missing,) = np.flatnonzero(np.isnan(result.per_clip["mse"]))
    assert (stored(clips)[missing, 3:] == MISSING).all()
    for name in ("mse", "ssim", "psnr"):
        assert result.scores[name] == pytest.approx(np.nanmean(result.per_clip[name]))


def test_events_are_counted_in_the_fields_unit(clips: ClipBlocks) -> None:
    values = RAIN.values(stored(clips))
    true, valid = values[:, 3:], ~np.isnan(values[:, 3:])
    copied = np.nan_to_num(np.repeat(values[:, 2:3], 3, axis=1))
    stored_as = RAIN.values(RAIN.levels(np.array(THRESHOLDS))) - 1e-9  # the level as which a threshold is stored
    wanted = EventScores(THRESHOLDS, stored_as.tolist())
    wanted.add(true, copied, valid)
    scores = scored(Copying(), clips).scores
    assert wanted.hits.min() > 0
    for name, value in wanted.scores().items():
        assert scores.get(name) == value


def test_without_events_a_score_is_left_out(clips: ClipBlocks) -> None:
    scores = scored(Copying(), clips, (0.5, DRY)).scores
    assert {name for name in scores if name.startswith(("csi", "pod", "far"))} == {"csi_0.5", "pod_0.5", "far_0.5"}


def test_thresholds_of_pictures_are_refused(clips: ClipBlocks) -> None:
    clips.store.manifest = clips.store.manifest.model_copy(update={"encoding": None})
    with pytest.raises(UserError, match=r"benchmark\.thresholds"):
        scored(Copying(), clips)


def test_a_network_trains_and_is_scored_on_fields_with_missing_pixels(clips: ClipBlocks) -> None:
    torch.manual_seed(0)
    network = VideoPredictor(channels=1, frame_size=(16, 16), patch_size=4, hidden=(4,), kernel_size=3)
    result = scored(network, clips)
    assert np.isfinite([result.scores["mse"], result.scores["ssim"], result.scores["psnr"]]).all()

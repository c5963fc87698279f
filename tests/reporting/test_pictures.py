"""Strips and animations show the frames that they say, at the places that they say."""

import base64
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from platform.reporting.pictures import MISSING_GREY, PANEL, strip, strips
from platform.results.predictions import Predictions
from platform.results.run_folder import RunFolder
from platform.results.summary import RunSummary


def predictions(num_clips: int = 3, length: int = 4, total: int = 10, channels: int = 1) -> Predictions:
    """Clip n: true frames are grey 100, predicted ones miss by 10 (n + 1), so that clip 0 is best."""
    clips = np.full((num_clips, total, 16, 16, channels), 100, np.uint8)
    predicted = np.stack([np.full((total - 1, 16, 16, channels), 110 + 10 * n, np.uint8) for n in range(num_clips)])
    return Predictions(clips, predicted, length)


def image(uri: str) -> Image.Image:
    return Image.open(BytesIO(base64.b64decode(uri.split(",")[1])))


def test_best_median_and_worst_clips_are_chosen_by_their_error() -> None:
    chosen = strips(predictions(num_clips=5))

    assert [s.title.split()[0] for s in chosen] == ["Best", "Median", "Worst"]
    assert [s.mse for s in chosen] == pytest.approx([256 * (d / 255) ** 2 for d in (10, 30, 50)], rel=1e-5)


@pytest.mark.parametrize(("num_clips", "num_strips"), [(1, 1), (2, 2), (3, 3)])
def test_no_clip_is_shown_twice(num_clips: int, num_strips: int) -> None:
    assert len(strips(predictions(num_clips=num_clips))) == num_strips


def test_rows_hold_observed_true_predicted_and_error_frames() -> None:
    rows = {row.label: row for row in strip(predictions(), 0, "a clip").rows}

    assert rows["Observed"].frames == (1, 2, 3, 4)
    assert rows["True"].frames == rows["Predicted"].frames == rows["Error"].frames == (5, 6, 7, 8, 9, 10)
    true, guess = (np.asarray(image(rows[label].uri)) for label in ("True", "Predicted"))
    assert tuple(true[8, 8]) == (100, 100, 100, 255)
    assert tuple(guess[8, 8]) == (110, 110, 110, 255)
    assert true.shape[:2] == guess.shape[:2] == (16, 6 * 17)


def test_a_long_clip_shows_some_frames_and_says_so() -> None:
    row = strip(predictions(total=44), 0, "a long clip").rows[1]

    assert len(row.frames) == 12
    assert (row.frames[0], row.frames[-1]) == (5, 44)
    assert "not every frame is drawn" in row.alt


def test_the_animation_has_every_frame_and_loops(finished_run: RunFolder) -> None:
    shown = RunSummary.read(finished_run.path).predictions
    assert shown is not None

    moving = image(strip(shown, 0, "a clip").animation)
    assert (getattr(moving, "n_frames", 1), moving.info["loop"]) == (20, 0)
    assert moving.size == (3 * (PANEL + 8), PANEL + 8)


def test_frames_in_colour_stay_in_colour() -> None:
    colour = predictions(channels=3)
    colour.clips[..., 0] = 200

    row = strip(colour, 0, "a clip").rows[1]
    assert tuple(np.asarray(image(row.uri))[8, 8]) == (200, 100, 100, 255)


def test_real_digits_give_pictures_of_a_few_kilobytes(finished_run: RunFolder) -> None:
    shown = RunSummary.read(finished_run.path).predictions
    assert shown is not None

    assert sum(len(s.animation) + sum(len(row.uri) for row in s.rows) for s in strips(shown)) < 600_000


def test_missing_pixels_are_grey_and_count_in_no_error() -> None:
    clips = np.full((1, 4, 8, 8, 1), 200, np.uint8)
    predicted = np.full((1, 3, 8, 8, 1), 200, np.uint8)
    predicted[:, :, :4] = 0  # wrong only where nothing was measured
    valid = np.ones(clips.shape, bool)
    valid[:, :, :4] = False
    hidden = Predictions(clips, predicted, 2, valid)
    assert hidden.mse.tolist() == [0.0]
    assert Predictions(clips, predicted, 2).mse[0] > 0
    true, error = (next(row for row in strip(hidden, 0, "x").rows if row.label == label) for label in ("True", "Error"))
    for row in (true, error):
        assert np.asarray(image(row.uri))[:4, :8, :3].tolist() == np.full((4, 8, 3), MISSING_GREY).tolist()

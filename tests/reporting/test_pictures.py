"""Strips and animations show the frames that they say, at the places that they say."""

import base64
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from platform.reporting.gate_pictures import gate_picture
from platform.reporting.pictures import MISSING_GREY, PANEL, Shown, strip, strips
from platform.results.findings import Findings
from platform.results.look import Look
from platform.results.predictions import Predictions
from platform.results.run_folder import RunFolder


def predictions(num_clips: int = 3, length: int = 4, total: int = 10, channels: int = 1) -> Predictions:
    """Clip n: true frames are grey 100, predicted ones miss by 10 (n + 1), so that clip 0 is best."""
    clips = np.full((num_clips, total, 16, 16, channels), 100, np.uint8)
    predicted = np.stack([np.full((total - 1, 16, 16, channels), 110 + 10 * n, np.uint8) for n in range(num_clips)])
    return Predictions(clips, predicted, length)


def image(uri: str) -> Image.Image:
    return Image.open(BytesIO(base64.b64decode(uri.split(",")[1])))


@pytest.fixture(scope="module")
def looks(finished_run: RunFolder) -> tuple[Look, ...]:
    return Findings.read(finished_run.path).looks


def test_best_median_and_worst_clips_are_shown_in_order_of_their_error(looks: tuple[Look, ...]) -> None:
    shown = strips(looks)
    assert [s.title.split(" of ")[0] for s in shown] == ["Best", "Median", "Worst"]
    assert all("of 40 clips, person" in s.title for s in shown)
    errors = [float(s.told.split(",")[0].split()[-1]) for s in shown]
    assert errors == sorted(errors)


def test_targets_stand_side_by_side_on_the_same_clips(looks: tuple[Look, ...]) -> None:
    (first, *_) = strips(looks)
    names = [f"Trial {look.facts.trial}" for look in looks]
    assert [row.label for row in first.rows] == ["Observed", "True", names[0], "Error", names[1], "Error"]
    assert first.panels == ("true", *(name.lower() for name in names))
    other = Look(looks[1].facts.model_copy(update={"kept": ("a", "b", "c")}), *_arrays(looks[1]))
    (alone, *_) = strips([looks[0], other])
    assert [row.label for row in alone.rows] == ["Observed", "True", "Predicted", "Error"]
    assert strips([]) == []


def _arrays(look: Look) -> tuple[Predictions, np.ndarray, np.ndarray]:
    return look.predictions, look.openness, look.steps


def test_gates_are_laid_over_what_the_target_saw(looks: tuple[Look, ...]) -> None:
    look = next(look for look in looks if look.facts.sources)
    picture = gate_picture(look)
    assert picture is not None
    assert picture.low < picture.high
    assert [row.label for row in picture.rows] == [
        "Seen",
        *(f"{source}, layer {layer}" for layer in look.facts.layers for source in look.facts.sources),
    ]
    seen, first = (np.asarray(image(row.uri)) for row in picture.rows[:2])
    assert seen.shape == first.shape
    early, late = first[:, :64, 0].mean(), first[:, -66:-2, 0].mean()
    assert late > early + 10  # these gates open with time, and bright is open


def test_rows_hold_observed_true_predicted_and_error_frames() -> None:
    rows = {row.label: row for row in strip([Shown("Trial 1", predictions())], 0, "a clip").rows}

    assert rows["Observed"].frames == (1, 2, 3, 4)
    assert rows["True"].frames == rows["Predicted"].frames == rows["Error"].frames == (5, 6, 7, 8, 9, 10)
    true, guess = (np.asarray(image(rows[label].uri)) for label in ("True", "Predicted"))
    assert tuple(true[8, 8]) == (100, 100, 100, 255)
    assert tuple(guess[8, 8]) == (110, 110, 110, 255)
    assert true.shape[:2] == guess.shape[:2] == (16, 6 * 17)


def test_a_long_clip_shows_some_frames_and_says_so() -> None:
    row = strip([Shown("Trial 1", predictions(total=44))], 0, "a long clip").rows[1]

    assert len(row.frames) == 12
    assert (row.frames[0], row.frames[-1]) == (5, 44)
    assert "not every frame is drawn" in row.alt


def test_the_animation_has_every_frame_and_loops(looks: tuple[Look, ...]) -> None:
    moving = image(strip([Shown("Trial 1", looks[0].predictions)], 0, "a clip").animation)
    assert (getattr(moving, "n_frames", 1), moving.info["loop"]) == (20, 0)
    assert moving.size == (3 * (PANEL + 8), PANEL + 8)


def test_frames_in_colour_stay_in_colour() -> None:
    colour = predictions(channels=3)
    colour.clips[..., 0] = 200

    row = strip([Shown("Trial 1", colour)], 0, "a clip").rows[1]
    assert tuple(np.asarray(image(row.uri))[8, 8]) == (200, 100, 100, 255)


def test_real_digits_give_pictures_of_a_few_kilobytes(looks: tuple[Look, ...]) -> None:
    assert sum(len(s.animation) + sum(len(row.uri) for row in s.rows) for s in strips(looks)) < 900_000


def test_missing_pixels_are_grey_and_count_in_no_error() -> None:
    clips = np.full((1, 4, 8, 8, 1), 200, np.uint8)
    predicted = np.full((1, 3, 8, 8, 1), 200, np.uint8)
    predicted[:, :, :4] = 0  # wrong only where nothing was measured
    valid = np.ones(clips.shape, bool)
    valid[:, :, :4] = False
    hidden = Predictions(clips, predicted, 2, valid)
    assert hidden.mse.tolist() == [0.0]
    assert Predictions(clips, predicted, 2).mse[0] > 0
    rows = {row.label: row for row in strip([Shown("Trial 1", hidden)], 0, "x").rows}
    true, error = rows["True"], rows["Error"]
    for row in (true, error):
        assert np.asarray(image(row.uri))[:4, :8, :3].tolist() == np.full((4, 8, 3), MISSING_GREY).tolist()

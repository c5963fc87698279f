"""Strips and animations show the frames that they say, at the places that they say."""

import base64
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from platform.reporting.gate_pictures import gate_picture
from platform.reporting.pictures import PANEL, Row, Shown, strip, strips
from platform.reporting.radar_colours import MISSING_GREY, FieldColours
from platform.results.findings import Findings
from platform.results.look import Look, MeasuredField
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


RAIN = MeasuredField(unit="mm/h", values=tuple(n / 4 for n in range(256)), step_s=600)  # byte 4 is 1 mm/h


def of_radar(true: int, told: int, missing: bool = False) -> Predictions:
    """One clip of an even rain, in bytes; where `missing`, its upper half was not measured."""
    valid = np.ones((1, 4, 8, 8, 1), bool)
    valid[:, :, :4] = not missing
    clips = np.where(valid, true, 0).astype(np.uint8)
    return Predictions(clips, np.full((1, 3, 8, 8, 1), told, np.uint8), 2, valid if missing else None)


def color(row: Row, y: int = 6) -> str:
    return f"#{bytes(np.asarray(image(row.uri))[y, 4, :3]).hex()}"


def test_rain_is_drawn_in_the_class_that_its_amount_is_in() -> None:
    drawn = strip([Shown("Trial 1", of_radar(true=20, told=19), RAIN)], 0, "x")  # 5 mm/h, and a little less
    values, differences = drawn.scales
    classes = {label: colour for colour, label in values.swatches}
    rows = {row.label: row for row in drawn.rows}
    assert list(classes) == ["", "0.1", "0.5", "1", "2", "5", "10", "20", "50"]
    assert color(rows["Observed"]) == color(rows["True"]) == classes["5"]
    assert color(rows["Predicted"]) == classes["2"]
    assert [scale.unit for scale in drawn.scales] == ["mm/h", "mm/h"]
    assert dict(differences.swatches)[color(rows["Error"])] == "−0.5"


def test_what_was_foretold_too_low_is_orange_and_too_high_purple() -> None:
    for told, higher, lower in ((4, "red", "blue"), (255, "blue", "green")):
        drawn = strip([Shown("Trial 1", of_radar(true=40, told=told), RAIN)], 0, "x")
        channels = dict(zip(("red", "green", "blue"), np.asarray(image(drawn.rows[-1].uri))[6, 4, :3], strict=True))
        assert channels[higher] > channels[lower] + 40
        assert "orange is too low" in drawn.rows[-1].alt


def test_what_no_radar_reached_is_grey_in_true_and_error_frames() -> None:
    drawn = strip([Shown("Trial 1", of_radar(true=40, told=20, missing=True), RAIN)], 0, "x")
    rows, grey = {row.label: row for row in drawn.rows}, f"#{bytes([MISSING_GREY] * 3).hex()}"
    assert [label for label, row in rows.items() if color(row, y=1) == grey] == ["Observed", "True", "Error"]
    first = np.asarray(image(drawn.animation).convert("RGB"))
    edge, times = 4, PANEL // 8
    assert first[edge + times, edge + times].tolist() == [MISSING_GREY] * 3


def test_the_legend_names_the_grey_of_what_was_not_measured_where_there_is_such() -> None:
    grey = (f"#{bytes([MISSING_GREY] * 3).hex()}", "no data")
    missing = strip([Shown("Trial 1", of_radar(true=40, told=20, missing=True), RAIN)], 0, "x")
    assert [scale.swatches[0] for scale in missing.scales] == [grey, grey]
    assert all(scale.text.endswith("; grey was not measured") for scale in missing.scales)
    whole = strip([Shown("Trial 1", of_radar(true=40, told=20), RAIN)], 0, "x")
    assert all(grey not in scale.swatches and "grey" not in scale.text for scale in whole.scales)


def test_a_class_begins_with_the_byte_nearest_to_its_bound_as_an_event_does() -> None:
    colours = FieldColours.of(MeasuredField(unit="mm/h", values=tuple(0.4996 * n for n in range(256))))
    drawn = colours.paint(np.array([0, 1, 2], np.uint8).reshape(3, 1, 1, 1))
    classes = dict(colours.values.swatches)
    assert [classes[f"#{bytes(rgb).hex()}"] for rgb in drawn[:, 0, 0]] == ["", "0.5", "1"]


def test_a_clip_without_rain_says_so() -> None:
    dry = strip([Shown("Trial 1", of_radar(true=0, told=0), RAIN)], 0, "Best of 4")
    assert dry.title == "Best of 4, below 0.1 mm/h throughout"


def test_gates_of_radar_lie_over_grey_below_what_was_seen_in_colour(looks: tuple[Look, ...]) -> None:
    look = next(look for look in looks if look.facts.sources)
    picture = gate_picture(Look(look.facts.model_copy(update={"field": RAIN}), *_arrays(look)))
    plain = gate_picture(look)
    assert picture is not None
    assert plain is not None
    assert [row.uri == other.uri for row, other in zip(picture.rows, plain.rows, strict=True)][:2] == [False, True]
    assert [scale.name for scale in picture.scales] == ["rain"]
    assert plain.scales == ()

"""Dated frames become recordings that no clip can leave: cut at gaps, at the ends of events, and once each."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from platform.benchmarks.encoding import MISSING, RAIN
from platform.benchmarks.formats.events import TOLERANCE, DatedFile, cut, found_in, parsed_times, usual_step_s
from platform.benchmarks.recording import UnusableFile, Wanted
from platform.config.errors import UserError

Files = list[DatedFile[np.ndarray]]


def times(*minutes: float, day: str = "2020-10-31") -> np.ndarray:
    return np.datetime64(day, "s") + np.array([round(60 * minute) for minute in minutes], "timedelta64[s]")


def dated(name: str, moments: np.ndarray, shape: tuple[int, int] = (4, 6), stamp: str = "1") -> DatedFile[np.ndarray]:
    """A file whose frame k is all k, read from memory."""
    levels = np.broadcast_to(np.arange(len(moments), dtype=np.uint8)[:, None, None], (len(moments), *shape))
    return DatedFile(name, levels, shape, stamp, moments, np.arange(len(moments)))


def read(levels: np.ndarray, numbers: tuple[int, ...]) -> Iterator[np.ndarray]:
    return (levels[number] for number in numbers)


def find(files: Files, *, size: int = 4, event_hours: int = 24) -> "list[tuple[str, str, int | None]]":
    found = found_in(
        {"": files}, read, folder=Path("radar"), wanted=Wanted(size, event_hours=event_hours), encoding=RAIN
    )
    return [(one.name, one.group, one.num_frames) for one in found.recordings]


def test_frames_a_step_apart_are_one_stretch_named_by_its_beginning() -> None:
    (stretch,), repeated = cut(times(5, 10, 15), 24)
    assert (stretch.name, stretch.group) == ("20201031T0005", "2020-10-31")
    assert stretch.frames.tolist() == [0, 1, 2]
    assert not len(repeated)


def test_a_missing_frame_begins_a_new_stretch() -> None:
    stretches, _ = cut(times(0, 5, 10, 20, 25), 24)
    assert [stretch.frames.tolist() for stretch in stretches] == [[0, 1, 2], [3, 4]]


def test_midnight_ends_an_event_and_so_does_every_sixth_hour_when_asked_for() -> None:
    moments = times(*range(23 * 60, 25 * 60, 10))
    assert [stretch.group for stretch in cut(moments, 24)[0]] == ["2020-10-31", "2020-11-01"]
    assert [stretch.group for stretch in cut(moments, 12)[0]] == ["2020-10-31T12", "2020-11-01T00"]


def test_a_few_seconds_more_or_less_are_no_gap_and_a_quarter_of_a_step_is_one() -> None:
    assert len(cut(times(0, 5, 10.1, 14.9, 20), 24)[0]) == 1
    assert len(cut(times(0, 5, 10, 16.3, 21.3), 24)[0]) == 2


def test_order_does_not_matter_and_a_repeated_time_counts_once() -> None:
    (stretch,), repeated = cut(times(10, 0, 5, 10, 5), 24)
    assert stretch.frames.tolist() == [1, 2, 0]
    assert sorted(repeated.tolist()) == [3, 4]


def test_one_frame_and_none_at_all_are_no_special_case() -> None:
    assert [stretch.frames.tolist() for stretch in cut(times(7), 24)[0]] == [[0]]
    assert cut(times(), 24)[0] == []
    assert usual_step_s(times(7)) == 0


def test_seconds_stand_in_a_name_where_there_are_any() -> None:
    assert cut(times(0.5), 24)[0][0].name == "20201031T000030"


@pytest.mark.parametrize("seed", range(60))
def test_however_frames_fall_every_one_is_in_one_stretch_that_has_no_gap(seed: int) -> None:
    """Against the plain reading of the rule, frame by frame."""
    rng = np.random.default_rng(seed)
    step, event_hours = int(rng.choice([60, 150, 300, 600])), int(rng.choice([1, 3, 5, 6, 24, 36, 48]))
    begin = np.datetime64("1969-12-30T22:00:00") + np.timedelta64(int(rng.integers(0, 10**6)), "s")
    slots = rng.choice(400, int(rng.integers(2, 300)), replace=bool(rng.integers(2)))
    jitter = rng.integers(-step // 20, step // 20 + 1, len(slots))
    moments = (begin + (slots * step + jitter).astype("timedelta64[s]")).astype("datetime64[s]")

    stretches, repeated = cut(moments, event_hours)

    placed = np.concatenate([*(stretch.frames for stretch in stretches), repeated])
    assert sorted(placed.tolist()) == list(range(len(moments)))
    kept = np.concatenate([moments[stretch.frames] for stretch in stretches])
    assert (np.diff(kept) > np.timedelta64(0, "s")).all()
    assert set(moments[repeated]) <= set(kept)
    usual, ends = usual_step_s(moments), np.cumsum([len(stretch.frames) for stretch in stretches])[:-1]
    seconds = kept.astype(np.int64)
    for position in range(1, len(kept)):
        gap = abs(seconds[position] - seconds[position - 1] - usual) > TOLERANCE * usual
        crossed = seconds[position] // (3600 * event_hours) != seconds[position - 1] // (3600 * event_hours)
        assert (position in ends) == (gap or crossed)
    assert len({stretch.name for stretch in stretches}) == len(stretches)
    groups = {stretch.group: seconds_of // (3600 * event_hours) for stretch, seconds_of in _begins(stretches, moments)}
    assert len(set(groups.values())) == len(groups)


def _begins(stretches: list, moments: np.ndarray) -> Iterator[tuple]:
    return ((stretch, int(moments[stretch.frames[0]].astype(np.int64))) for stretch in stretches)


def test_a_stretch_goes_on_from_one_file_into_the_next_and_frames_come_in_the_order_of_time() -> None:
    files = [dated("late", times(20, 15)), dated("early", times(10, 5))]
    found = found_in({"": files}, read, folder=Path("radar"), wanted=Wanted(4), encoding=RAIN)
    (recording,) = found.recordings
    assert recording.load()[:, 0, 0, 0].tolist() == [1, 0, 1, 0]  # early's 5 and 10, late's 15 and 20
    assert found.frame_size == (4, 6)
    assert found.provenance["step_s"] == "300"


def test_a_recordings_key_changes_with_its_files_only() -> None:
    keys = []
    for stamp in ("1", "1", "2"):
        files = [dated("a", times(0, 5), stamp=stamp), dated("b", times(0, 5, day="2020-11-02"))]
        found = found_in({"": files}, read, folder=Path("radar"), wanted=Wanted(4), encoding=RAIN)
        keys.append([recording.key for recording in found.recordings])
    assert keys[0] == keys[1]
    assert keys[0][0] != keys[2][0]
    assert keys[0][1] == keys[2][1]


def test_series_are_categories_and_stand_before_names_where_there_are_several() -> None:
    series = {"66": [dated("a", times(0, 5))], "2": [dated("b", times(0, 5))]}
    found = found_in(series, read, folder=Path("radar"), wanted=Wanted(4), encoding=RAIN)
    assert [(one.name, one.category) for one in found.recordings] == [
        ("66-20201031T0000", "66"),
        ("2-20201031T0000", "2"),
    ]


def test_frames_of_another_size_than_most_are_left_out_and_named() -> None:
    files = [dated("a", times(0, 5)), dated("odd", times(10), shape=(6, 8)), dated("b", times(15, 20))]
    found = found_in({"": files}, read, folder=Path("radar"), wanted=Wanted(4), encoding=RAIN)
    assert [one.num_frames for one in found.recordings] == [2, 2]
    (skipped,) = found.skipped
    assert skipped.file == "odd"
    assert "its frames are 6x8, most here are 4x6; prepare them from a folder of their own" in skipped.reason


def test_a_second_copy_of_many_frames_is_named_once() -> None:
    moments = times(*range(0, 300, 5))
    found = found_in(
        {"": [dated("a", moments), dated("copy", moments)]}, read, folder=Path("r"), wanted=Wanted(4), encoding=RAIN
    )
    (skipped,) = found.skipped
    assert skipped.file == "copy"
    assert "found before: 2020-10-31T00:00:00" in skipped.reason
    assert "and 55 more" in skipped.reason


def test_enlarging_is_refused_with_what_to_type() -> None:
    with pytest.raises(UserError, match=r"are 4x6; --size 64 would enlarge them. Give --size 4 or less"):
        find([dated("a", times(0, 5))], size=64)


def test_the_aspect_is_kept_and_missing_places_stay_out_of_the_mean() -> None:
    levels = np.full((1, 4, 8), 10, np.uint8)
    levels[0, :, :2] = MISSING
    levels[0, 0, 2] = MISSING
    file = DatedFile("a", levels, (4, 8), "1", times(0), np.zeros(1, np.int64))
    found = found_in({"": [file]}, read, folder=Path("radar"), wanted=Wanted(2), encoding=RAIN)
    assert found.recordings[0].load()[0, ..., 0].tolist() == [[MISSING, 10, 10, 10], [MISSING, 10, 10, 10]]


def test_a_file_that_gives_fewer_frames_or_others_than_it_promised_is_unusable() -> None:
    short = DatedFile("a", np.zeros((1, 4, 6), np.uint8), (4, 6), "1", times(0, 5), np.arange(2))
    (recording,) = found_in(
        {"": [short]}, _as_many_as_there_are, folder=Path("radar"), wanted=Wanted(4), encoding=RAIN
    ).recordings
    with pytest.raises(UnusableFile, match="1 of 2 frames are there; copy it again"):
        recording.load()
    odd = DatedFile("a", np.zeros((2, 5, 6), np.uint8), (4, 6), "1", times(0, 5), np.arange(2))
    (recording,) = found_in({"": [odd]}, read, folder=Path("r"), wanted=Wanted(4), encoding=RAIN).recordings
    with pytest.raises(UnusableFile, match="its frame 1 is 5x6, not 4x6"):
        recording.load()


def _as_many_as_there_are(levels: np.ndarray, numbers: tuple[int, ...]) -> Iterator[np.ndarray]:
    return (levels[number] for number in numbers if number < len(levels))


def test_a_text_that_is_no_time_is_not_a_time() -> None:
    parsed = parsed_times(["20201031_0010", "20201331_0010", "", "31.10.2020"], "%Y%m%d_%H%M")
    assert np.isnat(parsed).tolist() == [False, True, True, True]

"""The stand-in for radars: dry where it does not rain, moving, growing and decaying, and the same every time."""

import hashlib
from datetime import date

import numpy as np
import pytest

from platform.benchmarks.encoding import MISSING, RAIN, TOP, Encoding
from platform.benchmarks.recording import NumClips, Wanted
from platform.benchmarks.stand_ins.radar import (
    FRAMES,
    SEEN_FROM,
    find_radar,
    find_radar_in_pools,
    make_event,
    vil_of_dbz,
)
from platform.config.datasets import CIKM_HEIGHTS
from platform.config.splits import SPLIT_PRESETS, SplitConfig, matching

VIL = Encoding(unit="VIL level", scale="linear", lowest=0, highest=TOP)
EVENTS = (1, 2, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21)  # of radars without a circle


@pytest.fixture(scope="module")
def events() -> np.ndarray:
    """Levels, uint8 (12, FRAMES, 64, 64)."""
    return np.stack([make_event(number, 64)[..., 0] for number in EVENTS])


def test_sevirs_split_finds_seventy_fifteen_and_fifteen_of_a_hundred() -> None:
    groups = [recording.group for recording in find_radar(Wanted(64)).recordings]
    split = SplitConfig(**SPLIT_PRESETS["sevir_dates"])
    counts = [
        sum(group in matching(split.groups(part), groups) for group in groups)
        for part in ("train", "validation", "test")
    ]
    assert counts == [105, 23, 22]
    assert len(set(groups)) == 150
    assert all(2017 <= date.fromisoformat(group).year <= 2019 for group in groups)


def test_as_many_events_as_asked_for_are_made() -> None:
    found = find_radar(Wanted(16, num_clips=NumClips(train=3, validation=1, test=2)))
    assert [recording.group[:4] for recording in found.recordings] == ["2017", "2017", "2018", "2019", "2019", "2019"]
    assert (
        len({recording.name for recording in find_radar(Wanted(16, num_clips=NumClips(900, 1, 1))).recordings}) == 902
    )


def test_cikms_split_finds_its_pools_and_heights() -> None:
    recordings = find_radar_in_pools(Wanted(64)).recordings
    groups = {recording.group for recording in recordings}
    split = SplitConfig(**SPLIT_PRESETS["cikm_files"])
    for part in ("train", "validation", "test"):
        assert matching(split.groups(part), groups)
    assert {recording.category for recording in recordings} == set(CIKM_HEIGHTS)


def test_an_event_is_the_same_every_time_and_no_two_are_alike() -> None:
    assert np.array_equal(make_event(3, 32), make_event(3, 32))
    assert len({hashlib.sha256(make_event(number, 16).tobytes()).hexdigest() for number in range(12)}) == 12


def test_levels_are_those_that_were_drawn_when_this_was_written() -> None:
    """Made on another processor they must come out the same, or every store gets another fingerprint."""
    assert (
        hashlib.sha256(make_event(1, 64).tobytes()).hexdigest()
        == "fa17b8cc1d3108ef4996bad8b3268b60db835873f3795b6882a932ee6ec3dd8b"
    )


def test_loading_gives_what_was_promised() -> None:
    found = find_radar(Wanted(24))
    frames = found.recordings[1].load()
    assert frames.shape == (FRAMES, 24, 24, 1)
    assert frames.dtype == np.uint8
    assert found.recordings[1].num_frames == FRAMES
    assert (found.frame_size, found.encoding) == ((24, 24), RAIN)


def test_most_of_it_is_dry_and_some_of_it_is_heavy(events: np.ndarray) -> None:
    rain = RAIN.values(events)
    assert 0.05 < (rain > 0).mean() < 0.4
    assert 0.0005 < (rain > 30).mean() < 0.03
    assert rain.max() < 150


def test_frames_resemble_the_next_more_than_later_ones(events: np.ndarray) -> None:
    levels = events.astype(float)
    change = [np.abs(levels[:, lag:] - levels[:, :-lag]).mean() for lag in (1, 3, 12, 24)]
    assert change == sorted(change)
    assert change[0] > 0.5


def test_echoes_move_so_that_following_them_beats_waiting(events: np.ndarray) -> None:
    """The best shift of a frame matches the one half an hour later better than the frame itself, for most events."""
    better = 0
    for event in events.astype(float):
        before, after = event[6], event[12, 10:54, 10:54]
        shifts = [(y, x) for y in range(-9, 10) for x in range(-9, 10)]
        errors = {(y, x): np.abs(before[10 + y : 54 + y, 10 + x : 54 + x] - after).mean() for y, x in shifts}
        better += min(errors.values()) < 0.8 * errors[0, 0]
    assert better >= len(events) / 2


def test_fields_of_rain_grow_and_decay(events: np.ndarray) -> None:
    wet = (events > 0).mean(axis=(2, 3))
    grown = wet[:, -1] / wet[:, 0]
    assert (grown > 1.2).sum() >= 2
    assert (grown < 0.8).sum() >= 2


def test_power_falls_with_the_scale_as_that_of_rain_does(events: np.ndarray) -> None:
    power = np.abs(np.fft.rfft2(events.astype(float) * np.hanning(64)[:, None] * np.hanning(64))) ** 2
    waves = np.hypot(np.fft.fftfreq(64)[:, None], np.fft.rfftfreq(64)[None]) * 64
    spectrum = power.mean(axis=(0, 1))
    at = [spectrum[(waves >= low) & (waves < 2 * low)].mean() for low in (2, 4, 8, 16)]
    slopes = -np.diff(np.log2(at))
    assert (slopes > 1.2).all()
    assert (slopes < 4.5).all()


def test_nothing_that_leaves_on_one_side_comes_in_on_the_other(events: np.ndarray) -> None:
    """Opposite edges are as different as any two columns that far apart."""
    wet = events > 0
    edges = (wet[..., 0] == wet[..., -1]).mean()
    inside = (wet[..., 0] == wet[..., 1]).mean()
    assert edges < inside - 0.05


def test_every_fourth_radar_sees_a_circle_and_nothing_beyond() -> None:
    for number in range(2 * SEEN_FROM):
        missing = make_event(number, 64)[..., 0] == MISSING
        assert (missing == missing[0]).all()
        assert missing[0, 0, 0] == (number % SEEN_FROM == 0)
        assert not missing[:, 24:40, 24:40].any()


def test_sevirs_stand_in_has_sevirs_levels() -> None:
    levels, rain = make_event(1, 32, VIL), make_event(1, 32)
    assert find_radar(Wanted(32), encoding=VIL).encoding == VIL
    assert (levels > 16).mean() < (rain > 0).mean()
    assert 133 < levels.max() <= TOP
    assert vil_of_dbz(np.array([0.0, 30.0, 50.0])) == pytest.approx([0, 79.4, 181.8], abs=0.1)

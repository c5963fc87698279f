"""The stand-in's figures move as people do, differ from each other, and are the same every time."""

from itertools import product
from typing import Any

import numpy as np
import pytest

from platform.benchmarks.recording import Wanted
from platform.benchmarks.stand_ins.figure_motion import GAITS, Bone, Manner, pose, stride_speed
from platform.benchmarks.stand_ins.figures import find_figures, paint_video
from platform.config.datasets import KTH_ACTIONS

CYCLES = 120  # frames: several cycles of any movement


def bones(action: str, cloth: str) -> list[Bone]:
    return [bone for bone in pose(action, CYCLES, 0.3, Manner()) if bone.cloth == cloth]


def thigh_angles(action: str) -> list[np.ndarray]:
    """Angle of the two thighs from straight down over time, degrees; forward positive."""
    thighs = bones(action, "trousers")[::2]
    ways = [thigh.end - thigh.start for thigh in thighs]
    return [np.degrees(np.arctan2(way[:, 0], -way[:, 1])) for way in ways]


def knee_bends(action: str) -> list[np.ndarray]:
    legs = bones(action, "trousers")
    shins = [shin.end - shin.start for shin in legs[1::2]]
    shin_angles = [np.degrees(np.arctan2(way[:, 0], -way[:, 1])) for way in shins]
    return [thigh - shin for thigh, shin in zip(thigh_angles(action), shin_angles, strict=True)]


def hands(action: str) -> list[np.ndarray]:
    """(T, 2) of each hand. Hands are the last skin-coloured bone of an arm."""
    return [bone.end for bone in bones(action, "skin") if bone.radius == 0.027]


def darkest_column(frames: np.ndarray) -> np.ndarray:
    """Where the figure is, in columns, frame by frame: what differs from the scene of that video."""
    scene = np.median(frames[..., 0], axis=0)
    moving = np.abs(frames[..., 0].astype(float) - scene) > 25
    columns = np.arange(frames.shape[2])
    return (moving.sum(axis=1) * columns).sum(axis=1) / np.maximum(moving.sum(axis=(1, 2)), 1)


def test_all_persons_actions_and_scenarios_are_there() -> None:
    recordings = find_figures(Wanted(64)).recordings
    names = {f"person{p:02d}_{a}_d{s}" for p, a, s in product(range(1, 26), KTH_ACTIONS, range(1, 5))}
    assert {recording.name for recording in recordings} == names
    assert {recording.group for recording in recordings} == {str(person) for person in range(1, 26)}


def test_a_video_has_the_length_and_ranges_that_were_planned() -> None:
    for recording in find_figures(Wanted(32)).recordings[::97]:
        frames = recording.load()
        assert frames.shape == (recording.num_frames, 32, 32, 1)
        assert recording.ranges is not None
        assert recording.ranges[-1][1] == recording.num_frames
        assert all(end - first >= 30 for first, end in recording.ranges)  # a clip of 20 fits


def test_a_video_is_the_same_every_time_and_differs_from_its_neighbours() -> None:
    frames = paint_video(4, "walking", 1, 32)
    assert np.array_equal(frames, paint_video(4, "walking", 1, 32))
    for other in ((5, "walking", 1), (4, "jogging", 1), (4, "walking", 3)):
        assert not np.array_equal(frames[:20], paint_video(*other, 32)[:20])


@pytest.mark.parametrize("action", GAITS)
def test_legs_swing_in_antiphase_and_arms_against_them(action: str) -> None:
    far_leg, near_leg = thigh_angles(action)
    assert np.corrcoef(far_leg, near_leg)[0, 1] < -0.9
    far_hand, near_hand = (hand[:, 0] for hand in hands(action))
    assert np.corrcoef(near_leg, near_hand)[0, 1] < -0.6
    assert np.corrcoef(far_leg, far_hand)[0, 1] < -0.6


@pytest.mark.parametrize("action", GAITS)
def test_knees_bend_backward_only_and_stretch_again(action: str) -> None:
    for bend in knee_bends(action):
        assert bend.min() >= 0
        assert bend.min() < 15
        assert bend.max() > 40


@pytest.mark.parametrize("action", GAITS)
def test_feet_touch_the_ground_and_never_sink(action: str) -> None:
    lowest = np.minimum.reduce([np.minimum(b.start[:, 1] - 0.03, b.end[:, 1]) for b in bones(action, "shoes")])
    assert lowest.min() > -1e-9
    assert lowest.min() < 0.01


def test_running_is_faster_than_jogging_than_walking_with_higher_knees_and_more_lean() -> None:
    speeds = [stride_speed(action, Manner()) for action in GAITS]
    bends = [max(bend.max() for bend in knee_bends(action)) for action in GAITS]
    leans = [GAITS[action].lean for action in GAITS]
    assert speeds == sorted(speeds)
    assert bends == sorted(bends)
    assert leans == sorted(leans)


def test_boxers_punch_by_turns() -> None:
    far, near = (hand[:, 0] for hand in hands("boxing"))
    assert far.max() - far.min() > 0.15
    assert np.corrcoef(far, near)[0, 1] < -0.3
    assert np.minimum(far, near).max() < 0.28  # never both out


def test_clapping_hands_meet_and_part() -> None:
    left, right = hands("handclapping")
    apart = right[:, 0] - left[:, 0]
    assert apart.min() < 0.06
    assert apart.max() > 0.5
    assert np.allclose(left[:, 1], right[:, 1])


def test_waving_hands_go_from_below_the_shoulders_to_above_the_head() -> None:
    for hand in hands("handwaving"):
        assert hand[:, 1].min() < 0.7
        assert hand[:, 1].max() > 1.05


@pytest.mark.parametrize("action", GAITS)
def test_walkers_cross_the_frame_from_edge_to_edge(action: str) -> None:
    recording = next(r for r in find_figures(Wanted(64)).recordings if r.name == f"person03_{action}_d1")
    first, end = (recording.ranges or ())[0]
    place = darkest_column(recording.load()[first:end])
    assert abs(place[-4] - place[3]) > 35
    ways = np.sign(np.diff(place[::5]))
    assert abs(ways.sum()) >= len(ways) - 1  # one direction


def test_figures_go_both_ways() -> None:
    ways = {paint_direction(person) for person in range(1, 9)}
    assert ways == {-1, 1}


def paint_direction(person: int) -> int:
    place = darkest_column(paint_video(person, "walking", 1, 32))
    return int(np.sign(place[-4] - place[3]))


def test_the_second_outdoor_scenario_changes_the_figures_size() -> None:
    def heights(scenario: int) -> Any:
        video = paint_video(2, "handclapping", scenario, 64)[..., 0]
        dark = (video < 100).any(axis=2)
        return dark.sum(axis=1)

    assert np.ptp(heights(2)) > np.ptp(heights(1)) + 3

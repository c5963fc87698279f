"""The interval of a paired difference holds the truth as often as it says, whichever way chance enters."""

import numpy as np
import pytest

from platform.results import paired
from platform.results.paired import holm, paired_difference

TRIALS = 400


def table(
    generator: np.random.Generator, seeds: int, videos: int, per_video: int, *, of_seeds: float, of_videos: float
) -> tuple[np.ndarray, np.ndarray]:
    """Differences (seeds, clips) around 0, with standard deviations of what a seed, a video, and neither explains."""
    names = np.repeat(np.arange(videos), per_video).astype(str)
    by_video = np.repeat(generator.normal(0, of_videos, videos), per_video)
    by_seed = generator.normal(0, of_seeds, (seeds, 1))
    return by_seed + by_video + generator.normal(0, 1, (seeds, videos * per_video)), names


@pytest.mark.parametrize(
    ("seeds", "of_seeds", "of_videos"),
    [(3, 1.0, 0.0), (5, 1.0, 0.0), (3, 0.0, 2.0), (5, 0.0, 2.0), (5, 0.5, 2.0), (10, 0.3, 1.0)],
    ids=["3 seeds differ", "5 seeds differ", "3, videos differ", "5, videos differ", "both", "10, both"],
)
def test_an_interval_holds_the_truth_as_often_as_it_says(
    seeds: int, of_seeds: float, of_videos: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paired, "NUM_DRAWS", 1000)
    generator = np.random.default_rng(7)
    holds, small = 0, 0
    for _ in range(TRIALS):
        differences, names = table(generator, seeds, 40, 3, of_seeds=of_seeds, of_videos=of_videos)
        found = paired_difference(differences, names)
        assert found is not None
        holds += found.interval[0] <= 0 <= found.interval[1]
        small += found.p < 0.05
    assert 0.92 <= holds / TRIALS <= 0.99  # 0.95 with a standard error of 0.011, and what is drawn twice widens it
    assert abs((1 - small / TRIALS) - holds / TRIALS) < 0.02


def test_clips_of_one_video_count_as_one_observation_and_no_more() -> None:
    generator = np.random.default_rng(1)
    differences, names = table(generator, 4, 30, 1, of_seeds=0.0, of_videos=3.0)
    once, copied = paired_difference(differences, names), paired_difference(differences.repeat(20, 1), names.repeat(20))
    assert once is not None
    assert copied is not None
    assert copied.num_clips == 20 * once.num_clips
    assert copied.num_videos == once.num_videos == 30
    assert copied.interval == pytest.approx(once.interval)


def test_a_clear_difference_is_found_and_clips_without_a_number_are_left_out() -> None:
    differences, names = table(np.random.default_rng(2), 5, 40, 3, of_seeds=0.1, of_videos=1.0)
    differences[1, :6] = np.nan
    found = paired_difference(differences - 4, names)
    assert found is not None
    assert found.mean == pytest.approx((differences[:, 6:] - 4).mean())
    assert found.interval[1] < -3
    assert found.p < 1e-3
    assert (found.num_seeds, found.num_clips, found.num_videos) == (5, 114, 38)
    assert paired_difference(differences - 4, names) == found


def test_what_cannot_tell_chance_from_difference_says_nothing() -> None:
    assert paired_difference(np.ones((1, 20)), np.arange(20).astype(str)) is None
    assert paired_difference(np.ones((5, 20)), np.zeros(20).astype(str)) is None


def test_holm_corrects_for_how_many_were_looked_at() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])  # 3*0.01, 2*0.03, and never below the last
    assert holm([0.6, 0.9]) == pytest.approx([1.0, 1.0])
    assert holm([]) == []

"""The bench's comparison of scoring times measures both sides."""

from platform.measure.scores import score_times


def test_both_sides_are_timed() -> None:
    times = score_times(frame_size=16, repeats=1)
    assert times.batch_s > 0
    assert times.frame_by_frame_s > 0
    assert times.speedup == times.frame_by_frame_s / times.batch_s

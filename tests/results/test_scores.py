"""Numbers are written as people write them, and never as NaN."""

import math

import pytest

from platform.results.scores import plain_number, readable_bytes, readable_count, readable_time, score, shown, summed_up


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (32.14, "32.1"),
        (36.0, "36"),
        (1239.6, "1,240"),
        (3e-4, "3.0e-4"),
        (0.05, "0.05"),
        (math.inf, "infinite"),
    ],
)
def test_a_plain_number_has_three_digits(value: float, text: str) -> None:
    assert plain_number(value) == text


def test_a_score_keeps_its_zeros_and_its_unit() -> None:
    assert score("mse").text(36.02) == "36.0"
    assert score("ssim").text(0.9) == "0.900"
    assert score("psnr").text(27.0) == "27.0\u00a0dB"
    assert score("parameters").text(83_200) == "83.2 thousand"


def test_a_score_that_is_missing_is_a_dash_and_an_infinite_one_says_so() -> None:
    assert score("mse").text(None) == score("mse").text(math.nan) == "–"
    assert score("psnr").text(math.inf) == "infinite"


def test_every_score_is_held_against_copying_the_last_frame() -> None:
    assert score("mse").against(30, 40) == "25\u00a0% lower than copying the last frame (40.0)"
    assert score("mse").against(44, 40) == "10\u00a0% higher than copying the last frame (40.0)"
    assert score("ssim").against(0.9, 0.75) == "0.150 higher than copying the last frame (0.750)"
    assert score("psnr").against(math.inf, 21.0) == "beside copying the last frame (21.0\u00a0dB)"


def test_which_way_is_better_is_known_by_name_unless_the_run_says() -> None:
    assert score("ssim").is_better(0.9, 0.8)
    assert score("mse").is_better(0.8, 0.9)
    assert score("csi_16").higher_is_better
    assert score("sharpness", higher_is_better=True).is_better(2, 1)


def test_times_counts_and_bytes_are_readable() -> None:
    assert [readable_time(s) for s in (0.25, 41, 200, 7500)] == ["0.25 s", "41 s", "3 min 20 s", "2 h 5 min"]
    assert [readable_count(n) for n in (1204, 83_200, 3.1e6)] == ["1,204", "83.2 thousand", "3.1 million"]
    assert [readable_bytes(n) for n in (812, 20.4e6, 3.1e9)] == ["812 bytes", "20.4 MB", "3.1 GB"]


def test_event_scores_are_told_after_the_others_in_order_of_their_thresholds() -> None:
    names = ["far_16", "csi_133", "epoch", "csi_16", "psnr", "mse", "pod_16"]
    assert shown(names) == ["mse", "psnr", "csi_16", "csi_133", "pod_16", "far_16"]
    assert summed_up(names) == ["mse", "psnr", "csi_16", "csi_133"]
    assert shown(["csi_1.2.3", "csi_e", "csi_", "csi_1e-05", "csi_-10"]) == ["csi_-10", "csi_1e-05"]
    assert score("csi_16").axis == "critical success index at 16 (CSI), 0 to 1, higher is better"
    assert not score("far_2.5").higher_is_better

"""What a search costs besides its trials, measured on a real one."""

from pathlib import Path

import pytest

from platform.tuning.orchestration import orchestration_seconds


@pytest.mark.usefixtures("local_ray")
@pytest.mark.timeout(900)  # makes a stand-in, and starts workers twice
@pytest.mark.parametrize("at_once", [1, 2])
def test_orchestration_is_what_a_search_takes_beyond_its_trials(
    at_once: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    got = orchestration_seconds(num_trials=3, at_once=at_once, cpus=0.5)
    assert (got.num_trials, got.at_once) == (3, at_once)
    assert 0 < got.inside_s < at_once * got.wall_s
    assert 0 < got.first_result_s < got.wall_s
    assert got.per_trial_s == pytest.approx((at_once * got.wall_s - got.inside_s) / 3)
    assert list(tmp_path.iterdir()) == [], "it left files behind"

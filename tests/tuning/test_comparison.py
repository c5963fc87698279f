"""A comparison: every setting with every seed, the same clips and steps, nothing chosen."""

from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from platform.config.home import Home
from platform.config.run import RunConfig
from platform.reporting.comparison_page import render_comparison
from platform.results.comparison import Comparison, is_comparison
from platform.results.run_folder import RunFolder
from platform.tuning.comparison import jobs_of, run_comparison

SETTINGS = (
    "compare={seeds: 2, settings: {scratch: {}, tmu: {sources: [one]}, control: {sources: [one], distil: {weight: 0}}}}"
)


@pytest.mark.timeout(900)  # six trials on a real Ray take 15 s
@pytest.mark.usefixtures("local_ray")
def test_every_setting_is_trained_with_every_seed(
    tiny_home: Home, tiny_config: Callable[..., RunConfig], tmp_path: Path
) -> None:
    folder = RunFolder(tmp_path / "r")
    config = tiny_config(SETTINGS, "training.epochs=2")
    assert run_comparison(config, folder, tiny_home, Console(quiet=True)) == "whole"
    comparison = Comparison.read(folder.path)
    rows = {row.setting: row for row in comparison.rows}
    assert list(rows) == ["scratch", "tmu", "control"]
    assert all([trial.seed for trial in row.trials] == [0, 1] for row in rows.values())
    assert [trial.sources for trial in rows["tmu"].trials] == [("one",), ("one",)]
    first, second = (trial.metrics["mse"] for trial in rows["scratch"].trials)
    assert first != second
    assert rows["scratch"].scores["mse"].mean == pytest.approx((first + second) / 2)
    assert rows["tmu"].parameters == rows["control"].parameters
    assert (rows["tmu"].parameters or 0) > (rows["scratch"].parameters or 0)
    idle = rows["control"].trials[0].memory
    assert idle["computed"] + idle["ready"] == 0
    page = render_comparison(folder.path).read_text()
    assert rows["tmu"].scores["mse"].text(2) in page
    assert is_comparison(folder.path)


def test_seeds_come_whole_so_that_a_broken_comparison_is_balanced(tiny_config: Callable[..., RunConfig]) -> None:
    jobs = jobs_of(tiny_config(SETTINGS))
    assert [(job.seed, job.name) for job in jobs] == [
        (seed, name) for seed in (0, 1) for name in ("scratch", "tmu", "control")
    ]


def test_what_a_setting_leaves_out_it_takes_from_trial(tiny_config: Callable[..., RunConfig]) -> None:
    config = tiny_config("trial={learning_rate: 0.5, distil: {weight: 0.7}}", SETTINGS)
    tmu, control = config.compare.settings["tmu"], config.compare.settings["control"]
    assert (tmu.learning_rate, tmu.distil.weight) == (0.5, 0.7)
    assert (control.learning_rate, control.distil.weight) == (0.5, 0.0)

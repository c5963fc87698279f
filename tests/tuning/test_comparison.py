"""A comparison: every setting with every seed, the same clips and steps, nothing chosen."""

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from platform.config.home import Home
from platform.config.run import RunConfig
from platform.config.training import TrainingConfig
from platform.results.record import TrialRecord
from platform.results.run_folder import RunFolder
from platform.tuning.comparison import comparison_rows, comparison_table, jobs_of, mean_and_interval, run_comparison

SETTINGS = (
    "compare={seeds: 2, settings: {scratch: {}, tmu: {sources: [one]}, control: {sources: [one], distil: {weight: 0}}}}"
)


@pytest.mark.timeout(180)  # six trials on a real Ray take 15 s
@pytest.mark.usefixtures("local_ray")
def test_every_setting_is_trained_with_every_seed(
    tiny_home: Home, tiny_config: Callable[..., RunConfig], tmp_path: Path
) -> None:
    config = tiny_config(SETTINGS, "training.epochs=2")
    by_name, interrupted = run_comparison(config, RunFolder(tmp_path / "r"), tiny_home, Console(quiet=True))
    assert not interrupted
    assert {name: [record.seed for record in records] for name, records in by_name.items()} == {
        "scratch": [0, 1],
        "tmu": [0, 1],
        "control": [0, 1],
    }
    assert all(record.state == "finished" for records in by_name.values() for record in records)
    seeds = [record.metrics["mse"] for record in by_name["scratch"]]
    assert seeds[0] != seeds[1]
    rows = {row["setting"]: row for row in comparison_rows(by_name, config.training)}
    assert rows["scratch"]["mse"] == pytest.approx(sum(seeds) / 2)
    assert rows["tmu"]["parameters"] == rows["control"]["parameters"] > rows["scratch"]["parameters"]
    assert by_name["control"][0].memory["computed"] + by_name["control"][0].memory["ready"] == 0
    console = Console(record=True, width=120, file=io.StringIO())
    console.print(comparison_table(list(rows.values()), "digits"))
    assert f"{rows['tmu']['mse']:.2f} ± {rows['tmu']['mse_interval']:.2f}" in console.export_text()


@pytest.mark.parametrize(("schedule", "told"), [("constant", [True, False]), ("cosine", [None, None])])
def test_a_flat_end_is_told_only_where_the_learning_rate_did_not_make_it(schedule: str, told: list) -> None:
    curves = {"flat": [9.0, 5.0, 4.0, 4.0, 4.0], "falling": [9.0, 8.0, 7.0, 6.0, 5.0]}
    by_name = {
        name: [
            TrialRecord(
                trial=0,
                id="00000",
                state="finished",
                seed=0,
                settings={},
                metrics={"mse": curve[-1]},
                curve=tuple({"epoch": float(epoch), "mse": mse} for epoch, mse in enumerate(curve)),
            )
        ]
        for name, curve in curves.items()
    }
    training = TrainingConfig.model_validate({"schedule": schedule})
    assert [row["levelled_off"] for row in comparison_rows(by_name, training)] == told


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


def test_the_interval_is_students() -> None:
    mean, half = mean_and_interval([1.0, 2.0, 3.0])
    assert mean == 2.0
    assert half == pytest.approx(4.302653 / 3**0.5)
    assert mean_and_interval([4.0]) == (4.0, None)

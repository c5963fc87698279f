"""The effect of a source: means, counts and intervals that the data bears, and no more than that."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from platform.results.effects import difference_of_means, source_effects
from platform.results.importances import importances
from platform.results.record import TrialRecord, write_results
from platform.results.run_folder import RunFolder
from platform.results.summary import RunSummary


def summary_of(path: Path, scores: list[tuple[str, float]], stopped: int = 0) -> RunSummary:
    """Trials as (source or "", mse), then so many with source `a` that ASHA stopped."""
    rows = [(source, mse, "finished") for source, mse in scores] + [("a", 99.0, "stopped")] * stopped
    records = [
        TrialRecord(
            trial=number,
            id=str(number),
            state=state,  # type: ignore[arg-type]
            seed=0,
            settings={"sources": [source] if source else []},
            metrics={"mse": mse},
        )
        for number, (source, mse, state) in enumerate(rows)
    ]
    folder = RunFolder(path)
    folder.config.write_text("name: kth\n")
    write_results(folder.results, records)
    return RunSummary.read(path)


def test_the_difference_is_that_of_the_means_and_stopped_trials_are_only_counted(tmp_path: Path) -> None:
    (effect,) = source_effects(summary_of(tmp_path, [("a", 10.0), ("a", 14.0), ("", 20.0)], stopped=3))

    assert (effect.inside.mean, effect.outside.mean, effect.difference) == (12.0, 20.0, -8.0)
    assert (len(effect.inside.scores), effect.inside.num_stopped) == (2, 3)


def test_no_interval_is_given_for_three_trials(tmp_path: Path) -> None:
    (effect,) = source_effects(summary_of(tmp_path, [("a", 1.0), ("a", 2.0), ("a", 3.0)] + [("", 9.0)] * 5))

    assert effect.inside.interval is None
    assert effect.interval is None
    assert not effect.is_clear


def test_a_source_that_every_trial_drew_has_no_difference(tmp_path: Path) -> None:
    (effect,) = source_effects(summary_of(tmp_path, [("a", 1.0), ("a", 2.0)]))

    assert effect.outside.mean is None
    assert effect.difference is None


@pytest.mark.parametrize(
    ("sizes", "signs"),
    [((4, 4), (1, -1)), ((4, 40), (1, -1)), ((20, 20), (1, -1)), ((4, 4, 4, 4), (1, -1, -1, 1))],
    ids=str,
)
def test_the_interval_covers_the_true_difference_as_often_as_it_says(
    sizes: tuple[int, ...], signs: tuple[int, ...]
) -> None:
    """Of 2,000 intervals 95 % are 1,900; fewer than 1,865, or more than 1,980, is no matter of chance. Welch's are
    somewhat wide where groups are small."""
    generator, hits, false = np.random.default_rng(0), 0, 0
    for _ in range(2000):
        found = difference_of_means([generator.normal(10, 2, size).tolist() for size in sizes], signs)
        assert found is not None
        assert found.interval is not None
        assert found.p is not None
        hits += found.interval[0] <= 0 <= found.interval[1]
        false += found.p < 0.05
    assert 1865 <= hits <= 1980
    assert false == 2000 - hits


def test_what_is_called_clear_is_corrected_for_the_number_of_sources(tmp_path: Path) -> None:
    """Twenty sources that do nothing: hardly ever is one of them clear."""
    generator, names = np.random.default_rng(1), [f"s{number:02}" for number in range(20)]
    runs_with_a_find = 0
    for run in range(40):
        drawn = generator.random((60, 20)) < 0.5
        records = [
            TrialRecord(
                trial=number,
                id=str(number),
                state="finished",
                seed=0,
                settings={"sources": [name for name, there in zip(names, row, strict=True) if there]},
                metrics={"mse": float(generator.normal(30, 2))},
            )
            for number, row in enumerate(drawn)
        ]
        folder = RunFolder(tmp_path / str(run))
        folder.path.mkdir()
        folder.config.write_text("name: kth\n")
        write_results(folder.results, records)
        runs_with_a_find += any(effect.is_clear for effect in source_effects(RunSummary.read(folder.path)))
    assert runs_with_a_find <= 6  # 2 of 40; uncorrected about 26


def test_a_rule_in_the_data_is_found_by_effects_and_importances(
    tmp_path: Path, build_run: Callable[..., RunFolder]
) -> None:
    """The builder's rule: digits_2 helps by 4, the learning rate by up to 8, the rest by nothing."""
    run = build_run(tmp_path / "run", num_trials=60)
    effects = {effect.source: effect for effect in source_effects(RunSummary.read(run.path))}
    found = importances(run)

    assert effects["digits_2"].is_clear
    assert effects["digits_2"].difference == pytest.approx(-4, abs=2)
    assert set(list(found.shares)[:2]) == {"learning_rate", "source.digits_2"}
    assert sum(found.shares.values()) == pytest.approx(1)


def test_importances_of_a_small_missing_or_damaged_study_say_why_there_are_none(
    tmp_path: Path, build_run: Callable[..., RunFolder]
) -> None:
    run = build_run(tmp_path / "run", num_trials=5)
    assert importances(run).why_not == "Too few finished trials to tell: 4, at least 8 needed."

    run.study.write_bytes(b"no database" * 100)
    assert "cannot be read" in (importances(run).why_not or "")

    run.study.unlink()
    assert importances(run).why_not == "The study (study.db) is not there."


def test_reading_the_study_of_a_running_search_changes_nothing(finished_run: RunFolder) -> None:
    before = finished_run.study.read_bytes()
    importances(finished_run)

    assert finished_run.study.read_bytes() == before

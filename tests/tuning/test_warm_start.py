"""What an earlier run found out, told to the study of a new one."""

from collections.abc import Callable
from pathlib import Path

import optuna
import pytest

from platform.config.errors import UserError
from platform.config.resolved import dump_run
from platform.config.run import RunConfig
from platform.results.record import TrialRecord, write_results
from platform.results.run_folder import RunFolder
from platform.tuning.searcher import TrialSearcher
from platform.tuning.space import SettingsSpace
from platform.tuning.warm_start import WarmStart

Config = Callable[..., RunConfig]
NUM_TRIALS = 12


@pytest.fixture
def earlier(tiny_config: Config, tmp_path: Path) -> Path:
    """A run of twelve trials, the first of which failed; trial n has an mse of 50 - n."""
    config, folder = tiny_config(), RunFolder(tmp_path / "earlier")
    folder.path.mkdir()
    folder.config.write_text(dump_run(config))
    space, study = SettingsSpace(config.search.space, config.trial), optuna.create_study(sampler=sampler())
    records = [
        TrialRecord(
            trial=number,
            id=f"{number:05d}",
            state="finished" if number else "failed",
            seed=number,
            settings=space.draw(study.ask()).model_dump(mode="json"),
            metrics={"mse": 50.0 - number, "ssim": 0.5},
        )
        for number in range(NUM_TRIALS)
    ]
    write_results(folder.results, records)
    return folder.path


def sampler() -> optuna.samplers.BaseSampler:
    return optuna.samplers.RandomSampler(seed=0)


def searcher(config: RunConfig, warm_start: WarmStart) -> TrialSearcher:
    space = SettingsSpace(config.search.space, config.trial)
    return TrialSearcher(space, config.search, optuna.storages.InMemoryStorage(), warm_start=warm_start)


def test_a_study_begins_with_what_an_earlier_run_found_out(tiny_config: Config, earlier: Path) -> None:
    warm = WarmStart.read(earlier, tiny_config())
    assert [trial.value for trial in warm.told] == [50.0 - number for number in range(1, NUM_TRIALS)]
    assert (
        warm.said == f"11 of 11 finished trials of {earlier} overlap with this search; its study begins with 11 of them"
    )
    first = searcher(tiny_config(), warm).suggest("a")
    assert first["trial"] == 11
    assert first["settings"]["sources"] == []


def test_only_what_the_new_space_could_have_drawn_is_told(tiny_config: Config, earlier: Path) -> None:
    narrow = tiny_config("search.space.learning_rate.float=[1e-3, 3e-3]")
    warm = WarmStart.read(earlier, narrow)
    rates = [trial.params["learning_rate"] for trial in warm.told]
    assert 0 < len(rates) < 11
    assert max(rates) <= 3e-3
    wide = tiny_config("search.space.learning_rate.float=[1e-5, 1]")
    assert len(WarmStart.read(earlier, wide).told) == 11


def test_a_source_that_was_made_otherwise_is_another_source(tiny_config: Config, earlier: Path) -> None:
    warm = WarmStart.read(earlier, tiny_config("sources.two.pretraining.epochs=9"))
    assert 0 < len(warm.told) < 11
    assert not any(trial.params["source.two"] for trial in warm.told)


def test_scores_of_another_scale_are_not_told_but_their_best_settings_tried_first(
    tiny_config: Config, earlier: Path
) -> None:
    longer = tiny_config("training.epochs=7", "search.trials=9")
    warm = WarmStart.read(earlier, longer)
    assert warm.told == ()
    assert len(warm.tried_first) == 5
    assert "training.epochs: 7 here, 3 there" in warm.said
    tried = searcher(longer, warm)
    suggested = [tried.suggest(name)["settings"]["learning_rate"] for name in "abcde"]
    assert suggested == [parameters["learning_rate"] for parameters in warm.tried_first]


def test_another_objective_is_told_where_it_was_recorded(tiny_config: Config, earlier: Path) -> None:
    assert [trial.value for trial in WarmStart.read(earlier, tiny_config("search.objectives=[ssim]")).told] == [
        0.5
    ] * 11
    assert WarmStart.read(earlier, tiny_config("search.objectives=[psnr]")).told == ()


def test_what_is_no_run_is_refused(tiny_config: Config, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is no run folder"):
        WarmStart.read(tmp_path, tiny_config())

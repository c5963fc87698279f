"""What an earlier run found out, told to the study of a new one."""

from collections.abc import Callable
from pathlib import Path

import optuna
import pytest

from platform.config.errors import UserError
from platform.config.resolved import dump_run
from platform.config.run import RunConfig
from platform.results.record import TrialRecord, read_results, write_results
from platform.results.run_folder import RunFolder
from platform.tuning.keeping.made_with import RunProvenance, UsedSource
from platform.tuning.study.searcher import TrialSearcher
from platform.tuning.study.space import SettingsSpace
from platform.tuning.study.warm_start import WARM, WarmStart, check_warm_start

Config = Callable[..., RunConfig]
NUM_TRIALS = 12


@pytest.fixture
def earlier(tiny_config: Config, tmp_path: Path) -> Path:
    """A run of twelve trials, the first of which failed; trial n has an mse of 50 - n."""
    config, folder = tiny_config("training.precision=float32"), RunFolder(tmp_path / "earlier")  # as runs settle it
    folder.path.mkdir()
    folder.config.write_text(dump_run(config))
    folder.provenance.write_text(made_of().model_dump_json())
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


def made_of(*, clips: str = "a", weights: str = "w") -> RunProvenance:
    sources = {name: UsedSource(entry=name, weights_sha256=f"{weights} of {name}") for name in ("one", "two")}
    return RunProvenance(fingerprints={"train": f"{clips} train", "validation": f"{clips} validation"}, sources=sources)


def sampler() -> optuna.samplers.BaseSampler:
    return optuna.samplers.RandomSampler(seed=0)


def searcher(config: RunConfig, warm_start: WarmStart) -> TrialSearcher:
    space = SettingsSpace(config.search.space, config.trial)
    return TrialSearcher(space, config.search, optuna.storages.InMemoryStorage(), warm_start=warm_start)


def test_a_study_begins_with_what_an_earlier_run_found_out(tiny_config: Config, earlier: Path) -> None:
    warm = WarmStart.read(earlier, tiny_config(), made_of())
    assert [trial.value for trial in warm.told] == [50.0 - number for number in range(1, NUM_TRIALS)]
    assert (
        warm.said == f"11 of 11 finished trials of {earlier} overlap with this search; its study begins with 11 of them"
    )
    first = searcher(tiny_config(), warm).suggest("a")
    assert first["trial"] == 11
    assert first["settings"]["sources"] == []


def test_only_what_the_new_space_could_have_drawn_is_told(tiny_config: Config, earlier: Path) -> None:
    narrow = tiny_config("search.space.learning_rate.float=[1e-3, 3e-3]")
    warm = WarmStart.read(earlier, narrow, made_of())
    rates = [trial.params["learning_rate"] for trial in warm.told]
    assert 0 < len(rates) < 11
    assert max(rates) <= 3e-3
    wide = tiny_config("search.space.learning_rate.float=[1e-5, 1]")
    assert len(WarmStart.read(earlier, wide, made_of()).told) == 11


def test_a_source_that_was_made_otherwise_is_another_source(tiny_config: Config, earlier: Path) -> None:
    warm = WarmStart.read(earlier, tiny_config("sources.two.pretraining.epochs=9"), made_of())
    assert 0 < len(warm.told) < 11
    assert not any(trial.params["source.two"] for trial in warm.told)


def test_scores_of_another_scale_are_not_told_but_their_best_settings_tried_first(
    tiny_config: Config, earlier: Path
) -> None:
    longer = tiny_config("training.epochs=7", "search.trials=9")
    warm = WarmStart.read(earlier, longer, made_of())
    assert warm.told == ()
    assert len(warm.tried_first) == 5
    assert "training.epochs: 7 here, 3 there" in warm.said
    tried = searcher(longer, warm)
    suggested = [tried.suggest(name)["settings"]["learning_rate"] for name in "abcde"]
    assert suggested == [parameters["learning_rate"] for parameters in warm.tried_first]


def test_scores_on_other_clips_are_of_another_scale(tiny_config: Config, earlier: Path) -> None:
    """As of a stand-in, when the real recordings have been prepared since."""
    warm = WarmStart.read(earlier, tiny_config(), made_of(clips="b"))
    assert warm.told == ()
    assert len(warm.tried_first) == 5
    assert "train clips: b train here, a train there" in warm.said


def test_a_source_with_other_weights_is_another_source(tiny_config: Config, earlier: Path) -> None:
    warm = WarmStart.read(earlier, tiny_config(), made_of(weights="v"))
    assert not any(trial.params["source.one"] or trial.params["source.two"] for trial in warm.told)


def test_settings_that_no_release_knows_are_left_out(tiny_config: Config, earlier: Path) -> None:
    results = RunFolder(earlier).results
    first, second, *others = read_results(results)
    strange = second.model_copy(update={"settings": {**second.settings, "feed": "by hand"}})
    write_results(results, [first, strange, *others])
    assert len(WarmStart.read(earlier, tiny_config(), made_of()).told) == 10


@pytest.mark.parametrize("num_there", [0, 4, 11, 12])
def test_a_study_that_a_kill_left_half_filled_is_filled(tiny_config: Config, earlier: Path, num_there: int) -> None:
    config = tiny_config()
    warm = WarmStart.read(earlier, config, made_of())
    whole = searcher(config, warm)._ot_study.get_trials()
    storage = optuna.storages.InMemoryStorage()
    study = optuna.create_study(storage=storage, study_name="search", direction="minimize")
    for trial in whole[:num_there]:
        study.add_trial(trial)
    space = SettingsSpace(config.search.space, config.trial)
    for _ in range(2):  # the second finds it filled
        filled = TrialSearcher(space, config.search, storage, warm_start=warm)._ot_study.get_trials()
        assert [trial.system_attrs for trial in filled] == [trial.system_attrs for trial in whole]
        assert sum(WARM in trial.user_attrs for trial in filled) == 11


def test_another_objective_is_told_where_it_was_recorded(tiny_config: Config, earlier: Path) -> None:
    warm = WarmStart.read(earlier, tiny_config("search.objectives=[ssim]"), made_of())
    assert [trial.value for trial in warm.told] == [0.5] * 11
    assert WarmStart.read(earlier, tiny_config("search.objectives=[psnr]"), made_of()).told == ()


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is no run folder"):
        check_warm_start(tmp_path)

"""What is drawn, and when it is not."""

import optuna
import pytest

from platform.config.space import Parameter
from platform.config.trial import TrialSettings
from platform.tuning.study.space import SettingsSpace

SPACE = {
    "sources": Parameter(subset=("a", "b")),
    "start": Parameter(choice=("scratch", "a")),
    "learning_rate": Parameter.model_validate({"float": [1e-4, 1e-2], "log": True}),
    "tmu.layers": Parameter(choice=([0], [0, 1])),
    "tmu.merge": Parameter(choice=("mean", "softmax")),
    "tmu.bias": Parameter.model_validate({"float": [-2, 2], "when": {"tmu.merge": ["softmax"]}}),
    "distil.source_weight": Parameter.model_validate({"float": [0.5, 2.0]}),
}


def draw(**fixed: object) -> tuple[TrialSettings, dict]:
    trial = optuna.trial.FixedTrial(
        {
            "source.a": True,
            "source.b": False,
            "start": "a",
            "learning_rate": 1e-3,
            "tmu.layers": "[0, 1]",
            "tmu.merge": "softmax",
            "tmu.bias": 0.5,
            "distil.source_weight.a": 1.5,
            "distil.source_weight.b": 0.7,
            **fixed,
        }
    )
    return SettingsSpace(SPACE, TrialSettings()).draw(trial), trial.params


def test_a_draw_becomes_validated_settings() -> None:
    settings, _ = draw()
    assert settings.sources == ("a",)
    assert settings.start == "a"
    assert settings.tmu.layers == (0, 1)
    assert settings.tmu.bias == 0.5


def test_without_sources_nothing_is_drawn_that_needs_them() -> None:
    settings, drawn = draw(**{"source.a": False})
    assert settings.sources == ()
    assert set(drawn) == {"source.a", "source.b", "start", "learning_rate"}


def test_a_sources_weight_exists_only_when_it_is_drawn() -> None:
    settings, drawn = draw()
    assert settings.distil.source_weights == {"a": 1.5}
    assert "distil.source_weight.b" not in drawn


def test_a_condition_keeps_a_parameter_out() -> None:
    settings, drawn = draw(**{"tmu.merge": "mean"})
    assert "tmu.bias" not in drawn
    assert settings.tmu.bias == TrialSettings().tmu.bias


def test_a_search_begins_with_no_source_and_with_all() -> None:
    first, second = SettingsSpace(SPACE, TrialSettings()).first_trials()
    assert first == {"source.a": False, "source.b": False, "start": "scratch"}
    assert second == {"source.a": True, "source.b": True, "start": "scratch"}


def test_a_ranking_adds_the_best_the_best_two_and_so_on() -> None:
    trials = SettingsSpace(SPACE, TrialSettings()).first_trials(["b", "elsewhere", "a"])
    assert [{name for name in ("a", "b") if trial[f"source.{name}"]} for trial in trials] == [set(), {"a", "b"}, {"b"}]


@pytest.mark.parametrize("seed", range(5))
def test_whatever_optuna_draws_is_valid(seed: int) -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    for _ in range(20):
        settings = SettingsSpace(SPACE, TrialSettings()).draw(study.ask())
        assert set(settings.distil.source_weights) == set(settings.sources)


def test_a_memory_of_its_own_is_drawn_only_for_a_source_that_is() -> None:
    space = {
        "sources": Parameter(subset=("a", "b")),
        "sources.a.memory": Parameter(choice=("cell/0", "spatiotemporal/0")),
        "sources.b.memory": Parameter(choice=("cell/0", "cell/1")),
    }
    trial = optuna.trial.FixedTrial({"source.a": True, "source.b": False, "sources.a.memory": "spatiotemporal/0"})
    base = TrialSettings.model_validate({"distil": {"memories": {"b": "cell/1"}}})
    settings = SettingsSpace(space, base).draw(trial)
    assert settings.distil.memories == {"a": "spatiotemporal/0", "b": "cell/1"}


@pytest.mark.parametrize(
    ("decided", "left"),
    [
        ({"transfer": "knowledge_flow"}, {"distil.weight"}),
        ({"transfer": "tmu", "distil.what": "frames"}, {"distil.weight", "distil.until"}),
        ({"transfer": "tmu", "distil.what": "memory", "tmu.merge": "released"}, {"distil.weight", "distil.until"}),
        (
            {"transfer": "tmu", "distil.what": "memory", "tmu.merge": "mean"},
            {"distil.weight", "distil.until", "tmu.gate"},
        ),
    ],
)
def test_what_changes_nothing_beside_the_rest_is_not_drawn(decided: dict[str, str], left: set[str]) -> None:
    """Although it stands first in the YAML."""
    space = {
        "tmu.gate": Parameter(choice=("place", "none")),
        "distil.weight": Parameter(choice=(0.1, 0.2)),
        "distil.until": Parameter(choice=(0.5, 1.0)),
        "tmu.merge": Parameter(choice=("mean", "released")),
        "distil.what": Parameter(choice=("memory", "frames")),
        "transfer": Parameter(choice=("tmu", "knowledge_flow")),
    }
    rest = {"tmu.gate": "none", "distil.weight": 0.2, "distil.until": 0.5}
    trial = optuna.trial.FixedTrial({**rest, "tmu.merge": "mean", "distil.what": "memory", **decided})
    SettingsSpace(space, TrialSettings(sources=("a",))).draw(trial)
    assert set(trial.params) - set(decided) == left

"""What a confirmation trains: the search's best, and rivals taken from the search's own best of each kind."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from platform.config.trial import TrialSettings
from platform.results.confirm_plan import ConfirmPlan
from platform.results.record import TrialRecord, write_results
from platform.results.run_folder import RunFolder
from platform.results.summary import RunSummary
from platform.tuning.candidates import plan_confirmation

Planned = Callable[..., ConfirmPlan | None]


@pytest.fixture
def planned(tmp_path: Path) -> Planned:
    """Of trials given as (mse, settings)."""

    def plan(
        *trials: tuple[float, dict[str, Any]], count: int = 2, refusal: Callable[[TrialSettings], str | None] = accepts
    ) -> ConfirmPlan | None:
        folder = RunFolder(tmp_path)
        folder.config.write_text(yaml.safe_dump({"name": "x", "sources": {"a": {}, "b": {}, "c": {}}}))
        records = [
            TrialRecord(
                trial=number,
                id=f"{number:05d}",
                state="finished",
                seed=number,
                settings=TrialSettings.model_validate(settings).model_dump(mode="json"),
                metrics={"mse": mse},
            )
            for number, (mse, settings) in enumerate(trials)
        ]
        write_results(folder.results, records)
        return plan_confirmation(RunSummary.read(tmp_path), count, refusal)

    return plan


def accepts(settings: TrialSettings) -> None:
    """Every target can be built."""


def test_rivals_are_the_best_setting_with_as_little_changed_as_can_be(planned: Planned) -> None:
    plan = planned((3.0, {"sources": ["a", "b"], "learning_rate": 1e-3, "tmu": {"bias": 0.5}}), count=1)
    assert plan is not None
    found = {each.name: TrialSettings.model_validate(each.settings) for each in plan.settings}
    best = found["trial_0"]
    assert found["scratch"] == TrialSettings(learning_rate=1e-3)
    assert found["control_of_trial_0"] == best.model_copy(
        update={"distil": best.distil.model_copy(update={"weight": 0.0})}
    )
    assert found["finetune_b"] == TrialSettings(start="b", learning_rate=1e-3)
    assert found["all_sources"] == best.model_copy(update={"sources": ("a", "b", "c")})
    assert found["single_source"] == best.model_copy(update={"sources": ("a",)})
    assert list(found) == [
        *(
            "trial_0",
            "scratch",
            "finetune_a",
            "finetune_b",
            "finetune_c",
            "control_of_trial_0",
            "all_sources",
            "single_source",
        )
    ]
    assert [each.origin for each in plan.settings][:2] == ["trial 0", "trial 0, without its sources"]


def test_a_rival_is_the_searchs_best_of_its_kind_where_there_is_one(planned: Planned) -> None:
    plan = planned(
        (9.0, {"learning_rate": 2e-3}),
        (5.0, {"learning_rate": 3e-3, "tmu": {"bias": 1.0}}),  # without a source a gate has no effect
        (4.0, {"start": "b", "learning_rate": 4e-3}),
        (3.0, {"sources": ["c"], "learning_rate": 5e-3}),
        (2.0, {"sources": ["a", "b"], "learning_rate": 6e-3}),
        count=1,
    )
    assert plan is not None
    origins = {each.name: (each.trial, each.changed) for each in plan.settings}
    assert origins["scratch"] == (1, "")
    assert origins["finetune_b"] == (2, "")
    assert origins["finetune_a"] == (2, "starts from a and distils nothing")  # its learning rate is one of that kind
    assert origins["single_source"] == (3, "")
    assert origins["all_sources"] == (4, "with all sources")


def test_what_plays_two_roles_is_trained_once(planned: Planned) -> None:
    plan = planned(
        (1.0, {"learning_rate": 2e-3}),
        (2.0, {"sources": ["b"], "learning_rate": 3e-3}),
        (2.5, {"sources": ["b"], "learning_rate": 3e-3}),  # drawn twice
        count=3,
    )
    assert plan is not None
    assert [each.name for each in plan.of(["best"])] == ["trial_1"]
    assert [each.name for each in plan.of(["scratch"])] == ["trial_0"]  # what trial_1 is compared with
    assert plan.left_out["scratch"] == "is trial_0"
    assert plan.left_out["single_source"] == "is trial_1"


def test_the_best_that_distils_is_among_them_though_others_scored_better(planned: Planned) -> None:
    plan = planned((1.0, {}), (2.0, {"start": "a"}), (8.0, {"sources": ["a"]}), count=1)
    assert plan is not None
    assert [each.name for each in plan.of(["best"])] == ["trial_2"]


def test_what_cannot_be_built_is_left_out_with_the_reason(planned: Planned) -> None:
    plan = planned(
        (1.0, {"sources": ["a"]}), refusal=lambda settings: "has another geometry" if settings.start == "b" else None
    )
    assert plan is not None
    assert plan.left_out["finetune_b"] == "has another geometry"
    assert "finetune_a" in {each.name for each in plan.settings}


def test_without_sources_there_is_no_control_and_without_trials_nothing(planned: Planned) -> None:
    plan = planned((1.0, {}))
    assert plan is not None
    assert "distils from a source" in plan.left_out["control"]
    assert planned() is None


def test_each_that_may_be_confirmed_has_a_control_of_its_own(planned: Planned) -> None:
    plan = planned(
        (1.0, {"sources": ["a"], "learning_rate": 1e-3, "distil": {"weight": 0.1}}),
        (2.0, {"sources": ["a"], "learning_rate": 1e-3, "distil": {"weight": 0.2}}),
        (3.0, {"sources": ["b"], "distil": {"weight": 0.2}}),
        (4.0, {"sources": ["b"], "distil": {"what": "frames"}}),
        count=4,
    )
    assert plan is not None
    controls = {each.name: TrialSettings.model_validate(each.settings) for each in plan.of(["control"])}
    assert list(controls) == ["control_of_trial_0", "control_of_trial_2"]
    assert {each.distil.weight for each in controls.values()} == {0.0}
    assert controls["control_of_trial_2"].sources == ("b",)
    assert plan.left_out["control_of_trial_1"] == "is control_of_trial_0"
    assert "imitates frames" in plan.left_out["control_of_trial_3"]

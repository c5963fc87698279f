"""What a confirmation says, from files whose truth is known."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml
from rich.console import Console

from platform.config.trial import TrialSettings
from platform.reporting.confirmed_table import print_confirmed
from platform.reporting.page import render_report
from platform.results.confirm_plan import ConfirmPlan, PlannedSetting, Role
from platform.results.confirmed import Confirmed, read_confirmed
from platform.results.record import TrialRecord, write_results
from platform.results.run_folder import RunFolder
from platform.results.scores import NARROW
from platform.results.summary import RunSummary
from platform.results.tested import TestedTrial, write_tested_table

NUM_CLIPS, NUM_SEEDS = 60, 4
BuildRun = Callable[..., RunFolder]


@pytest.fixture
def search(tmp_path: Path, build_run: BuildRun) -> RunFolder:
    return build_run(tmp_path / "run")


def confirm(search: RunFolder, means: dict[str, tuple[Role, list[str], float]], *, seeds: int = NUM_SEEDS) -> Confirmed:
    """Each setting with its role, its sources and the mean of its errors; validation is lower by 1."""
    folder = RunFolder(search.confirm)
    folder.path.mkdir()
    folder.config.write_text(yaml.safe_dump({"name": "kth", "compare": {"seeds": NUM_SEEDS}}))
    planned = [
        PlannedSetting(
            name=name, role=role, trial=3, settings=TrialSettings(sources=tuple(sources)).model_dump(mode="json")
        )
        for name, (role, sources, _) in means.items()
    ]
    folder.confirm_plan.write_text(
        ConfirmPlan(settings=tuple(planned), left_out={"control": "of frames"}).model_dump_json()
    )
    generator = np.random.default_rng(0)
    hard = generator.normal(0, 5, NUM_CLIPS)  # some clips are harder, for all
    records, tested = [], []
    for number in range(len(planned) * seeds):
        setting, seed = planned[number % len(planned)], number // len(planned)
        mean = means[setting.name][2]
        values = mean + hard + generator.normal(0, 0.5, NUM_CLIPS) + generator.normal(0, 0.2)
        records.append(
            TrialRecord(
                trial=number,
                id=f"{number:05d}",
                state="finished",
                seed=seed,
                settings=setting.settings,
                metrics={"mse": mean - 1, "parameters": 1000.0},
                duration_s=60,
            )
        )
        each = TestedTrial(
            trial=number,
            setting=setting.name,
            seed=seed,
            benchmark="kth (synthetic)",
            synthetic=True,
            clips=tuple(f"v{clip // 3}@{clip % 3}" for clip in range(NUM_CLIPS)),
            per_clip={"mse": tuple(values.tolist())},
            scores={"mse": float(values.mean())},
            last_frame={"mse": 50.0},
            seconds_per_clip=0.01,
        )
        tested.append(each)
        path = folder.tested(records[-1].id)
        path.parent.mkdir(parents=True)
        path.write_text(each.model_dump_json())
    write_results(folder.results, records)
    write_tested_table(search.confirmed, tested)
    confirmed = read_confirmed(RunSummary.read(search.path))
    assert confirmed is not None
    return confirmed


def plain(text: str) -> str:
    return text.replace(NARROW, " ")


def test_a_difference_is_told_with_effect_interval_and_n(search: RunFolder) -> None:
    confirmed = confirm(
        search,
        {
            "trial_3": ("best", ["digits_2"], 30.0),
            "scratch": ("scratch", [], 33.0),
            "all": ("all", ["digits_1", "digits_2"], 30.0),
        },
    )
    told = re.fullmatch(
        r"Distilling from digits_2 lowers the test error \(MSE\) by ([\d.]+) \(\d\.\d %\) "
        r"against training from scratch: 95 % interval ([\d.]+) to ([\d.]+); "
        r"4 seeds, 60 clips of 20 videos, p = 0.00\d+ corrected for 2 comparisons\.",
        plain(confirmed.verdict),
    )
    assert told is not None
    assert float(told[2]) < float(told[1]) < float(told[3])
    assert float(told[2]) < 3 < float(told[3])
    (same,) = confirmed.against("all")
    assert not same.is_clear


def test_no_difference_is_told_as_such_and_a_worse_one_as_worse(
    search: RunFolder, tmp_path: Path, build_run: BuildRun
) -> None:
    same = confirm(search, {"trial_3": ("best", ["digits_2"], 30.0), "scratch": ("scratch", [], 30.0)})
    assert plain(same.verdict).startswith(
        "No difference found between distilling from digits_2 and training from scratch: the test error (MSE) differs "
    )
    assert "95 % interval −" in plain(same.verdict)
    worse = confirm(
        build_run(tmp_path / "other"), {"trial_3": ("best", ["digits_2"], 33.0), "scratch": ("scratch", [], 30.0)}
    )
    assert "raises the test error (MSE) by" in worse.verdict
    assert "which is worse" in worse.verdict


def test_the_setting_is_chosen_by_validation_and_not_by_test(search: RunFolder) -> None:
    confirmed = confirm(
        search,
        {
            "trial_3": ("best", ["digits_2"], 31.0),
            "trial_5": ("best", ["digits_1"], 30.0),
            "trial_9": ("best", [], 20.0),  # distils nothing: what it is compared with
            "scratch": ("scratch", [], 33.0),
        },
    )
    assert confirmed.chosen is not None
    assert confirmed.chosen.name == "trial_5"
    folder = RunFolder(search.confirm)
    folder.tested("00000").write_text(folder.tested("00000").read_text().replace('"mse":', '"mse_":'))
    again = read_confirmed(RunSummary.read(search.path))
    assert again is not None
    assert again.chosen is not None
    assert again.chosen.name == "trial_5"


def test_what_is_not_whole_says_so_and_what_is_damaged_is_named(search: RunFolder) -> None:
    confirmed = confirm(search, {"trial_3": ("best", ["digits_2"], 30.0), "scratch": ("scratch", [], 33.0)}, seeds=2)
    assert not confirmed.is_whole
    page = render_report(search.path).read_text()
    assert "The confirmation is not whole: 4 of 8 targets are trained and tested." in page
    RunFolder(search.confirm).tested("00000").write_bytes(b"{\xff")
    page = render_report(search.path).read_text()
    assert "test.json cannot be read" in page
    RunFolder(search.confirm).confirm_plan.write_text("[]")
    page = render_report(search.path).read_text()
    assert "plan.json cannot be read" in page
    assert "By this score it was chosen" in page


def test_the_report_and_the_terminal_show_verdict_and_table(search: RunFolder) -> None:
    confirmed = confirm(search, {"trial_3": ("best", ["digits_2"], 30.0), "scratch": ("scratch", [], 33.0)})
    page = render_report(search.path).read_text()
    assert f'<p class="verdict">{confirmed.verdict}</p>' in page
    assert "control was left out: of frames." in page
    assert '"plot-confirmed"' in page
    console = Console(width=200, record=True)
    print_confirmed(confirmed, console)
    told = console.export_text()
    assert confirmed.verdict in told
    assert re.search(r"trial_3 +distils, one of the search's best +4 of 4 +\d\d\.\d ± ", told)


def test_a_search_that_was_not_confirmed_has_nothing_to_say(search: RunFolder) -> None:
    assert read_confirmed(RunSummary.read(search.path)) is None

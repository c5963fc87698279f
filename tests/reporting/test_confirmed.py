"""What a confirmation says, from files whose truth is known."""

import html
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from rich.console import Console

from platform.config.trial import TrialSettings
from platform.reporting.answers import answers
from platform.reporting.best_setting import best_setting
from platform.reporting.confirmed_table import confirmed_note, print_confirmed
from platform.reporting.confirmed_verdict import confirmed_verdict, other_verdict
from platform.reporting.page import render_report
from platform.results import open_run
from platform.results.confirm_plan import ConfirmPlan, PlannedSetting, Role
from platform.results.confirmed import Confirmed, read_confirmed
from platform.results.findings import Findings
from platform.results.record import TrialRecord, read_results, write_results
from platform.results.run_folder import RunFolder
from platform.results.scores import NARROW, score
from platform.results.summary import RunSummary
from platform.results.tested import TestedTrial, write_tested_table

NUM_CLIPS, NUM_SEEDS = 60, 4
BuildRun = Callable[..., RunFolder]


@pytest.fixture
def search(tmp_path: Path, build_run: BuildRun) -> RunFolder:
    return build_run(tmp_path / "run")


def confirm(
    search: RunFolder,
    means: dict[str, tuple[Role, list[str], float]],
    *,
    seeds: int = NUM_SEEDS,
    starts: Mapping[str, str] | None = None,
) -> Confirmed:
    """Each setting with its role, its sources and the mean of its errors; validation is lower by 1."""
    folder = RunFolder(search.confirm)
    folder.path.mkdir()
    folder.config.write_text(yaml.safe_dump({"name": "kth", "compare": {"seeds": NUM_SEEDS}}))
    planned = []
    for name, (role, sources, _) in means.items():
        settings = TrialSettings(sources=tuple(sources), start=(starts or {}).get(name, "scratch"))
        if role == "control":
            settings = settings.model_copy(update={"distil": settings.distil.model_copy(update={"weight": 0.0})})
        trial = int(name.rpartition("_")[2]) if name.startswith("trial_") else 3
        told = settings.model_dump(mode="json")
        planned.append(PlannedSetting(name=name, role=role, trial=trial, settings=told))
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
        r"4 seeds, 60 clips of 20 videos, p = 0.00\d+ corrected for 2 comparisons, as the interval is not\.",
        plain(confirmed_verdict(confirmed)),
    )
    assert told is not None
    assert float(told[2]) < float(told[1]) < float(told[3])
    assert float(told[2]) < 3 < float(told[3])
    (same,) = confirmed.against("all")
    assert not same.is_clear


def test_a_gain_that_the_network_has_without_imitation_is_not_told_as_transfer(search: RunFolder) -> None:
    confirmed = confirm(
        search,
        {
            "trial_3": ("best", ["digits_2"], 30.0),
            "scratch": ("scratch", [], 33.0),
            "control": ("control", ["digits_2"], 30.0),
        },
    )
    assert "; but the same network without imitation was not found to be worse (" in confirmed_verdict(confirmed)
    told = dict(answers(Findings.read(search.path)))
    assert "not found to be worse" in told["Did transfer help?"]
    assert "Imitation is not seen to help" in told["What next?"]


def test_only_the_chosen_settings_own_control_is_set_against_it(search: RunFolder) -> None:
    confirmed = confirm(
        search,
        {
            "trial_5": ("best", ["digits_1"], 31.0),
            "trial_3": ("best", ["digits_2"], 30.0),
            "scratch": ("scratch", [], 33.0),
            "control_of_trial_5": ("control", ["digits_1"], 30.0),
            "control_of_trial_3": ("control", ["digits_2"], 32.0),
        },
    )
    assert [contrast.other.name for contrast in confirmed.contrasts] == ["trial_5", "scratch", "control_of_trial_3"]
    assert confirmed.equal_control is None
    told = dict(answers(Findings.read(search.path)))
    assert "The same network without imitation is worse." in told["Did transfer help?"]
    assert told["What next?"] == "Use the confirmed setting, below."
    confirmed.folder.best.mkdir()
    told = dict(answers(Findings.read(search.path)))
    assert told["What next?"].startswith(f"Use it: {confirmed.folder.best} holds the confirmed setting's target")


def test_starting_from_weights_is_set_against_scratch_and_said(search: RunFolder) -> None:
    confirmed = confirm(
        search,
        {
            "trial_3": ("best", ["digits_2"], 33.0),
            "scratch": ("scratch", [], 33.0),
            "finetune_digits_1": ("finetune", [], 32.0),
            "finetune_digits_2": ("finetune", [], 30.0),
        },
        starts={"finetune_digits_1": "digits_1", "finetune_digits_2": "digits_2"},
    )
    assert confirmed.finetuned is not None
    assert confirmed.finetuned.mine.name == "finetune_digits_2"
    assert confirmed.num_compared == 4
    told_of_starting = other_verdict(confirmed)
    assert told_of_starting is not None
    assert plain(told_of_starting).startswith("Starting from the weights of digits_2 lowers the test error (MSE) by ")
    assert "corrected for 4 comparisons" in plain(confirmed_verdict(confirmed))
    told = dict(answers(Findings.read(search.path)))
    assert "Starting from the weights of digits_2 helped by " in told["Did transfer help?"]
    assert told["What next?"].startswith("Start from the weights of digits_2 ")
    assert told_of_starting in html.unescape(render_report(search.path).read_text())


def test_where_distilling_harms_nobody_is_told_to_use_it(search: RunFolder) -> None:
    confirm(search, {"trial_3": ("best", ["digits_2"], 33.0), "scratch": ("scratch", [], 30.0)})
    told = dict(answers(Findings.read(search.path)))
    assert "it harmed" in told["Did transfer help?"]
    assert told["What next?"].startswith("Train from scratch")


def test_a_start_that_the_chosen_setting_beats_is_not_what_comes_next(search: RunFolder) -> None:
    confirm(
        search,
        {
            "trial_3": ("best", ["digits_2"], 30.0),
            "scratch": ("scratch", [], 34.0),
            "control_of_trial_3": ("control", ["digits_2"], 30.0),
            "finetune_digits_1": ("finetune", [], 32.0),
        },
        starts={"finetune_digits_1": "digits_1"},
    )
    told = dict(answers(Findings.read(search.path)))
    assert "Starting from the weights of digits_1 helped by " in told["Did transfer help?"]
    assert told["What next?"].startswith("Imitation is not seen to help: ")


def test_one_that_also_starts_from_weights_is_not_told_as_distilling_alone(search: RunFolder) -> None:
    confirmed = confirm(
        search,
        {"trial_3": ("best", ["digits_2"], 30.0), "scratch": ("scratch", [], 33.0)},
        starts={"trial_3": "digits_1"},
    )
    assert confirmed_verdict(confirmed).startswith(
        "Distilling from digits_2, started from the weights of digits_1, lowers the "
    )


def test_no_difference_is_told_as_such_and_a_worse_one_as_worse(
    search: RunFolder, tmp_path: Path, build_run: BuildRun
) -> None:
    same = confirm(search, {"trial_3": ("best", ["digits_2"], 30.0), "scratch": ("scratch", [], 30.0)})
    assert plain(confirmed_verdict(same)).startswith(
        "No difference found between distilling from digits_2 and training from scratch: the test error (MSE) differs "
    )
    assert "95 % interval −" in plain(confirmed_verdict(same))
    worse = confirm(
        build_run(tmp_path / "other"), {"trial_3": ("best", ["digits_2"], 33.0), "scratch": ("scratch", [], 30.0)}
    )
    assert "raises the test error (MSE) by" in confirmed_verdict(worse)
    assert "which is worse" in confirmed_verdict(worse)


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


def test_a_rival_that_is_clearly_better_is_named_in_verdict_and_answers(
    search: RunFolder, tmp_path: Path, build_run: BuildRun
) -> None:
    means: dict[str, tuple[Role, list[str], float]] = {
        "trial_3": ("best", ["digits_2"], 30.0),
        "scratch": ("scratch", [], 33.0),
        "single_digits_1": ("single", ["digits_1"], 27.0),
        "all": ("all", ["digits_1", "digits_2"], 28.0),
    }
    confirmed = confirm(search, means)
    assert re.search(
        r"; but distilling from the best single source is better than this setting by [23]\.\d+ \(95 % interval "
        r"[\d.]+ to [\d.]+, p [=<] 0\.00\d+\)\.$",
        plain(confirmed_verdict(confirmed)),
    )
    told = dict(answers(Findings.read(search.path)))
    assert "Distilling from digits_1 is better than that, by " in told["Did transfer help?"]
    assert told["What next?"].startswith("Take single_digits_1 instead, distilling from digits_1: ")
    best = best_setting(Findings.read(search.path))
    assert best is not None
    assert "single_digits_1 is clearly better on the test split" in best.note
    other = build_run(tmp_path / "other")
    confirm(other, means | {"single_digits_1": ("finetune", [], 27.0)}, starts={"single_digits_1": "digits_1"})
    assert dict(answers(Findings.read(other.path)))["What next?"].startswith("Start from the weights of digits_1 ")


def test_a_control_that_is_better_is_not_told_as_not_worse(search: RunFolder) -> None:
    confirmed = confirm(
        search,
        {
            "trial_3": ("best", ["digits_2"], 30.0),
            "scratch": ("scratch", [], 33.0),
            "control": ("control", ["digits_2"], 28.0),
        },
    )
    assert "; but the same network without imitation is better than this setting by " in confirmed_verdict(confirmed)
    told = dict(answers(Findings.read(search.path)))
    assert told["Did transfer help?"].endswith("but the same network without imitation is better.")
    assert told["What next?"].startswith("Imitation harms: train the control")


def test_a_confirmation_with_a_failed_seed_is_whole_and_says_what_is_lost(search: RunFolder) -> None:
    confirm(search, {"trial_3": ("best", ["digits_2"], 30.0), "scratch": ("scratch", [], 33.0)})
    folder = RunFolder(search.confirm)
    records = read_results(folder.results)
    lost = records[2].model_copy(update={"state": "failed", "reason": "the loss became nan", "metrics": {}})
    write_results(folder.results, [*records[:2], lost, *records[3:]])
    folder.tested(lost.id).unlink()
    confirmed = read_confirmed(RunSummary.read(search.path))
    assert confirmed is not None
    assert confirmed.is_whole
    assert confirmed.settled is not None
    assert "3 of 4 seeds (the others were lost), 60 clips" in confirmed_verdict(confirmed)
    page = render_report(search.path).read_text()
    assert "1 of 8 targets failed or lost their weights, and are not trained again" in page
    assert "is not whole" not in page
    assert not dict(answers(Findings.read(search.path)))["What next?"].startswith("Go on confirming")


def test_a_difference_of_decibels_is_told_with_its_unit_and_without_a_share(search: RunFolder) -> None:
    found = confirm(search, {"trial_3": ("best", ["digits_2"], 33.0), "scratch": ("scratch", [], 30.0)})
    told = plain(confirmed_verdict(replace(found, measure=score("psnr"))))
    assert re.match(
        r"Distilling from digits_2 raises the test signal to noise \(PSNR\) by [23]\.\d+ dB against training from "
        r"scratch, which is better: 95 % interval ",
        told,
    )


def test_what_transfers_is_set_against_scratch_and_never_scratch_against_itself(
    search: RunFolder, tmp_path: Path, build_run: BuildRun
) -> None:
    alone = confirm(search, {"scratch": ("scratch", [], 33.0)})
    assert confirmed_verdict(alone) == "Nothing that transfers was tested yet, only training from scratch."
    other = build_run(tmp_path / "other")
    means: dict[str, tuple[Role, list[str], float]] = {
        "scratch": ("scratch", [], 30.0),
        "finetune_digits_1": ("finetune", [], 33.0),
    }
    worse = confirm(other, means, starts={"finetune_digits_1": "digits_1"})
    assert confirmed_verdict(worse).startswith("Starting from the weights of digits_1 raises the test error (MSE) by ")
    assert (worse.num_compared, other_verdict(worse)) == (1, None)


def test_what_is_not_whole_says_so_and_what_is_damaged_is_named(search: RunFolder) -> None:
    confirmed = confirm(search, {"trial_3": ("best", ["digits_2"], 30.0), "scratch": ("scratch", [], 33.0)}, seeds=2)
    assert not confirmed.is_whole
    page = render_report(search.path).read_text()
    assert "The confirmation is not whole: 4 of 8 targets are trained and tested." in page
    RunFolder(search.confirm).tested("00000").write_bytes(b"{\xff")
    page = render_report(search.path).read_text()
    assert "test.json cannot be read" in page
    results = RunFolder(search.confirm).results
    whole = results.read_bytes()
    results.write_bytes(b"no parquet")
    again = read_confirmed(RunSummary.read(search.path))
    assert again is not None
    assert confirmed_verdict(again) == f"What was confirmed cannot be told: {results} is damaged."
    said = dict(answers(Findings.read(search.path)))
    assert said["How sure are we?"].startswith("Cannot be told")
    assert said["What next?"].startswith(f"Restore {results} from a copy, or move {search.confirm} away")
    page = render_report(search.path).read_text()
    assert confirmed_verdict(again) in page
    assert "targets are trained and tested" not in page
    results.write_bytes(whole)
    RunFolder(search.confirm).confirm_plan.write_text("[]")
    page = render_report(search.path).read_text()
    assert "plan.json cannot be read" in page
    assert "By this score it was chosen" in page


def test_the_report_and_the_terminal_show_verdict_and_table(search: RunFolder) -> None:
    confirmed = confirm(search, {"trial_3": ("best", ["digits_2"], 30.0), "scratch": ("scratch", [], 33.0)})
    page = render_report(search.path).read_text()
    assert f'<p class="verdict">{confirmed_verdict(confirmed)}</p>' in page
    assert "control was left out: of frames." in page
    assert confirmed_note(confirmed) in html.unescape(page)
    assert '"plot-confirmed"' in page
    assert '<tr class="best"><td data-label="setting">trial_3</td>' in page
    console = Console(width=200, record=True)
    print_confirmed(confirmed, console)
    told = console.export_text()
    assert confirmed_verdict(confirmed) in told
    assert re.search(r"trial_3 +distils, one of the search's best +4 of 4 +\d\d\.\d ± ", told)


def test_the_confirmed_setting_stands_where_the_searchs_best_stood(search: RunFolder) -> None:
    summary = RunSummary.read(search.path)
    assert summary.best is not None
    other = next(record for record in summary.finished if record is not summary.best)
    before = best_setting(Findings.read(search.path))
    assert before is not None
    assert before.heading == f"The best setting, trial {summary.best.trial}"
    confirm(search, {f"trial_{other.trial}": ("best", ["digits_2"], 30.0), "scratch": ("scratch", [], 33.0)})
    after = best_setting(Findings.read(search.path))
    assert after is not None
    assert after.heading == f"The confirmed setting, trial {other.trial}"
    assert ("distils from", "digits_2") in after.settings
    assert f"trial {summary.best.trial} scored best" in after.note
    assert plain(after.columns[1]) == "test, mean of 4 seeds ± 95 %"
    ((name, value, floor),) = after.scores
    assert (name, floor) == (score("mse").axis, score("mse").text(50.0))
    assert " ± " in value
    page = render_report(search.path).read_text()
    assert after.heading in page
    assert after.note in page


def test_the_pictures_begin_with_the_confirmed_trial(search: RunFolder) -> None:
    first, second, *_ = Findings.read(search.path).looks
    confirm(search, {f"trial_{second.facts.trial}": ("best", ["digits_2"], 30.0), "scratch": ("scratch", [], 33.0)})
    looks = Findings.read(search.path).looks
    assert [look.facts.trial for look in looks[:2]] == [second.facts.trial, first.facts.trial]
    assert open_run(search.path).looks[0].facts.trial == second.facts.trial


def test_how_sure_tells_the_same_numbers_as_the_verdict(search: RunFolder) -> None:
    confirmed = confirm(search, {"trial_3": ("best", ["digits_2"], 30.0), "scratch": ("scratch", [], 33.0)})
    sure = plain(dict(answers(Findings.read(search.path)))["How sure are we?"])
    numbers = re.search(r"(\d+) seeds, (\d+) clips of (\d+) videos", plain(confirmed_verdict(confirmed)))
    assert numbers is not None
    assert "with {} seeds on {} test clips of {} videos".format(*numbers.groups()) in sure


def test_a_search_that_was_not_confirmed_has_nothing_to_say(search: RunFolder) -> None:
    assert read_confirmed(RunSummary.read(search.path)) is None


def test_every_difference_is_a_row_of_a_table(search: RunFolder) -> None:
    confirmed = confirm(
        search,
        {
            "trial_3": ("best", ["digits_2"], 30.0),
            "scratch": ("scratch", [], 33.0),
            "finetune_digits_1": ("finetune", [], 32.0),
        },
        starts={"finetune_digits_1": "digits_1"},
    )
    render_report(search.path)
    rows = pd.read_csv(search.tables / "contrasts.csv")
    assert list(zip(rows.setting, rows.other, strict=True)) == [
        ("trial_3", "scratch"),
        ("trial_3", "finetune_digits_1"),
        ("finetune_digits_1", "scratch"),
    ]
    assert rows.difference[0] == pytest.approx(confirmed.contrasts[0].found.mean)
    assert (rows.low < rows.difference).all()
    assert (rows.difference < rows.high).all()
    assert (rows.num_seeds == NUM_SEEDS).all()

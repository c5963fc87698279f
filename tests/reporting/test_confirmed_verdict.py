"""What is concluded from a confirmation, from files whose truth is known."""

import html
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from platform.reporting.answers import answers
from platform.reporting.best_setting import best_setting
from platform.reporting.confirmed_verdict import confirmed_verdict, other_verdict
from platform.reporting.page import render_report
from platform.results.confirm_plan import Role
from platform.results.confirmed import read_confirmed
from platform.results.findings import Findings
from platform.results.record import read_results, write_results
from platform.results.run_folder import RunFolder
from platform.results.scores import score
from platform.results.summary import RunSummary
from tests.made_confirmations import confirm, plain

BuildRun = Callable[..., RunFolder]


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

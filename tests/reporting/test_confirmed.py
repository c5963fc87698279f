"""Where a confirmation is shown: report, answers, table, terminal; and what is said where it is damaged."""

import html
import re

import pandas as pd
import pytest
from rich.console import Console

from platform.reporting.answers import answers
from platform.reporting.best_setting import best_setting
from platform.reporting.confirmed_table import confirmed_note, print_confirmed
from platform.reporting.confirmed_verdict import confirmed_verdict
from platform.reporting.page import render_report
from platform.results import open_run
from platform.results.confirmed import read_confirmed
from platform.results.findings import Findings
from platform.results.run_folder import RunFolder
from platform.results.scores import score
from platform.results.summary import RunSummary
from tests.made_confirmations import NUM_SEEDS, confirm, plain


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

"""Trials that a reader chose, to compare them or to see into their gates; each choice has its address."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from platform.results.look import read_look, write_look
from platform.results.record import read_results
from platform.results.run_folder import RunFolder
from tests.made_runs import look
from tests.viewing.conftest import Dashboard, Serve
from tests.viewing.test_figures import note

COMPARED = "#compared th[scope=col]:not(:empty)"


def choose(page: Page, count: int) -> None:
    page.wait_for_selector(".ag-row")
    for row in range(count):
        page.click(f".ag-row[row-index='{row}'] .ag-selection-checkbox")
    expect(page.locator("#compare-chosen")).to_have_text(f"compare the {count} chosen")


def test_more_trials_than_a_screen_has_room_for_are_told(dashboard: Dashboard) -> None:
    page = dashboard.open("/run/kth-finished/trials")
    choose(page, 10)
    page.click("#compare-chosen")
    expect(page.locator("#compared")).to_contain_text("8 of the 10 chosen trials are shown")
    expect(page.locator(COMPARED)).to_have_count(8)
    page.goto(f"{dashboard.url}/run/kth-finished/compare?trials=1,2")
    expect(page.locator(COMPARED)).to_have_count(2)
    assert "chosen trials are shown" not in page.inner_text("#compared")


def test_back_from_the_comparison_the_trials_are_still_chosen(dashboard: Dashboard) -> None:
    page = dashboard.open("/run/kth-finished/trials?sort=mse:asc")
    choose(page, 3)
    address = page.url
    page.click("#compare-chosen")
    page.wait_for_selector(COMPARED)
    compared = page.url
    page.go_back()
    expect(page.locator("#compare-chosen")).to_have_text("compare the 3 chosen")
    expect(page.locator(".ag-center-cols-container .ag-row-selected")).to_have_count(3)
    assert page.url == address
    page.click("#compare-chosen")
    page.wait_for_selector(COMPARED)
    assert page.url == compared


def test_an_address_of_the_table_leads_to_its_choice(dashboard: Dashboard) -> None:
    page = dashboard.open("/run/kth-finished/trials?trials=3,5,999,x")
    expect(page.locator("#compare-chosen")).to_have_text("compare the 2 chosen")
    assert "trials=3%2C5" in page.url
    page.click(".ag-row[row-id='3'] .ag-selection-checkbox")
    expect(page.locator("#compare-chosen")).to_have_text("compare the 1 chosen")
    page.click(".ag-row[row-id='5'] .ag-selection-checkbox")
    expect(page.locator("#compare-chosen")).to_have_text("compare the best")
    assert "trials=" not in page.url


@pytest.fixture
def looked(runs: Path) -> RunFolder:
    """Its trials 15, 1 and 11 were looked at, the best first, and 5, which has no sources."""
    folder = RunFolder(runs / "kth")
    records = read_results(folder.results)
    clips = read_look(folder.look(records[15].id)).predictions.clips
    for trial in (5, 11):
        write_look(folder.look(records[trial].id), look(records[trial], "kth (synthetic)", clips))
    return folder


def test_the_gates_of_each_trial_that_was_looked_at_are_a_link_away(serve: Serve, looked: RunFolder) -> None:
    page = serve(looked.path).open("/run/kth/gates")
    asked = note(page)
    links = page.get_by_label("trials with gates").locator("a")
    expect(links).to_have_text(["trial 15", "trial 1", "trial 11"])
    expect(page.locator("#chart-drawn h3")).to_contain_text("Trial 15 ")
    links.nth(2).click()
    page.wait_for_url("**/gates?trial=11")
    expect(page.locator("#chart-drawn h3")).to_contain_text("Trial 11 ")
    expect(page.locator("article.gates h3")).to_contain_text("Gates of trial 11 ")
    expect(page.get_by_label("sources").locator("tbody tr")).to_have_count(2)
    expect(page.locator("#gates a.current")).to_have_text("trial 11")
    page.wait_for_selector("#chart-openness .main-svg", state="attached")
    assert asked["drawn"] == 2
    page.go_back()
    expect(page.locator("article.gates h3")).to_contain_text("Gates of trial 15 ")


@pytest.mark.parametrize("trial", ["5", "999", "x", "²", ""])
def test_a_trial_without_gates_is_passed_over(dashboard: Dashboard, trial: str) -> None:
    page = dashboard.open(f"/run/kth-finished/gates?trial={trial}")
    expect(page.locator("#chart-drawn h3")).to_contain_text("Trial 15 ")

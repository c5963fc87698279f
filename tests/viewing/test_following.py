"""Pages that are open while what they show comes to be."""

from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from platform.results.incidents import Journal
from platform.results.record import read_results, write_results
from platform.results.run_folder import RunFolder
from tests.made_confirmations import confirm
from tests.made_runs import SOURCES
from tests.viewing.conftest import ASKED_WITHIN_MS, Serve
from tests.viewing.test_pages import cells


@pytest.fixture
def folder(runs: Path) -> RunFolder:
    return RunFolder(runs / "kth")


def test_predictions_and_gates_appear_when_the_best_trials_are_looked_at(serve: Serve, folder: RunFolder) -> None:
    whole = read_results(folder.results)
    looks = {path: path.read_bytes() for path in folder.trials.glob("*/look.npz")}
    for path in looks:
        path.unlink()
    write_results(folder.results, whole[:10], sources=SOURCES)
    dashboard = serve(folder.path)
    predictions, gates = dashboard.open("/run/kth/predictions"), dashboard.open("/run/kth/gates")
    expect(predictions.locator("#main")).to_contain_text("No predictions yet")
    expect(gates.locator("#main")).to_contain_text("No trial with sources has been looked at")

    for path, content in looks.items():
        path.write_bytes(content)
    write_results(folder.results, whole, sources=SOURCES)
    expect(predictions.locator("article.strip")).to_have_count(3, timeout=ASKED_WITHIN_MS)  # they are drawn first
    expect(gates.get_by_label("sources").locator("tbody tr")).not_to_have_count(0)
    for figure in (predictions.locator("#chart-horizon"), gates.locator("#chart-drawn")):
        figure.locator(".main-svg").first.wait_for(state="attached")
    expect(predictions.locator("#main")).not_to_contain_text("No predictions yet")


def test_the_confirmation_s_chart_appears_beside_its_table(serve: Serve, folder: RunFolder) -> None:
    page = serve(folder.path).open("/run/kth")
    page.wait_for_selector("#chart-trials .main-svg", state="attached")
    confirm(folder, {"trial_3": ("best", ["digits_2"], 30.0), "scratch": ("scratch", [], 33.0)})
    expect(page.locator("#overview h2").first).to_have_text("Confirmed on the test split")
    page.wait_for_selector("#overview #chart-confirmed .main-svg", state="attached")
    assert above(page.get_by_label("confirmed"), page.locator("#chart-confirmed"))
    assert above(page.locator("#chart-confirmed"), page.locator("text=What the search found"))
    assert page.locator("#chart-trials .main-svg").count() > 0


def above(one: Locator, other: Locator) -> bool:
    upper, lower = one.bounding_box(), other.bounding_box()
    return upper is not None and lower is not None and upper["y"] < lower["y"]


def test_a_table_keeps_its_order_when_a_column_appears(serve: Serve, folder: RunFolder) -> None:
    whole = read_results(folder.results)
    write_results(folder.results, whole[:4], sources=SOURCES)
    page = serve(folder.path).open("/run/kth/trials?sort=mse:desc")
    expect(page.locator("#num-shown")).to_have_text("4 trials shown")
    there = "dash_ag_grid.getApi('trials').getColumn('reason')"  # out of sight, so that the page has no such element
    assert page.evaluate(f"{there} === null")
    write_results(folder.results, whole, sources=SOURCES)
    expect(page.locator("#num-shown")).to_have_text("16 trials shown")
    page.wait_for_function(there)
    scores = [float(text) for text in cells(page, "mse") if text != "–"]
    assert len(scores) > 5
    assert scores == sorted(scores, reverse=True)
    assert "sort=mse%3Adesc" in page.url


def test_an_incident_appears_in_the_record_under_the_name_that_it_has_in_the_report(
    serve: Serve, folder: RunFolder
) -> None:
    page = serve(folder.path).open("/run/kth/record")
    expect(page.locator("#record")).to_contain_text("Folder")
    Journal(folder.incidents).note("node", "gpu-2 was lost and came back")
    expect(page.locator("#record h2", has_text="What happened on the way")).to_be_visible()
    expect(page.locator("#record")).to_contain_text("gpu-2 was lost and came back")

"""The dashboard as its users see it: a process of its own, Chromium, and runs that change."""

import json
import shutil
import urllib.request
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from platform.results.progress import Running, RunningTrial, write_running
from platform.results.record import read_results, write_results
from platform.results.run_folder import RunFolder
from tests.made_runs import SOURCES, RunBuilder
from tests.reporting.test_comparison import FALLING, FLAT, record, run_folder
from tests.viewing.conftest import Dashboard, Serve

FIGURES = ("trials", "sources", "pairs", "importances", "settings", "parallel", "curves", "cost")
PAGES = ("overview", "trials", "compare", "figures", "gates", "predictions", "record")


def cells(page: Page, column: str) -> list[str]:
    """Of the rows that the table shows, from above."""
    page.wait_for_selector(f".ag-row [col-id='{column}']")
    rows = page.query_selector_all(".ag-center-cols-container .ag-row, .ag-pinned-left-cols-container .ag-row")
    found = [(int(row.get_attribute("row-index") or 0), row.query_selector(f"[col-id='{column}']")) for row in rows]
    return [cell.inner_text() for _, cell in sorted(found, key=lambda pair: pair[0]) if cell is not None]


def test_from_the_list_of_runs_every_page_is_a_link_away_and_its_figures_are_drawn(serve: Serve, runs: Path) -> None:
    dashboard = serve(runs)
    page = dashboard.open()
    expect(page.locator("#runs")).to_contain_text("kth (synthetic)")
    page.click("#runs a")
    page.wait_for_selector("#overview .verdict")
    assert "is the best of 12 finished trials" in page.inner_text("#overview .verdict")
    for name in PAGES[1:]:
        page.click(f"#to-{name}")
        page.wait_for_url(f"**/run/kth/{name}")
        page.wait_for_selector(f"#to-{name}.current")
    page.click("#to-figures")
    for chart in FIGURES:
        page.wait_for_selector(f"#chart-{chart} .main-svg", state="attached")
    assert "var(" not in page.inner_html("#chart-trials .plot")  # the page's colours were put in
    page.click("#to-gates")
    page.wait_for_selector("#chart-openness .main-svg", state="attached")
    assert page.evaluate("[...document.images].every(image => image.naturalWidth > 0)")
    page.go_back()
    page.wait_for_selector("#to-figures.current")


@pytest.mark.parametrize("name", PAGES)
def test_on_a_phone_no_page_is_wider_than_it(dashboard: Dashboard, name: str) -> None:
    page = dashboard.open("/run/kth-finished" + (f"/{name}" if name != "overview" else ""), width=390, scheme="dark")
    page.wait_for_selector(f"#to-{name}.current")
    page.wait_for_load_state("networkidle")
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_trials_are_sorted_filtered_and_chosen_and_the_address_leads_there_again(dashboard: Dashboard) -> None:
    page = dashboard.open("/run/kth-finished/trials")
    page.click(".ag-header-cell[col-id='mse'] .ag-header-cell-label")
    page.wait_for_url("**sort=mse%3Aasc*")
    scores = [float(text) for text in cells(page, "mse") if text != "–"]
    assert scores == sorted(scores)
    assert len(scores) > 5

    page.goto(
        page.url + "&filter=" + json.dumps({"state": {"filterType": "text", "type": "equals", "filter": "finished"}})
    )
    expect(page.locator("#num-shown")).to_have_text("12 trials shown")
    assert set(cells(page, "state")) == {"finished"}
    scores = [float(text) for text in cells(page, "mse")]
    assert scores == sorted(scores)

    chosen = cells(page, "trial")[:2]
    for row in (0, 1):
        page.click(f".ag-row[row-index='{row}'] .ag-selection-checkbox")
    page.click("text=compare the 2 chosen")
    page.wait_for_url(f"**/run/kth-finished/compare?trials={chosen[0]},{chosen[1]}")
    for place, number in enumerate(chosen, start=1):
        expect(page.locator("#compared th[scope=col]").nth(place)).to_have_text(f"trial {number}")
    page.wait_for_selector("#chart-chosen .main-svg", state="attached")
    expect(page.locator("#compared article.strip")).to_have_count(3)  # both are among those that were looked at


def test_with_the_keyboard_alone_trials_are_sorted_and_chosen(dashboard: Dashboard) -> None:
    page = dashboard.open("/run/kth-finished/trials")
    page.wait_for_selector(".ag-row")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "to the content"
    page.focus(".ag-header-cell[col-id='mse']")
    page.keyboard.press("Enter")
    page.wait_for_url("**sort=mse%3Aasc*")
    page.focus(".ag-row[row-index='0'] [col-id='mse']")
    page.keyboard.press("Space")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    expect(page.locator("#compare-chosen")).to_have_text("compare the 2 chosen")


def test_light_and_dark_are_chosen_and_kept(dashboard: Dashboard) -> None:
    page = dashboard.open("/run/kth-finished", scheme="light")
    paper = "getComputedStyle(document.body).backgroundColor"
    page.wait_for_selector("#chart-trials .main-svg", state="attached")
    light, ink = page.evaluate(paper), page.locator("#chart-trials .xtitle").evaluate("it => getComputedStyle(it).fill")
    page.click("text=colours: auto")
    page.click("text=colours: light")
    page.wait_for_selector("text=colours: dark")
    assert page.evaluate(paper) != light
    page.wait_for_function(
        "before => getComputedStyle(document.querySelector('#chart-trials .xtitle')).fill != before", arg=ink
    )
    page.reload()
    page.wait_for_selector("text=colours: dark")
    assert page.evaluate(paper) != light


def test_pages_follow_a_run_that_goes_on(serve: Serve, runs: Path) -> None:
    """Trials end, one is running, and what is open changes by itself: the table, the chart, the words."""
    folder = RunFolder(runs / "kth")
    whole = read_results(folder.results)
    write_results(folder.results, whole[:10], sources=SOURCES)
    dashboard = serve(runs)
    table, overview = dashboard.open("/run/kth/trials"), dashboard.open("/run/kth")
    expect(table.locator("#num-shown")).to_have_text("10 trials shown")
    expect(overview.locator("#standing")).to_contain_text("10 of 16 trials")
    overview.wait_for_selector("#chart-trials .main-svg", state="attached")
    table.click(".ag-row[row-index='3'] .ag-selection-checkbox")

    running = RunningTrial(trial=12, id="trial-012", seed=1, settings=whole[12].settings, curve=whole[12].curve[:2])
    write_running(folder.running, Running(trials=(running,), wall_s=77))
    write_results(folder.results, whole[:12], sources=SOURCES)
    expect(table.locator("#num-shown")).to_have_text("13 trials shown")
    expect(table.locator(".ag-row[row-id='12'] [col-id='state']")).to_have_text("running")
    expect(table.locator("#compare-chosen")).to_have_text("compare the 1 chosen")  # it is still chosen
    expect(overview.locator("#standing")).to_contain_text("12 of 16 trials")

    write_running(folder.running, Running(wall_s=99))
    write_results(folder.results, whole, sources=SOURCES)
    expect(table.locator(".ag-row[row-id='12'] [col-id='state']")).to_have_text(whole[12].state)
    expect(overview.locator("#chart-trials figcaption")).to_contain_text("16 trials: 12 finished")


def test_another_run_that_comes_to_stand_in_the_folder_is_named(serve: Serve, runs: Path) -> None:
    page = serve(runs).open("/run/kth")
    expect(page.locator("h1")).to_have_text("Search kth (synthetic)")
    folder = RunFolder(runs / "kth")
    folder.config.write_text(folder.config.read_text().replace("\nname: kth", "\nname: moved"))
    folder.provenance.write_text('{"benchmark": "moving_mnist", "synthetic": false}')
    expect(page.locator("h1")).to_have_text("Search moved: moving_mnist")
    expect(page.locator("#heading .notice")).to_have_count(0)


def test_a_tab_that_nobody_sees_asks_nothing_and_catches_up(serve: Serve, runs: Path) -> None:
    """Headless Chromium hides no tab, so that the page is told it is hidden."""
    folder = RunFolder(runs / "kth")
    whole = read_results(folder.results)
    write_results(folder.results, whole[:10], sources=SOURCES)
    dashboard = serve(runs)
    page = dashboard.open("/run/kth")
    expect(page.locator("#standing")).to_contain_text("10 of 16 trials")
    page.wait_for_selector("#chart-trials .main-svg", state="attached")
    become = """state => {
        Object.defineProperty(document, "visibilityState", {value: state, configurable: true});
        document.dispatchEvent(new Event("visibilitychange"));
    }"""
    page.evaluate(become, "hidden")
    page.wait_for_load_state("networkidle")
    dashboard.asked.clear()
    write_results(folder.results, whole, sources=SOURCES)
    page.wait_for_timeout(6_000)  # three ticks
    assert dashboard.asked == []
    page.evaluate(become, "visible")
    expect(page.locator("#standing")).to_contain_text("16 of 16 trials")


def test_a_damaged_run_shows_what_can_be_read_and_says_what_cannot(serve: Serve, runs: Path) -> None:
    folder = RunFolder(runs / "kth")
    folder.results.write_bytes(folder.results.read_bytes()[:1000])
    folder.running.write_text("{")
    shutil.rmtree(folder.trials)
    (runs / "empty").mkdir()
    page = serve(runs).open("/run/kth")
    missing = page.locator("#missing")
    expect(missing).to_contain_text("results.parquet cannot be read as a table of trials")
    expect(missing).to_contain_text("running.json cannot be read")
    expect(page.locator("h1")).to_have_text("Search kth (synthetic)")
    for name in PAGES[1:]:
        page.click(f"#to-{name}")
        page.wait_for_selector(f"#to-{name}.current")


def test_a_run_that_begins_later_appears_and_one_that_is_gone_says_so(
    serve: Serve, tmp_path: Path, build_run: RunBuilder
) -> None:
    (tmp_path / "runs").mkdir()
    dashboard = serve(tmp_path / "runs")
    page = dashboard.open()
    expect(page.locator("#runs")).to_contain_text("No run yet")
    build_run(tmp_path / "runs" / "later", num_trials=3)
    expect(page.locator("#runs")).to_contain_text("later")
    page.goto(f"{dashboard.url}/run/gone/trials")
    expect(page.locator("#main")).to_contain_text("There is no run gone")


def test_a_page_that_is_open_while_its_run_goes_away_says_so(serve: Serve, runs: Path) -> None:
    page = serve(runs).open("/run/kth")
    page.wait_for_selector("#overview .verdict")
    shutil.rmtree(runs / "kth")
    expect(page.locator("#standing")).to_contain_text("There is no run kth")


def test_a_page_that_asks_just_when_its_run_goes_away_is_no_failure(dashboard: Dashboard) -> None:
    seen = {"id": "seen", "property": "data", "value": {"run": "gone", "version": 1}}
    question = {
        "output": "overview.children",
        "outputs": {"id": "overview", "property": "children"},
        "inputs": [seen],
        "changedPropIds": ["seen.data"],
    }
    request = urllib.request.Request(
        f"{dashboard.url}/_dash-update-component", json.dumps(question).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status < 300


@pytest.mark.parametrize(
    "query",
    [
        'filter={"mse":{"filterType":"number","operator":"AND","conditions":"x"}}',
        'filter={"mse":{"filterType":"number","type":"lessThan","filter":"abc"}}',
        'filter={"gone":{"filterType":"text","type":"equals","filter":"a"}}',
        "filter=[1]&sort=;;",
        "filter={",
        'filter={"mse":5}&sort=mse:up&trials=a,b',
        "x=1&x=2&trials=a,b",
    ],
)
def test_an_odd_address_shows_the_page_as_it_is(dashboard: Dashboard, query: str) -> None:
    page = dashboard.open(f"/run/kth-finished/trials?{query}")
    expect(page.locator("#num-shown")).to_have_text("16 trials shown")
    page.goto(f"{dashboard.url}/run/kth-finished/compare?trials=²,1")
    expect(page.locator("#compared th[scope=col]").nth(1)).to_have_text("trial 1")


def test_a_comparison_shows_its_settings_with_intervals(serve: Serve, tmp_path: Path) -> None:
    curves = {0: FLAT, 1: FALLING}
    records = [record(seed * 2 + place, seed, curves[place]) for seed in range(2) for place in curves]
    folder = run_folder(tmp_path / "compared", records)
    page = serve(folder).open("/run/compared")
    expect(page.locator("h1")).to_contain_text("Comparison")
    expect(page.locator("#standing")).to_contain_text("4 of 4 trials")
    expect(page.locator("#overview .verdict")).to_contain_text("has the lowest mean error (MSE)")
    page.wait_for_selector("#chart-ends .main-svg", state="attached")
    page.goto(page.url.replace("/run/compared", "/"))
    expect(page.locator("#runs")).to_contain_text("has the lowest mean error (MSE)")


def test_nothing_of_a_run_is_written(serve: Serve, runs: Path) -> None:
    def state() -> dict[str, tuple[int, int]]:
        return {str(path): (path.stat().st_mtime_ns, path.stat().st_size) for path in sorted(runs.rglob("*"))}

    before = state()
    page = serve(runs).open("/run/kth")
    for name in PAGES[1:]:
        page.click(f"#to-{name}")
        page.wait_for_selector(f"#to-{name}.current")
    page.wait_for_load_state("networkidle")
    assert state() == before

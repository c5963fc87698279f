"""The dashboard as its users see it: a process of its own, Chromium, and runs that change."""

import json
import re
import shutil
import signal
import urllib.request
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlencode

import optuna
import psutil
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


def asked(dashboard: Dashboard, path: str, form: dict[str, str] | None = None, **headers: str) -> int:
    data = None if form is None else urlencode(form).encode()
    sent = {name.replace("_", "-"): text for name, text in headers.items()}
    try:
        return int(urllib.request.urlopen(urllib.request.Request(dashboard.url + path, data, sent), timeout=90).status)
    except HTTPError as error:
        return error.code


def test_other_sites_are_refused(dashboard: Dashboard) -> None:
    """A name that its owner lets lead to this machine; a page elsewhere that has its reader's browser ask here."""
    assert asked(dashboard, "/") == 200
    assert asked(dashboard, "/", Host="localhost") == 200
    assert asked(dashboard, "/", Host="192.0.2.1:8050") == 200  # by a tunnel, or --host 0.0.0.0
    assert asked(dashboard, "/", Host="evil.example") == 403
    assert asked(dashboard, "/_dash-layout", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="cors") == 403
    assert asked(dashboard, "/open/tensorboard/kth", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate") == 403
    assert asked(dashboard, "/", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate") == 200  # a link in a mail
    assert asked(dashboard, "/own/page.css") == 200
    assert asked(dashboard, "/own/page.py") == 404


def test_only_a_page_of_the_dashboard_begins_a_program(dashboard: Dashboard) -> None:
    page = dashboard.open("/run/kth-finished")
    page.wait_for_selector("#open-tensorboard")
    token, path = page.input_value("#opener [name=token]"), "/open/tensorboard/kth-finished"
    asked(dashboard, path)  # followed as a link
    assert asked(dashboard, path, {}) == 403
    assert asked(dashboard, path, {"token": token[:-1] + "é"}) == 403
    assert asked(dashboard, path, {"token": token}, Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate") == 403
    assert psutil.Process(dashboard.process.pid).children() == []
    assert asked(dashboard, "/open/vi/kth-finished", {"token": token}) == 404
    assert asked(dashboard, "/open/ray/kth-finished", {"token": token}) == 404


def opened(page: Page, tool: str) -> str:
    """The address at which a tool shows itself in a tab of its own."""
    with page.expect_popup() as popup:
        page.click(f"#open-{tool}")
    popup.value.wait_for_url(lambda url: url != "about:blank", wait_until="commit", timeout=90_000)
    return popup.value.url


def test_tensorboard_and_optuna_open_on_the_run(serve: Serve, runs: Path) -> None:
    dashboard = serve(runs)
    page = dashboard.open("/run/kth")
    tensorboard = opened(page, "tensorboard")
    with urllib.request.urlopen(re.sub("#.*", "", tensorboard) + "data/logdir", timeout=30) as told:
        assert json.loads(told.read())["logdir"] == str((runs / "kth" / "trials").resolve())
    optuna, _, path = opened(page, "optuna").partition("/dashboard")
    assert path == "/studies/1"
    with urllib.request.urlopen(f"{optuna}/api/studies/1?after=0", timeout=30) as told:
        assert len(json.loads(told.read())["trials"]) == 16
    children = psutil.Process(dashboard.process.pid).children(recursive=True)
    assert len(children) >= 2
    page.close()
    dashboard.process.send_signal(signal.SIGINT)
    assert dashboard.process.wait(20) == 0
    assert psutil.wait_procs(children, timeout=5)[1] == []


def test_optuna_opens_on_the_run_s_own_study_of_a_shared_database(
    serve: Serve, runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, folder = f"sqlite:///{tmp_path / 'secret.db'}", RunFolder(runs / "kth")
    storage = optuna.storages.RDBStorage(url)
    optuna.create_study(study_name="of another run", storage=storage)
    optuna.copy_study(
        from_study_name="search",
        from_storage=f"sqlite:///{folder.study}",
        to_storage=storage,
        to_study_name="kth-4f21",
    )
    folder.study.unlink()
    folder.shared_study.write_text(json.dumps({"storage": "${TMU_TEST_URL}", "name": "kth-4f21"}))
    monkeypatch.setenv("TMU_TEST_URL", url)
    dashboard = serve(runs)
    page = dashboard.open("/run/kth")
    optuna_url, _, path = opened(page, "optuna").partition("/dashboard")
    assert path == "/studies/2"
    with urllib.request.urlopen(f"{optuna_url}/api/studies/2?after=0", timeout=30) as told:
        assert len(json.loads(told.read())["trials"]) == 16
    for process in psutil.Process(dashboard.process.pid).children(recursive=True):
        assert not any("secret" in word for word in process.cmdline())
    page.click("#to-record")
    expect(page.locator("#record")).to_contain_text("Folder")
    assert "secret" not in page.content()


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("", "export TMU_TEST_URL="),
        ("sqlite:////gone/secret.db", "The study in the database that ${TMU_TEST_URL} names cannot be opened"),
    ],
)
def test_a_shared_study_that_cannot_be_opened_is_told_without_its_database(
    serve: Serve, runs: Path, monkeypatch: pytest.MonkeyPatch, url: str, told: str
) -> None:
    name = json.dumps({"storage": "${TMU_TEST_URL}", "name": "kth-4f21"})
    RunFolder(runs / "kth").shared_study.write_text(name)
    monkeypatch.setenv("TMU_TEST_URL", url)
    page = serve(runs).open("/run/kth")
    with page.expect_popup() as popup:
        page.click("#open-optuna")
    expect(popup.value.locator("main")).to_contain_text(told)
    assert "secret" not in popup.value.content()

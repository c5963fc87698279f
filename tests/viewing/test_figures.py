"""When figures are made, sent and drawn."""

import shutil
import urllib.request
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.error import HTTPError

import pytest
from playwright.sync_api import Page, Request, expect

from platform.reporting.charts.chart import Chart
from platform.reporting.charts.of_run import CHARTS
from platform.results.findings import Findings
from platform.results.record import read_results, write_results
from platform.results.run_folder import RunFolder
from platform.viewing.figure_route import figure_json
from platform.viewing.pages.predictions import strips_of
from platform.viewing.watched import View, WatchedRun
from tests.made_runs import SOURCES
from tests.viewing.conftest import Dashboard, Serve

FIGURES = ("trials", "sources", "pairs", "importances", "settings", "parallel", "curves", "cost")


@pytest.fixture
def view(finished_run: RunFolder) -> Iterator[View]:
    with ThreadPoolExecutor(1) as background:
        yield WatchedRun("kth", finished_run.path, background).view()


def test_a_figure_is_made_once_for_all_who_look_at_a_version(view: View, monkeypatch: pytest.MonkeyPatch) -> None:
    made: Counter[str] = Counter()
    cost = CHARTS["cost"]

    def counted(findings: Findings) -> Chart | None:
        made["cost"] += 1
        return cost(findings)

    monkeypatch.setitem(CHARTS, "cost", counted)
    with ThreadPoolExecutor(4) as browsers:
        sent = set(browsers.map(lambda _: figure_json(view, "cost"), range(8)))
    assert (len(sent), made["cost"]) == (1, 1)


def test_the_pictures_of_a_version_are_drawn_once(view: View) -> None:
    looks = view.findings.looks
    assert strips_of(view, looks) is strips_of(view, looks)
    assert strips_of(view, looks[:1]) is not strips_of(view, looks)


def test_the_chosen_trials_have_a_figure_each_choice(view: View) -> None:
    one, two = figure_json(view, "chosen", "3"), figure_json(view, "chosen", "3,5")
    assert one != two
    assert figure_json(view, "chosen", "3,5,999,x") is two
    assert figure_json(view, "curve-0") is None  # of a comparison


def test_a_figure_that_has_not_changed_is_not_sent_again(dashboard: Dashboard) -> None:
    url = f"{dashboard.url}/figure/kth-finished/trials"
    with urllib.request.urlopen(url, timeout=30) as first:
        stamp = first.headers["ETag"]
    with pytest.raises(HTTPError, match="304"):
        urllib.request.urlopen(urllib.request.Request(url, headers={"If-None-Match": stamp}), timeout=30)


def test_a_figure_of_a_run_that_is_gone_is_no_failure(dashboard: Dashboard) -> None:
    with urllib.request.urlopen(f"{dashboard.url}/figure/gone/trials", timeout=30) as answer:
        assert answer.status == 204


def note(page: Page) -> Counter[str]:
    """How often each figure is asked for."""
    asked: Counter[str] = Counter()

    def count(request: Request) -> None:
        if "/figure/" in request.url:
            asked[request.url.partition("/figure/")[2].partition("/")[2].partition("?")[0]] += 1

    page.on("request", count)
    return asked


def test_every_figure_is_drawn_and_while_the_run_goes_on_those_in_sight(
    serve: Serve, tmp_path: Path, finished_run: RunFolder
) -> None:
    folder = RunFolder(Path(shutil.copytree(finished_run.path, tmp_path / "kth")))
    whole = read_results(folder.results)
    write_results(folder.results, whole[:10], sources=SOURCES)
    page = serve(folder.path).open("/run/kth/figures")
    for chart in FIGURES:
        page.wait_for_selector(f"#chart-{chart} .main-svg", state="attached")
    page.wait_for_load_state("networkidle")

    asked = note(page)
    write_results(folder.results, whole, sources=SOURCES)
    expect(page.locator("#chart-trials figcaption")).to_contain_text("16 trials: 12 finished")
    page.wait_for_load_state("networkidle")
    assert asked["cost"] == asked["curves"] == 0
    points = page.locator("#chart-cost .point")
    num_drawn = points.count()
    page.locator("#chart-cost").scroll_into_view_if_needed()
    expect(points).not_to_have_count(num_drawn)
    assert asked["cost"] == 1

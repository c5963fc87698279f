"""Printed, the report is light, as wide as a page, whole, and nothing in it is folded."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from platform.reporting.page import render_report
from platform.results.record import read_results, write_results
from platform.results.run_folder import RunFolder
from tests.made_confirmations import confirm

INK, PAPER = "rgb(27, 31, 35)", "rgb(255, 255, 255)"
WIDTH = 680  # 18 cm, in pixels: A4 without its margins
INK_OF_CHARTS = """() => [...new Set([...document.querySelectorAll(".xtick text, .annotation-text, .legendtext")]
  .map(text => getComputedStyle(text).fill))]"""
BACKGROUNDS = '() => [...document.querySelectorAll(".annotation .bg")].map(box => getComputedStyle(box).fill)'
TOO_WIDE = """() => [...document.querySelectorAll("table, td, th, .plot, .main-svg, img, summary")]
  .filter(it => it.getBoundingClientRect().right > document.body.getBoundingClientRect().right + 1)
  .map(it => `${it.tagName} ${it.className} ${it.getBoundingClientRect().right} ${it.textContent.slice(0, 40)}`)"""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory, build_run: Callable[..., RunFolder]) -> Path:
    """With as many settings that differ as make its table wider than a page."""
    folder = build_run(tmp_path_factory.mktemp("paper") / "run", num_trials=24)
    records = []
    for record in read_results(folder.results):
        more = {"layers": [record.trial % 3], "bias": record.trial / 7, "gate": ("place", "channel")[record.trial % 2]}
        tmu = {**record.settings["tmu"], **more, "kernel_size": 3 + 2 * (record.trial % 2)}
        settings = {**record.settings, "tmu": tmu, "feed": ("own", "truth")[record.trial % 2]}
        records.append(record.model_copy(update={"settings": settings}))
    write_results(folder.results, records, sources=("digits_1", "digits_2", "digits_3"))
    confirm(folder, {"trial_3": ("best", ["digits_2"], 30.0), "scratch": ("scratch", [], 33.0)})
    return render_report(folder.path)


@pytest.fixture
def dark(report: Path, browser: Browser) -> Iterator[Page]:
    """The report on a dark screen of 1280 pixels."""
    page = browser.new_page(viewport={"width": 1280, "height": 900}, color_scheme="dark")
    page.goto(report.as_uri())
    page.wait_for_selector("#plot-openness .main-svg", state="attached")
    yield page
    page.close()


def on_paper(page: Page) -> None:
    page.emulate_media(media="print", color_scheme="dark")
    page.wait_for_selector(".paper #plot-openness .main-svg", state="attached")


def test_from_a_dark_screen_charts_are_printed_in_dark_ink_and_come_back_light(dark: Page) -> None:
    on_screen = dark.evaluate(INK_OF_CHARTS)
    assert INK not in on_screen
    on_paper(dark)
    assert INK in dark.evaluate(INK_OF_CHARTS)
    assert not set(on_screen) & set(dark.evaluate(INK_OF_CHARTS))
    assert PAPER in dark.evaluate(BACKGROUNDS)
    assert dark.evaluate("getComputedStyle(document.body).backgroundColor") == PAPER
    dark.emulate_media(media="screen", color_scheme="dark")
    dark.wait_for_selector(":root:not(.paper) #plot-openness .main-svg", state="attached")
    assert dark.evaluate(INK_OF_CHARTS) == on_screen


def test_a_browser_that_prints_draws_them_before(dark: Page) -> None:
    dark.evaluate(f"addEventListener('beforeprint', () => {{ window.inks = ({INK_OF_CHARTS})(); }})")
    dark.pdf(format="A4")
    assert INK in dark.evaluate("window.inks")
    assert INK not in dark.evaluate(INK_OF_CHARTS)


def test_nothing_is_wider_than_a_page(dark: Page) -> None:
    trials: dict[str, Any] = dark.evaluate("document.querySelector('.trials').getBoundingClientRect().toJSON()")
    assert trials["width"] > WIDTH
    on_paper(dark)
    assert dark.evaluate("document.body.getBoundingClientRect().width") == pytest.approx(WIDTH, abs=1)
    assert dark.evaluate(TOO_WIDE) == []
    assert set(
        dark.evaluate("[...document.querySelectorAll('.scroll')].map(it => getComputedStyle(it).overflowX)")
    ) == {"visible"}


def test_a_column_keeps_its_name_on_the_next_page(dark: Page) -> None:
    with_columns = "document.querySelectorAll('tr:has(th[scope=col])').length"
    assert dark.evaluate(with_columns) == dark.evaluate("document.querySelectorAll('thead tr').length") >= 4


def test_what_is_folded_is_open_on_paper_and_folded_again_after(dark: Page) -> None:
    folded = "document.querySelectorAll('details:not([open])').length"
    before = dark.evaluate(folded)
    assert before >= 1
    on_paper(dark)
    assert dark.evaluate(folded) == 0
    dark.emulate_media(media="screen")
    dark.wait_for_selector(":root:not(.paper)")
    assert dark.evaluate(folded) == before


def test_a_report_without_charts_unfolds_too(
    tmp_path: Path, build_run: Callable[..., RunFolder], browser: Browser
) -> None:
    page = browser.new_page()
    page.goto(render_report(build_run(tmp_path / "run", num_trials=0).path).as_uri())
    page.emulate_media(media="print")
    page.wait_for_selector(".paper")
    assert page.evaluate("document.querySelectorAll('details[open]').length") == 1
    page.close()

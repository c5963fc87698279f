"""At the width of a phone the words of charts are whole, and none lies over another."""

from collections.abc import Callable, Iterator
from itertools import combinations
from pathlib import Path

import pytest
import yaml
from playwright.sync_api import Browser, Page

from platform.reporting.charts.pairs import pairs_of_sources
from platform.reporting.page import render_report
from platform.results.effects import Difference, PairEffect
from platform.results.run_folder import RunFolder
from platform.results.summary import RunSummary
from tests.made_confirmations import confirm

# Of one kind of words in a figure: [text, left, top, right, bottom], in pixels of the page.
BOXES = """([figure, words]) => [...document.getElementById("plot-" + figure).querySelectorAll(words)].map(each => {
  const box = each.getBoundingClientRect();
  return [each.textContent, box.left, box.top, box.right, box.bottom];
})"""
Box = tuple[str, float, float, float, float]


@pytest.fixture(scope="module")
def page(
    tmp_path_factory: pytest.TempPathFactory, build_run: Callable[..., RunFolder], browser: Browser
) -> Iterator[Page]:
    """The report of a halving search with a confirmation, on a phone."""
    folder = build_run(tmp_path_factory.mktemp("phone") / "run", num_trials=24)
    config = yaml.safe_load(folder.config.read_text())
    config["search"]["asha"] = {"grace_epochs": 1, "reduction": 2}
    folder.config.write_text(yaml.safe_dump(config))
    confirm(
        folder,
        {
            "trial_3": ("best", ["digits_2"], 30.0),
            "scratch": ("scratch", [], 33.0),
            "control": ("control", ["digits_2"], 30.1),
        },
    )
    report: Path = render_report(folder.path)
    opened = browser.new_page(viewport={"width": 390, "height": 844})
    opened.goto(report.as_uri())
    opened.wait_for_selector("#plot-curves .main-svg", state="attached")
    yield opened
    opened.close()


def boxes(page: Page, figure: str, words: str) -> list[Box]:
    found: list[Box] = page.evaluate(BOXES, [figure, words])
    return found


def over_each_other(found: list[Box]) -> list[tuple[str, str]]:
    return [
        (one[0], other[0])
        for number, one in enumerate(found)
        for other in found[number + 1 :]
        if one[1] < other[3] and other[1] < one[3] and one[2] < other[4] and other[2] < one[4]
    ]


@pytest.mark.parametrize("figure", ["settings", "cost", "importances", "sources", "curves", "horizon"])
def test_numbers_along_an_axis_do_not_run_together(page: Page, figure: str) -> None:
    for axis in (".xtick text, .x2tick text, .x3tick text, .x4tick text", ".ytick text"):
        assert over_each_other(boxes(page, figure, axis)) == []


@pytest.mark.parametrize("figure", ["confirmed", "settings", "cost", "trials"])
def test_the_title_of_an_axis_is_whole(page: Page, figure: str) -> None:
    titles = boxes(page, figure, ".infolayer [class$=title] text, .infolayer text[class$=title]")
    assert titles
    for text, left, _, right, _ in titles:
        assert left >= 0, text
        assert right <= 390, text


def test_words_beside_the_settings_of_a_confirmation_are_whole(page: Page) -> None:
    words = boxes(page, "confirmed", ".annotation-text")
    assert len(words) == 2
    assert any("imitates nothing" in text for text, *_ in words)
    assert all(left >= 0 and right <= 390 for _, left, _, right, _ in words)


def test_a_rungs_name_does_not_lie_over_the_floors(page: Page) -> None:
    words = boxes(page, "curves", ".annotation-text")
    assert {"rung", "copying the last frame: 48.4"} <= {text for text, *_ in words}
    assert over_each_other(words) == []


def test_numbers_of_many_pairs_of_sources_stand_in_their_cells(
    build_run: Callable[..., RunFolder], tmp_path: Path, browser: Browser
) -> None:
    names = [f"moving_digits_{number}" for number in range(9)]
    pairs = [
        PairEffect(
            first, second, (20, 20, 20, 20), Difference(-12.34, (-20.0, -5.0), 0.01 if first == names[0] else 0.2)
        )
        for first, second in combinations(names, 2)
    ]
    chart = pairs_of_sources(RunSummary.read(build_run(tmp_path / "run").path), pairs)
    assert chart is not None
    assert chart.plot is not None
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.set_content(chart.plot.to_html(div_id="plot-pairs"))
    page.wait_for_selector("#plot-pairs .annotation-text", state="attached")
    words = boxes(page, "pairs", ".annotation-text")
    page.context.close()
    assert [text for text, *_ in words].count("−12.3 ★") == 8
    assert len(words) == len(pairs)
    assert over_each_other(words) == []
    assert all(right - left >= 12 for _, left, _, right, _ in words)  # upright: the height of letters


def test_rows_of_the_confirmed_table_are_read_without_scrolling_sideways(page: Page) -> None:
    """Each cell is a line behind its column's name, and all of them lie within the screen."""
    cells = page.locator("#confirmed .stacks td:visible")
    shown = cells.evaluate_all(
        "cells => cells.map(c => [getComputedStyle(c, '::before').content, c.getBoundingClientRect().right])"
    )
    assert {'"setting"', '"seeds"', '"Δ mse"'} <= {name for name, _ in shown}
    assert [(name, right) for name, right in shown if name == "none" or right > 390] == []

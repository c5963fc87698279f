"""Chosen trials beside each other: each line is named at its end."""

from dataclasses import replace
from itertools import combinations

import pytest
from playwright.sync_api import Browser

from platform.reporting.charts.chart import Chart
from platform.reporting.charts.chosen import curves_of_chosen
from platform.results.record import TrialRecord
from platform.results.run_folder import RunFolder
from platform.results.summary import RunSummary

Curves = dict[int, list[float]]
WORDS = """() => [...document.querySelectorAll(".annotation-text")].map(each => {
  const box = each.getBoundingClientRect();
  return {text: each.textContent, left: box.left, top: box.top, right: box.right, bottom: box.bottom};
})"""


@pytest.fixture(scope="module")
def summary(finished_run: RunFolder) -> RunSummary:
    return RunSummary.read(finished_run.path)


def chart_of(summary: RunSummary, curves: Curves) -> Chart:
    first = summary.records[0]
    records: list[TrialRecord] = [
        first.model_copy(
            update={"trial": trial, "curve": tuple({"epoch": n + 1.0, "mse": mse} for n, mse in enumerate(curve))}
        )
        for trial, curve in curves.items()
    ]
    return curves_of_chosen(replace(summary, records=tuple(records)), records)


@pytest.mark.parametrize(
    "curves",
    [
        {trial: [60.0, 50.0, 40.0 + trial / 100] for trial in range(110, 118)},  # all end alike
        {1: [60.0, 50.0, 40.0], 2: [61.0, 41.0], 3: [40.5], 4: [70.0, 60.0, float("nan")]},
        {5: [2000.0, 30.0, 20.0], 6: [1000.0, 31.0, 20.1]},  # logarithmic
        {7: [40.0]},
    ],
)
@pytest.mark.parametrize("width", [1080, 360])
def test_every_line_is_named_beside_its_end_and_no_name_lies_over_another(
    width: int, curves: Curves, summary: RunSummary, browser: Browser
) -> None:
    plot = chart_of(summary, curves).plot
    assert plot is not None
    page = browser.new_page(viewport={"width": width, "height": 500})
    page.set_content(plot.to_html(config={"responsive": True}))
    page.wait_for_selector(".annotation-text", state="attached")
    words = [word for word in page.evaluate(WORDS) if word["text"].startswith("trial ")]
    legend = page.locator(".legendtext").count()
    page.close()
    assert sorted(word["text"] for word in words) == sorted(f"trial {trial}" for trial in curves)
    assert legend == 0
    assert all(word["left"] >= 0 and word["right"] <= width and word["top"] >= 0 for word in words)
    assert [
        (one["text"], other["text"])
        for one, other in combinations(words, 2)
        if one["top"] < other["bottom"] and other["top"] < one["bottom"]
    ] == []


def test_names_stand_in_the_order_in_which_the_lines_end(summary: RunSummary) -> None:
    plot = chart_of(summary, {1: [60.0, 40.2], 2: [50.0, 40.1], 3: [70.0, 55.0]}).plot
    assert plot is not None
    heights = {note.text: note.ay for note in plot.layout.annotations if note.text.startswith("trial")}
    assert sorted(heights, key=lambda text: heights[text]) == ["trial 2", "trial 1", "trial 3"]
    assert heights["trial 3"] == pytest.approx(55.0)

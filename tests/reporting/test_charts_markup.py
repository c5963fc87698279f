"""Names that look like markup stand in charts as they are; only what the charts' own text has of it is markup."""

import json
from pathlib import Path

import plotly.graph_objects as go
import pytest
from playwright.sync_api import Browser

from platform.reporting.charts.chart import Chart
from platform.reporting.page import render_report
from platform.results.record import read_results, write_results
from tests import made_runs
from tests.made_confirmations import confirm

LINK = '<a href="https://evil.example">ok</a>'
HOVER = """key => {
  const plot = document.getElementById("plot-" + key);
  plot._fullData.forEach((trace, curveNumber) => Plotly.Fx.hover(plot, [{curveNumber, pointNumber: 0}]));
  return [...plot.querySelectorAll(".hovertext")].map(label => label.textContent).join();
}"""


@pytest.fixture
def report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of a run whose sources, and a value of whose settings, are named like links."""
    sources = tuple(f"{LINK} {number}" for number in (1, 2, 3))
    monkeypatch.setattr(made_runs, "SOURCES", sources)
    folder = made_runs.build(tmp_path / "run", num_trials=24, objectives=("mse", "parameters"))
    records = [
        record.model_copy(update={"settings": {**record.settings, "start": LINK if record.trial % 2 else "scratch"}})
        for record in read_results(folder.results)
    ]
    write_results(folder.results, records, sources=sources)
    confirm(folder, {"trial_3": ("best", [sources[1]], 30.0), "scratch": ("scratch", [], 33.0)})
    return render_report(folder.path)


def test_no_name_becomes_a_link_in_a_chart(report: Path, browser: Browser) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(report.as_uri())
    page.wait_for_selector("#plot-openness .main-svg", state="attached")
    keys = page.evaluate("[...document.querySelectorAll('.plot')].map(plot => plot.id.replace('plot-', ''))")
    named = [key for key in keys if LINK in page.inner_text(f"#plot-{key}")]
    assert set(named) >= {"sources", "pairs", "importances", "settings", "parallel", "drawn", "openness"}
    hovered = [key for key in keys if LINK in page.evaluate(HOVER, key)]
    assert set(hovered) >= {"trials", "openness"}
    assert page.evaluate("document.querySelectorAll('.plot a, .plot [href]').length") == 0
    page.close()


def test_the_charts_own_markup_stays_and_all_other_is_text() -> None:
    plot = go.Figure(
        layout={"annotations": [{"text": "<b>a</b><br><i>b</i> & &lt;"}], "xaxis": {"title": {"text": "<A>"}}}
    )
    plot.add_scatter(x=["<a>", "b"], y=[1, 2], hovertemplate="<sub>%{y}<extra></extra>")
    chart = Chart("any", "", "", plot)
    assert chart.plot is not None
    shown = json.loads(chart.plot.to_json())
    assert shown["layout"]["annotations"][0]["text"] == "<b>a</b><br>&lt;i>b&lt;/i> &amp; &amp;lt;"
    assert shown["layout"]["xaxis"]["title"]["text"] == "&lt;A>"
    assert shown["data"][0]["x"] == ["&lt;a>", "b"]
    assert shown["data"][0]["y"] == [1, 2]
    assert shown["data"][0]["hovertemplate"] == "&lt;sub>%{y}<extra></extra>"

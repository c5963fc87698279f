"""`report.html` says what is known, says what is missing, and works from disk without a network."""

import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser

from platform.reporting.page import render_report
from platform.results.look import MeasuredField, read_look, write_look
from platform.results.record import TrialRecord, read_results, write_results
from platform.results.run_folder import RunFolder
from platform.results.summary import RunSummary
from tests.made_confirmations import confirm
from tests.made_runs import look, moving_digits

CHARTS = (
    "trials",
    "sources",
    "pairs",
    "importances",
    "settings",
    "parallel",
    "curves",
    "cost",
    "horizon",
    "drawn",
    "openness",
)


class Text(HTMLParser):
    """What a person reads: the text outside of scripts and styles."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self._silent = False

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self._silent = tag in ("script", "style")

    def handle_endtag(self, tag: str) -> None:
        self._silent = False

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.parts.append(data)


def text_of(report: Path) -> str:
    reader = Text()
    reader.feed(report.read_text(encoding="utf-8"))
    return re.sub(r"\s+", " ", " ".join(reader.parts))


@pytest.fixture(scope="module")
def report(finished_run: RunFolder) -> Path:
    return render_report(finished_run.path)


def test_the_first_sentence_holds_the_best_trial_against_copying_the_last_frame(
    report: Path, finished_run: RunFolder
) -> None:
    best = RunSummary.read(finished_run.path).best
    assert best is not None

    mse = best.metrics["mse"]
    sentence = (
        rf"Trial {best.trial} is the best of 12 finished trials: on validation its error \(MSE\) is {mse:.1f}, "
        r"\d+ % lower than copying the last frame \(48.4\)\. "
        r"By this score it was chosen, which therefore flatters it\."
    )
    assert re.search(sentence, text_of(report))


def test_a_synthetic_run_says_so_in_title_heading_notice_charts_and_pictures(report: Path) -> None:
    html = report.read_text()

    assert "<title>Search kth (synthetic)</title>" in html
    assert "<h1>Search kth (synthetic)</h1>" in html
    text = text_of(report)
    assert "says nothing about the real data" in text
    assert text.count("lower is better · kth (synthetic), validation") == 9  # one a chart that shows scores
    assert "kth (synthetic), validation clips. Error is" in text


def test_failed_trials_stand_there_with_their_reasons(report: Path) -> None:
    assert "trial 7 failed the loss is no longer finite in step 31 of epoch 2" in text_of(report)


def test_few_trials_are_called_few(report: Path) -> None:
    assert "Only 12 trials finished: read every comparison below as a hint." in text_of(report)


def test_cost_and_provenance_are_told(report: Path) -> None:
    text = text_of(report)

    assert re.search(r"memory blocks found ready \d+ % of [\d,]+ asked for", text)
    assert "flying_digits_1 (synthetic)" in text
    assert "versions.torch 2.13.0" in text
    assert f"code.commit {'5d8a' * 10} code.has_changes yes threads 1" in text
    assert "resumed.1.versions.torch 2.13.1" in text


def test_the_page_is_one_file_of_reasonable_size_that_forbids_itself_the_network(report: Path) -> None:
    html = report.read_text()

    assert report.stat().st_size < 15e6
    assert "default-src 'none'" in html
    assert not re.search(r"<(script|img|link|iframe)[^>]+(src|href)=\"(?!data:)", html)


def test_radar_has_its_colours_explained_beside_every_clip_and_csi_above(
    finished_run: RunFolder, tmp_path: Path, report: Path
) -> None:
    run = RunFolder(tmp_path / "run")
    shutil.copytree(finished_run.path, run.path)
    field = MeasuredField(unit="mm/h", values=tuple(n / 4 for n in range(256)), step_s=300)
    for path in run.path.rglob("look.npz"):
        seen = read_look(path)
        csi = {"horizon": {**seen.facts.horizon, "csi_2": (0.5,) * 10}, "floor": {"csi_2": (0.4,) * 10}}
        write_look(path, replace(seen, facts=seen.facts.model_copy(update={"field": field, **csi})))

    page = render_report(run.path)
    assert page.read_text().count('aria-label="Colours of rain in mm/h, which change at 0.1, 0.5, 1, 2, 5,') == 5
    assert page.read_text().count('aria-label="Colours of error, predicted minus true in mm/h') == 3
    assert 'id="plot-csi"' in page.read_text()
    assert "Error is predicted minus true: orange is too low, purple too high." in text_of(page)
    assert "Colours of" not in report.read_text()
    assert "grey levels" in text_of(report)


def test_gates_of_every_trial_looked_at_are_there_those_of_the_best_unfolded(
    finished_run: RunFolder, tmp_path: Path, browser: Browser
) -> None:
    run = RunFolder(tmp_path / "run")
    shutil.copytree(finished_run.path, run.path)
    clips = moving_digits(3, np.random.default_rng(0))
    finished = sorted(RunSummary.read(run.path).finished, key=lambda record: record.metrics["mse"])
    drawing = [record for record in finished if record.sources][:4]
    for path in run.path.rglob("look.npz"):
        path.unlink()
    for record in drawing:
        write_look(run.look(record.id), look(record, "kth (synthetic)", clips))

    path = render_report(run.path)
    assert path.stat().st_size < 15e6
    page = browser.new_page()
    page.goto(path.as_uri())
    titles = [f"Gates of trial {record.trial} on" for record in drawing]
    (shown,) = page.locator("#gates article.gates h3:visible").all_inner_texts()
    assert shown.startswith(titles[0])
    folded = page.locator("#gates details:not([open]) summary").all_inner_texts()
    assert [text.partition(" on")[0] + " on" for text in folded] == titles[1:]
    page.locator("#gates summary").first.click()
    assert page.locator("#gates details img:visible").count() >= 2
    page.close()


def test_no_text_on_the_page_is_not_a_number(report: Path) -> None:
    assert not re.search(r"\b(nan|null|undefined)\b", text_of(report), re.IGNORECASE)


@pytest.mark.parametrize("lost", ["looks", "study.db", "provenance.json", "results.parquet"])
def test_a_run_without_one_of_its_files_gives_a_report_that_names_the_gap(
    lost: str, finished_run: RunFolder, tmp_path: Path
) -> None:
    run = RunFolder(tmp_path / "run")
    shutil.copytree(finished_run.path, run.path)
    for path in run.path.rglob("look.npz") if lost == "looks" else [run.path / lost]:
        path.unlink()

    text = text_of(render_report(run.path))
    gap = {
        "looks": "There are no predicted frames and no gates",
        "study.db": "The study (study.db) is not there.",
        "provenance.json": "What the run was made of was not recorded",
        "results.parquet": "No trial came to a score, so there is nothing to conclude yet.",
    }[lost]
    assert gap in text


def test_a_search_cut_before_its_first_trial_gives_a_report(
    tmp_path: Path, build_run: Callable[..., RunFolder]
) -> None:
    text = text_of(render_report(build_run(tmp_path / "run", num_trials=0).path))

    assert "No trial came to a score" in text
    assert "Which settings matter cannot be said yet" in text


def test_where_every_trial_failed_the_reasons_are_what_is_shown(
    tmp_path: Path, build_run: Callable[..., RunFolder]
) -> None:
    run = build_run(tmp_path / "run", num_trials=0)
    failed = [
        TrialRecord(trial=n, id=str(n), state="failed", reason="out of <memory>", seed=0, settings={"sources": []})
        for n in range(2)
    ]
    write_results(run.results, failed)

    text = text_of(render_report(run.path))
    assert "2 trials: 2 failed." in text
    assert text.count("out of <memory>") == 2


def test_where_all_were_stopped_early_the_best_of_them_is_called_that(finished_run: RunFolder, tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    shutil.copytree(finished_run.path, run.path)
    write_results(run.results, [r for r in read_results(run.results) if r.state == "stopped"])

    assert "is the best so far, stopped early after 2 epochs as no trial finished" in text_of(render_report(run.path))


def test_a_best_trial_that_loses_to_the_floor_by_another_score_says_so(finished_run: RunFolder, tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    shutil.copytree(finished_run.path, run.path)
    sharp = [r.model_copy(update={"last_frame": {**r.last_frame, "ssim": 0.99}}) for r in read_results(run.results)]
    write_results(run.results, sharp)

    text = text_of(render_report(run.path))
    assert "By similarity (SSIM) it does not beat copying the last frame." in text


def test_several_objectives_show_their_front(tmp_path: Path, build_run: Callable[..., RunFolder]) -> None:
    run = build_run(tmp_path / "run", num_trials=12, objectives=("mse", "parameters"), synthetic=False)

    text = text_of(render_report(run.path))
    assert re.search(r"\d+ of \d+ finished trials are not beaten in error \(MSE\) and parameters at once", text)
    assert "These sources were pretrained on synthetic stand-ins: digits_1, digits_2, digits_3." in text


def test_a_name_with_markup_in_it_stays_text(tmp_path: Path, build_run: Callable[..., RunFolder]) -> None:
    run = build_run(tmp_path / "run", num_trials=8)
    evil = "</script><script>alert(1)</script>"
    renamed = [r.model_copy(update={"settings": {**r.settings, "sources": [evil]}}) for r in read_results(run.results)]
    write_results(run.results, renamed)

    assert evil not in render_report(run.path).read_text()


@pytest.mark.parametrize(("width", "most_lines"), [(1280, 2), (390, 4)])
def test_names_of_scores_have_room_beside_long_column_names(
    width: int, most_lines: int, finished_run: RunFolder, tmp_path: Path, browser: Browser
) -> None:
    run = RunFolder(tmp_path / "run")
    shutil.copytree(finished_run.path, run.path)
    confirm(run, {"trial_3": ("best", ["digits_2"], 30.0), "scratch": ("scratch", [], 33.0)})
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.goto(render_report(run.path).as_uri())
    name = "document.querySelector('.scores th[scope=row]')"
    line = page.evaluate(f"parseFloat(getComputedStyle({name}).lineHeight)")
    assert page.evaluate(f"{name}.textContent.length") > 30
    assert page.evaluate(f"{name}.clientHeight") < (most_lines + 1) * line
    scrolled = "(it => it.scrollWidth - it.clientWidth)(document.querySelector('.scroll:has(.scores)'))"
    assert page.evaluate(scrolled) == 0
    page.close()


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_in_chromium_every_chart_is_drawn_without_errors_requests_or_sideways_scrolling(
    report: Path, browser: Browser, width: int, scheme: str
) -> None:
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(report.as_uri())

    for chart in CHARTS:
        page.wait_for_selector(f"#plot-{chart} .main-svg", state="attached")
    assert said == []
    assert [url for url in asked if not url.startswith("data:")] == [report.as_uri()]
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.evaluate("[...document.images].every(image => image.naturalWidth > 0)")
    assert "var(" not in page.inner_html("#plot-trials")  # the page's colours were put in
    page.close()

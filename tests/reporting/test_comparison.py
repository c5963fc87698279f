"""A comparison's table and page say what the runs say: means, intervals, what had levelled off, what failed."""

import io
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import yaml
from playwright.sync_api import Browser
from rich.console import Console

from platform.config.errors import UserError
from platform.reporting.comparison_page import markdown_table, render_comparison, terminal_table
from platform.results.comparison import Comparison, Interval, is_comparison
from platform.results.record import TrialRecord, write_results
from platform.results.run_folder import RunFolder

FLAT, FALLING = [9.0, 5.0, 4.0, 4.0, 4.0, 4.0], [9.0, 8.0, 7.0, 6.0, 5.0, 3.0]


def record(number: int, seed: int, curve: Sequence[float], state: str = "finished", **scores: float) -> TrialRecord:
    metrics = {"mse": curve[-1], "ssim": 0.5, "parameters": 1234.0} | scores if state == "finished" else {}
    return TrialRecord.model_validate(
        {
            "trial": number,
            "id": f"{number:05}",
            "state": state,
            "reason": None if state == "finished" else "the loss became nan",
            "seed": seed,
            "settings": {"start": "scratch"},
            "metrics": metrics,
            "last_frame": {"mse": 10.0},
            "curve": [{"epoch": epoch + 1.0, "mse": mse} for epoch, mse in enumerate(curve)],
            "duration_s": 60.0,
        }
    )


def run_folder(path: Path, records: Sequence[TrialRecord], **training: object) -> Path:
    config: Mapping[str, object] = {
        "name": "digits",
        "benchmark": {"name": "flying_digits", "frame_size": 32, "input_length": 8, "total_length": 16},
        "training": {"epochs": 6, "schedule": "constant"} | training,
        "compare": {"seeds": 2, "settings": {"scratch": {}, "tmu": {}}},
    }
    path.mkdir(exist_ok=True)
    RunFolder(path).config.write_text(yaml.safe_dump(config, sort_keys=False))
    RunFolder(path).provenance.write_text(json.dumps({"benchmark": "digits", "synthetic": False}))
    write_results(RunFolder(path).results, records)
    return path


@pytest.fixture
def two_seeds(tmp_path: Path) -> Path:
    runs = [(0, FLAT), (0, FALLING), (1, [c + 1 for c in FLAT]), (1, [c + 2 for c in FALLING])]
    return run_folder(tmp_path / "r", [record(number, *run) for number, run in enumerate(runs)])


def test_rows_hold_means_intervals_and_the_paired_difference(two_seeds: Path) -> None:
    scratch, tmu = Comparison.read(two_seeds).rows
    assert (scratch.scores["mse"].mean, tmu.scores["mse"].mean) == (4.5, 4.0)
    assert scratch.scores["mse"].half == pytest.approx(12.7062 * 0.5**0.5 / 2**0.5, rel=1e-4)
    assert scratch.beside_first is None
    assert tmu.beside_first is not None
    assert tmu.beside_first.mean == pytest.approx(-0.5)  # (3 - 4, 5 - 5)
    assert tmu.beside_first.half == pytest.approx(12.7062 * 0.5, rel=1e-4)
    assert scratch.moments == pytest.approx((5.5, 4.5))  # after 2 and 4 of 6 epochs
    assert (scratch.levelled_off, tmu.levelled_off) == (True, False)


def test_a_flat_end_is_not_told_where_the_learning_rate_made_it(two_seeds: Path) -> None:
    records = [record(0, 0, FLAT), record(1, 0, FALLING)]
    rows = Comparison.read(run_folder(two_seeds, records, schedule="cosine")).rows
    assert [row.levelled_off for row in rows] == [None, None]


def test_a_failed_run_is_counted_and_named(tmp_path: Path) -> None:
    records = [record(0, 0, FLAT), record(1, 0, FLAT[:2], state="failed"), record(2, 1, FLAT)]
    path = run_folder(tmp_path / "r", records)
    tmu = Comparison.read(path).rows[1]
    assert (len(tmu.trials), tmu.num_failed, tmu.scores) == (0, 1, {})
    assert "the loss became nan" in render_comparison(path).read_text()


def test_tables_and_page_say_the_same(two_seeds: Path) -> None:
    comparison, console = Comparison.read(two_seeds), Console(record=True, width=150, file=io.StringIO())
    console.print(terminal_table(comparison))
    page = render_comparison(two_seeds).read_text()
    wanted = comparison.rows[1].scores["mse"].text(2)
    for text in (console.export_text(), page, markdown_table(comparison)):
        assert wanted in text
    assert RunFolder(two_seeds).comparison_table.read_text() == markdown_table(comparison)
    assert json.loads(RunFolder(two_seeds).comparison.read_text())[1]["difference"] == pytest.approx(-0.5)
    assert "the interval includes zero: no difference found" in page
    assert "Still improving when training ended: tmu." in page


def test_on_a_phone_the_words_of_the_end_scores_are_whole(two_seeds: Path, browser: Browser) -> None:
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.goto(render_comparison(two_seeds).as_uri())
    page.wait_for_selector("#plot-ends .main-svg", state="attached")
    words = page.locator("#plot-ends .annotation-text, #plot-ends .xtitle")
    told = {words.nth(n).text_content(): words.nth(n).bounding_box() for n in range(words.count())}
    page.context.close()
    assert told.keys() == {"scratch", "tmu", "error (MSE)"}
    assert all(box and box["x"] >= 0 and box["x"] + box["width"] <= 390 for box in told.values())


def test_the_first_page_of_a_comparison_has_no_run_yet(tmp_path: Path) -> None:
    path = run_folder(tmp_path / "r", [record(0, 0, [], state="interrupted")])
    assert "No run has finished yet" in render_comparison(path).read_text()


def test_a_search_is_no_comparison_even_if_its_yaml_names_one(two_seeds: Path) -> None:
    assert is_comparison(two_seeds)
    RunFolder(two_seeds).study.touch()
    assert not is_comparison(two_seeds)
    with pytest.raises(UserError, match="not a comparison"):
        Comparison.read(two_seeds)


def test_the_interval_is_students() -> None:
    interval = Interval.of([1.0, 2.0, 3.0])
    assert interval.mean == 2.0
    assert interval.half == pytest.approx(4.302653 / 3**0.5)
    assert Interval.of([4.0]) == Interval(4.0, None)
    assert Interval.of([4.0]).text(1, signed=True) == "+4.0"


@pytest.mark.filterwarnings("error")
def test_the_psnr_of_identical_frames_is_infinite_and_has_no_interval(tmp_path: Path) -> None:
    assert Interval.of([math.inf, 30.0]) == Interval(math.inf, None)
    assert Interval.of([math.inf, 30.0]).text(2) == "infinite"
    path = run_folder(tmp_path / "r", [record(n, n // 2, FLAT, psnr=(math.inf, 30.0)[n % 2]) for n in range(4)])
    page = render_comparison(path).read_text()
    assert "infinite" in page
    assert "nan" not in markdown_table(Comparison.read(path))

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    rows = json.loads(RunFolder(path).comparison.read_text(), parse_constant=refuse)
    assert (rows[0]["psnr"], rows[0]["psnr_interval"], rows[1]["psnr"]) == ("infinite", None, 30.0)


def test_nobody_misses_a_test_score_that_a_comparison_never_has(two_seeds: Path) -> None:
    assert Comparison.read(two_seeds).summary.missing == ()
    assert "Not in this report" not in render_comparison(two_seeds).read_text()

"""Tables have room on a screen and on a phone."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from platform.reporting.confirmed_table import confirmed_note
from platform.results.run_folder import RunFolder
from tests.made_confirmations import confirm
from tests.made_runs import RunBuilder
from tests.reporting.test_comparison import FALLING, FLAT, record, run_folder
from tests.viewing.conftest import Serve

CUT = "[...document.querySelectorAll('.scroll')].filter(it => it.scrollWidth > it.clientWidth).map(it => it.ariaLabel)"


def cut(page: Page) -> list[str]:
    """Tables that a reader must scroll sideways."""
    return list(page.evaluate(CUT))


@pytest.mark.parametrize("width", [1280, 390])
def test_the_confirmed_settings_have_room_and_a_footnote(
    serve: Serve, tmp_path: Path, build_run: RunBuilder, width: int
) -> None:
    folder: RunFolder = build_run(tmp_path / "kth")
    confirmed = confirm(
        folder,
        {
            "trial_3": ("best", ["digits_2"], 30.0),
            "scratch": ("scratch", [], 33.0),
            "control": ("control", ["digits_2"], 30.1),
        },
    )
    page = serve(folder.path).open("/run/kth", width=width)
    expect(page.locator("#overview")).to_contain_text(confirmed_note(confirmed))
    assert "confirmed" not in cut(page)
    row = page.locator("[aria-label=confirmed] tbody tr").nth(1)
    for text in ("scratch", "4 of 4", "33.3 ± 0.", "−3.", "0.001", "trial 3"):
        expect(row).to_contain_text(text)


@pytest.mark.parametrize("width", [1280, 390])
def test_a_comparison_has_room_for_all_its_scores(serve: Serve, tmp_path: Path, width: int) -> None:
    runs = [
        record(2 * seed + place, seed, curve, psnr=20.0 + seed, lpips=0.1 + seed)
        for seed in range(2)
        for place, curve in enumerate((FLAT, FALLING))
    ]
    page = serve(run_folder(tmp_path / "compared", runs)).open("/run/compared", width=width)
    page.wait_for_selector("[aria-label=settings]")
    assert cut(page) == []


def test_on_a_phone_the_list_of_runs_is_read_without_scrolling(serve: Serve, finished_run: RunFolder) -> None:
    page = serve(finished_run.path).open(width=390)
    expect(page.locator("#runs")).to_contain_text("is the best of 12 finished trials")
    assert cut(page) == []

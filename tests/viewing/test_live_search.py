"""A real search, watched in a browser from its first minute to its end."""

import os
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import expect

from platform.results.record import read_results
from platform.results.run_folder import RunFolder
from tests.given import TINY
from tests.viewing.conftest import Serve

ENDS_WITHIN_MS = 240_000


def test_a_search_is_watched_while_its_trials_end(serve: Serve, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    runs.mkdir()
    dashboard = serve(runs)
    listing = dashboard.open()
    expect(listing.locator("#runs")).to_contain_text("No run yet")
    command = [
        sys.executable,
        "-m",
        "platform.search",
        str(TINY),
        "--profile",
        "laptop",
        "--run-dir",
        str(runs / "tiny"),
    ]
    command += ["--set", "benchmark.on_missing=synthetic", "--set", "search.trials=6"]
    command += ["--set", "benchmark.max_clips={train: 24, validation: 16, test: 24}"]
    environment = {**os.environ, "TMU_HOME": str(tmp_path / "home")}
    search = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        listing.get_by_role("link", name="tiny").click(timeout=ENDS_WITHIN_MS)
        expect(listing.locator("#standing")).to_contain_text("searching", timeout=ENDS_WITHIN_MS)
        table = dashboard.open("/run/tiny/trials")
        expect(table.locator(".ag-row [col-id='state']").first).to_be_visible(timeout=ENDS_WITHIN_MS)
        expect(table.locator("#num-shown")).to_have_text("6 trials shown", timeout=ENDS_WITHIN_MS)
        expect(listing.locator("#standing")).to_contain_text("6 of 6 trials", timeout=ENDS_WITHIN_MS)
        expect(listing.locator("#standing .state")).to_have_text("ended", timeout=ENDS_WITHIN_MS)
        output, _ = search.communicate(timeout=60)
    finally:
        search.kill()
    assert search.returncode == 0, output
    states = {record.trial: record.state for record in read_results(RunFolder(runs / "tiny").results)}
    for trial, state in states.items():
        expect(table.locator(f".ag-row[row-id='{trial}'] [col-id='state']")).to_have_text(state)
    listing.click("#to-predictions")
    expect(listing.locator("article.strip")).to_have_count(3)

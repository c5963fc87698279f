"""A dashboard as a process of its own, and pages of it that report what goes wrong in them."""

import contextlib
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Response

from platform.results.run_folder import RunFolder

ASKED_WITHIN_MS = 30_000


@dataclass
class Dashboard:
    """One that serves `url`; `said` is what pages wrote to their consoles, and what they could not fetch."""

    url: str
    process: "subprocess.Popen[str]"
    browser: Browser
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    pages: list[Page] = field(default_factory=list)

    def open(self, path: str = "/", *, width: int = 1280, scheme: str = "light") -> Page:
        page = self.browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
        self.pages.append(page)
        page.set_default_timeout(ASKED_WITHIN_MS)
        page.on("console", lambda message: self.said.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.on("request", lambda request: self.asked.append(request.url))
        page.on("response", self._note)
        page.goto(self.url + path)
        return page

    def _note(self, response: Response) -> None:
        if response.status >= 400:
            self.said.append(f"{response.status} for {response.url}")


Serve = Callable[..., Dashboard]


@contextlib.contextmanager
def serving(browser: Browser) -> Iterator[Serve]:
    """Start a dashboard for folders. Every page must have kept silent in the end, and asked nobody else."""
    started: list[Dashboard] = []

    def begin(*folders: Path) -> Dashboard:
        command = [sys.executable, "-m", "platform.dashboard", *map(str, folders), "--port", "0"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.match(r"http://127\.0\.0\.1:\d+", line)
        assert found, line + process.stdout.read()
        started.append(Dashboard(found[0], process, browser))
        return started[-1]

    yield begin
    for dashboard in started:
        for page in dashboard.pages:
            page.context.close()
        dashboard.process.terminate()
        output, _ = dashboard.process.communicate(timeout=20)
        assert "Traceback" not in output, output
        assert dashboard.said == []
        elsewhere = [url for url in dashboard.asked if not url.startswith((dashboard.url, "data:", "blob:"))]
        assert elsewhere == []


@pytest.fixture
def serve(browser: Browser) -> Iterator[Serve]:
    with serving(browser) as begin:
        yield begin


@pytest.fixture(scope="module")
def dashboard(browser: Browser, finished_run: RunFolder) -> Iterator[Dashboard]:
    """One that shows the finished run `kth-finished`, for tests that change nothing."""
    with serving(browser) as begin:
        yield begin(finished_run.path.parent)


@pytest.fixture
def runs(tmp_path: Path, finished_run: RunFolder) -> Path:
    """A folder with one finished run, `kth`, that a test may change."""
    shutil.copytree(finished_run.path, tmp_path / "runs" / "kth")
    return tmp_path / "runs"

"""Whom the dashboard answers, and the tools that it opens on a run: TensorBoard and optuna-dashboard."""

import json
import re
import signal
import urllib.request
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlencode

import optuna
import psutil
import pytest
from playwright.sync_api import Page, expect

from platform.results.run_folder import RunFolder
from tests.viewing.conftest import Dashboard, Serve


def asked(dashboard: Dashboard, path: str, form: dict[str, str] | None = None, **headers: str) -> int:
    data = None if form is None else urlencode(form).encode()
    sent = {name.replace("_", "-"): text for name, text in headers.items()}
    try:
        return int(urllib.request.urlopen(urllib.request.Request(dashboard.url + path, data, sent), timeout=90).status)
    except HTTPError as error:
        return error.code


def test_other_sites_are_refused(dashboard: Dashboard) -> None:
    """A name that its owner lets lead to this machine; a page elsewhere that has its reader's browser ask here."""
    assert asked(dashboard, "/") == 200
    assert asked(dashboard, "/", Host="localhost") == 200
    assert asked(dashboard, "/", Host="192.0.2.1:8050") == 200  # by a tunnel, or --host 0.0.0.0
    assert asked(dashboard, "/", Host="evil.example") == 403
    assert asked(dashboard, "/_dash-layout", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="cors") == 403
    assert asked(dashboard, "/open/tensorboard/kth", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate") == 403
    assert asked(dashboard, "/", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate") == 200  # a link in a mail
    assert asked(dashboard, "/own/page.css") == 200
    assert asked(dashboard, "/own/page.py") == 404


def test_only_a_page_of_the_dashboard_begins_a_program(dashboard: Dashboard) -> None:
    page = dashboard.open("/run/kth-finished")
    page.wait_for_selector("#open-tensorboard")
    token, path = page.input_value("#opener [name=token]"), "/open/tensorboard/kth-finished"
    asked(dashboard, path)  # followed as a link
    assert asked(dashboard, path, {}) == 403
    assert asked(dashboard, path, {"token": token[:-1] + "é"}) == 403
    assert asked(dashboard, path, {"token": token}, Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate") == 403
    assert psutil.Process(dashboard.process.pid).children() == []
    assert asked(dashboard, "/open/vi/kth-finished", {"token": token}) == 404
    assert asked(dashboard, "/open/ray/kth-finished", {"token": token}) == 404


def opened(page: Page, tool: str) -> str:
    """The address at which a tool shows itself in a tab of its own."""
    with page.expect_popup() as popup:
        page.click(f"#open-{tool}")
    popup.value.wait_for_url(lambda url: url != "about:blank", wait_until="commit", timeout=90_000)
    return popup.value.url


def test_tensorboard_and_optuna_open_on_the_run(serve: Serve, runs: Path) -> None:
    dashboard = serve(runs)
    page = dashboard.open("/run/kth")
    tensorboard = opened(page, "tensorboard")
    with urllib.request.urlopen(re.sub("#.*", "", tensorboard) + "data/logdir", timeout=30) as told:
        assert json.loads(told.read())["logdir"] == str((runs / "kth" / "trials").resolve())
    optuna, _, path = opened(page, "optuna").partition("/dashboard")
    assert path == "/studies/1"
    with urllib.request.urlopen(f"{optuna}/api/studies/1?after=0", timeout=30) as told:
        assert len(json.loads(told.read())["trials"]) == 16
    children = psutil.Process(dashboard.process.pid).children(recursive=True)
    assert len(children) >= 2
    page.close()
    dashboard.process.send_signal(signal.SIGINT)
    assert dashboard.process.wait(20) == 0
    assert psutil.wait_procs(children, timeout=5)[1] == []


def test_optuna_opens_on_the_run_s_own_study_of_a_shared_database(
    serve: Serve, runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, folder = f"sqlite:///{tmp_path / 'secret.db'}", RunFolder(runs / "kth")
    storage = optuna.storages.RDBStorage(url)
    optuna.create_study(study_name="of another run", storage=storage)
    optuna.copy_study(
        from_study_name="search",
        from_storage=f"sqlite:///{folder.study}",
        to_storage=storage,
        to_study_name="kth-4f21",
    )
    folder.study.unlink()
    folder.shared_study.write_text(json.dumps({"storage": "${TMU_TEST_URL}", "name": "kth-4f21"}))
    monkeypatch.setenv("TMU_TEST_URL", url)
    dashboard = serve(runs)
    page = dashboard.open("/run/kth")
    optuna_url, _, path = opened(page, "optuna").partition("/dashboard")
    assert path == "/studies/2"
    with urllib.request.urlopen(f"{optuna_url}/api/studies/2?after=0", timeout=30) as told:
        assert len(json.loads(told.read())["trials"]) == 16
    for process in psutil.Process(dashboard.process.pid).children(recursive=True):
        assert not any("secret" in word for word in process.cmdline())
    page.click("#to-record")
    expect(page.locator("#record")).to_contain_text("Folder")
    assert "secret" not in page.content()


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("", "export TMU_TEST_URL="),
        ("sqlite:////gone/secret.db", "The study in the database that ${TMU_TEST_URL} names cannot be opened"),
    ],
)
def test_a_shared_study_that_cannot_be_opened_is_told_without_its_database(
    serve: Serve, runs: Path, monkeypatch: pytest.MonkeyPatch, url: str, told: str
) -> None:
    name = json.dumps({"storage": "${TMU_TEST_URL}", "name": "kth-4f21"})
    RunFolder(runs / "kth").shared_study.write_text(name)
    monkeypatch.setenv("TMU_TEST_URL", url)
    page = serve(runs).open("/run/kth")
    with page.expect_popup() as popup:
        page.click("#open-optuna")
    expect(popup.value.locator("main")).to_contain_text(told)
    assert "secret" not in popup.value.content()

"""Other programs that show a run, started on this machine when they are asked for, and ended with the dashboard."""

import importlib.util
import secrets
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from platform.config.errors import UserError
from platform.results.driven import read_driver
from platform.results.read_study import read_storage
from platform.results.run_folder import RunFolder
from platform.results.shared_study import read_shared_study

STARTS_WITHIN_S = 60.0
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Tool:
    """`command` of a run's folder and a port; `path` of its page in the tool."""

    key: str
    name: str
    package: str
    usual_port: int
    command: Callable[[RunFolder, int], list[str]]
    path: Callable[[RunFolder], str]


def _tensorboard(folder: RunFolder, port: int) -> list[str]:
    return ["-m", "tensorboard.main", "--logdir", str(folder.trials), "--host", LOOPBACK, "--port", str(port)]


def _optuna(folder: RunFolder, port: int) -> list[str]:
    return ["-m", "platform.viewing.study_server", str(folder.path), LOOPBACK, str(port)]


def _study_path(folder: RunFolder) -> str:
    """A run's own study is the first of its database; in a shared one its number is the storage's. Raises UserError
    that names no database: its URL may hold a password."""
    from optuna.exceptions import OptunaError
    from sqlalchemy.exc import SQLAlchemyError

    shared = read_shared_study(folder)
    if shared is None:
        return "/dashboard/studies/1"
    try:
        storage, name = read_storage(folder)
        return f"/dashboard/studies/{storage.get_study_id_from_name(name)}"
    except (SQLAlchemyError, OptunaError, LookupError, RuntimeError) as error:
        raise UserError(
            f"The study in the database that {shared.storage} names cannot be opened ({type(error).__name__}). Begin "
            "the dashboard where that variable holds the URL that the search was given, and the server answers."
        ) from None


TOOLS = {
    tool.key: tool
    for tool in (
        Tool("tensorboard", "TensorBoard", "tensorboard", 6006, _tensorboard, lambda _: "/#timeseries"),
        Tool("optuna", "optuna-dashboard", "optuna_dashboard", 8080, _optuna, _study_path),
        Tool("ray", "Ray's dashboard", "ray", 8265, lambda *_: [], lambda _: ""),
    )
}


class Tools:
    """Those that run, as children of this process: one of each for each run. `token` is known to this server's pages
    alone."""

    def __init__(self) -> None:
        self.token = secrets.token_urlsafe()
        self._running: dict[tuple[str, Path], tuple[subprocess.Popen[bytes], int]] = {}
        self._lock = threading.Lock()

    def open(self, key: str, folder: RunFolder) -> str:
        """The address where the tool shows the run, once it answers there. Raises UserError with the repair."""
        tool = TOOLS.get(key)
        if tool is None:
            raise UserError(f"There is no tool {key}: {', '.join(TOOLS)}.")
        if key == "ray":
            return _of_ray(folder)
        if importlib.util.find_spec(tool.package) is None:
            raise UserError(f"{tool.name} is not installed: pip install {tool.package.replace('_', '-')}")
        path = tool.path(folder)
        with self._lock:
            process, port = self._running.get((key, folder.path), (None, 0))
            if process is None or process.poll() is not None:
                port = _free_port(tool.usual_port)
                command = [sys.executable, *tool.command(folder, port)]
                process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                self._running[key, folder.path] = process, port
        _wait_for(process, port, tool)
        return f"http://{LOOPBACK}:{port}{path}"


def _of_ray(folder: RunFolder) -> str:
    driver = read_driver(folder)
    if driver is None:
        raise UserError("No search runs here now, so that Ray has nothing to show.")
    if driver.ray_dashboard is None:
        raise UserError("This search's Ray has no dashboard: begin it with --ray-dashboard, or on a cluster.")
    return driver.ray_dashboard


def _free_port(usual: int) -> int:
    """The usual one, which a tunnel may already lead to, or the first free one after it."""
    for port in range(usual, usual + 100):
        with socket.socket() as candidate:
            try:
                candidate.bind((LOOPBACK, port))
            except OSError:
                continue
            return port
    raise UserError(f"Ports {usual} to {usual + 99} are all in use.")


def _wait_for(process: "subprocess.Popen[bytes]", port: int, tool: Tool) -> None:
    ends = time.monotonic() + STARTS_WITHIN_S
    while time.monotonic() < ends:
        if process.poll() is not None:
            raise UserError(f"{tool.name} ended at once, with code {process.returncode}.")
        try:
            socket.create_connection((LOOPBACK, port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise UserError(f"{tool.name} does not answer within {STARTS_WITHIN_S:.0f} s.")

"""A Ray on this machine as `ray start --head` makes one on a cluster: with its dashboard, and with a token."""

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from platform.config.home import Home


class Head:
    """Knows its token; `search` runs the command as its users would, from elsewhere."""

    def __init__(self, home: Home, temporary: str) -> None:
        self.dashboard, self.gcs = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
        self.token = secrets.token_urlsafe(32)
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"  # as a node whose environment is activated
        self.environment = os.environ | {"RAY_TMPDIR": temporary, "TMU_HOME": str(home.root), "PATH": path}
        self.environment |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": self.token}
        self._temporary = Path(temporary)
        self._started: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        shown = ("--include-dashboard=true", f"--dashboard-port={port_of(self.dashboard)}")
        ports = (f"--port={port_of(self.gcs)}", f"--ray-client-server-port={free_port()}")
        self._start("--head", *shown, *ports, "--num-cpus=2", f"--temp-dir={self._temporary}/ray")

    def join(self) -> None:
        """Another raylet, of one CPU."""
        self._start(f"--address={self.gcs}", "--num-cpus=1")

    def drive(self) -> None:
        """A driver, and a worker for it, until the end."""
        code = f"import ray, time; ray.init({self.gcs!r}); ray.get(ray.remote(time.sleep).remote(3600))"
        self._started.append(subprocess.Popen([sys.executable, "-c", code], env=self.environment))

    def search(self, *arguments: str, at: str | None = None, before: str = "") -> "subprocess.Popen[str]":
        """`at`: another way to the dashboard. `before`: what Python does first."""
        command = f"{before}\nimport runpy\nrunpy.run_module('platform.search', run_name='__main__', alter_sys=True)"
        return subprocess.Popen(
            [sys.executable, "-c", command, *arguments, "--submit", at or self.dashboard],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )

    def logs(self, run: Path) -> list[str]:
        """Of the jobs that were submitted for it, as they lie on the head."""
        found = self._temporary.glob(f"ray/session_latest/logs/job-driver-tmu-{run.name}-*.log")
        return [path.read_text() for path in sorted(found)]

    def processes(self) -> list[psutil.Process]:
        """All that the head and the joined raylets consist of."""
        started = [psutil.Process(each.pid) for each in self._started]
        return [process for each in started for process in (each, *each.children(recursive=True))]

    def end(self) -> None:
        for each in reversed(self._started):
            each.terminate()
            each.communicate(timeout=60)

    def _start(self, *options: str) -> None:
        agent = f"--dashboard-agent-listen-port={free_port()}"  # which takes the job, and may be another Ray's
        memory = "--object-store-memory=100000000"
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", agent, memory, *options]
        log = self._temporary / f"started-{len(self._started)}.log"
        self._started.append(started_ray(command, self.environment, log))


@contextlib.contextmanager
def running_head(home: Home) -> Iterator[Head]:
    with tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp", ignore_cleanup_errors=True) as temporary:
        head = Head(home, temporary)
        try:
            head.start()
            yield head
        finally:
            head.end()


def started_ray(command: list[str], environment: dict[str, str], log: Path) -> "subprocess.Popen[bytes]":
    """A `ray start --block` that runs: of two that begin at once in one folder, Ray may give both the same socket."""
    with log.open("wb") as said:
        ray = subprocess.Popen(command, env=environment, stdout=said, stderr=said)
    ends = time.monotonic() + 100
    while "Ray runtime started" not in log.read_text():
        if ray.poll() is not None or time.monotonic() > ends:
            ray.kill()
            ray.wait()
            raise AssertionError(log.read_text())
        time.sleep(0.2)
    return ray


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def port_of(address: str) -> int:
    return int(address.rpartition(":")[2])

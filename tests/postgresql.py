"""A real PostgreSQL server, and a proxy before it that loses an answer."""

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import optuna
import psycopg

from platform.config.study import StudyConfig
from platform.results.run_folder import RunFolder
from platform.results.shared_study import read_shared_study

VARIABLE = "TMU_STUDY_URL"
SHARED = StudyConfig(storage=f"${{{VARIABLE}}}")
IN_DATABASE = f"study.storage=${{{VARIABLE}}}"


@dataclass
class Server:
    """A PostgreSQL server in a folder of its own, whose user must give a password."""

    programs: Path
    folder: Path
    user: str | None  # who runs it: root may not
    password: str = field(default_factory=lambda: f"secret{secrets.token_hex(8)}")
    port: int = 0

    def run(self, program: str, *arguments: str | Path) -> None:
        command = [self.programs / program, *arguments]
        done = subprocess.run(
            command, user=self.user, cwd=self.folder, stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def make(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        password = self.folder / "password"
        password.write_text(self.password)
        if self.user is not None:
            shutil.chown(self.folder, self.user)
            shutil.chown(password, self.user)
        options = ("--username=tmu", f"--pwfile={password}", "--auth=scram-sha-256", "--no-sync")
        self.run("initdb", "-D", self.folder / "data", *options)

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self.folder} -c fsync=off"
        log = self.folder / "log"
        self.run("pg_ctl", "start", "-w", "-D", self.folder / "data", "-l", log, "-o", options)

    def stop(self) -> None:
        """As if its machine had lost power."""
        self.run("pg_ctl", "stop", "-D", self.folder / "data", "-m", "immediate")

    @contextlib.contextmanager
    def gone(self) -> Iterator[None]:
        self.stop()
        try:
            yield
        finally:
            self.start()

    def url(self, database: str = "postgres", *, port: int | None = None, password: str | None = None) -> str:
        return f"postgresql://tmu:{password or self.password}@127.0.0.1:{port or self.port}/{database}"

    def execute(self, statement: str) -> None:
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(statement)

    def trials(self, run: RunFolder) -> list[optuna.trial.FrozenTrial]:
        shared = read_shared_study(run)
        assert shared is not None
        storage = optuna.storages.RDBStorage(self.url().replace("://", "+psycopg://"))
        try:
            return optuna.load_study(study_name=shared.name, storage=storage).get_trials()
        finally:
            storage.engine.dispose()


def installed_programs() -> Path | None:
    """The folder of `initdb` and `pg_ctl`."""
    installed = shutil.which("initdb")
    candidates = [Path(installed)] if installed else sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return candidates[-1].resolve().parent if candidates else None


@contextlib.contextmanager
def running(programs: Path) -> Iterator[Server]:
    """A server for the duration."""
    with tempfile.TemporaryDirectory(prefix="pg-", dir="/tmp") as folder:  # a socket's path may have 107 bytes
        server = Server(programs, Path(folder), user="nobody" if os.geteuid() == 0 else None)
        server.make()
        server.start()
        yield server
        server.stop()


class Proxy:
    """Between a client and the server; when armed it hands on one COMMIT and keeps the answer to itself."""

    def __init__(self, port: int) -> None:
        self.armed = False
        self._port = port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listening.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                upstream = socket.create_connection(("127.0.0.1", self._port))
                threading.Thread(target=self._hand_on, args=(client, upstream), daemon=True).start()
                threading.Thread(target=self._hand_back, args=(upstream, client), daemon=True).start()

    def _hand_on(self, client: socket.socket, upstream: socket.socket) -> None:
        with contextlib.suppress(OSError), client:
            while asked := client.recv(65536):
                if self.armed and b"COMMIT" in asked:
                    client.shutdown(socket.SHUT_RDWR)
                upstream.sendall(asked)
        with contextlib.suppress(OSError):
            upstream.shutdown(socket.SHUT_WR)  # what the server still answers is read, and then closed

    def _hand_back(self, upstream: socket.socket, client: socket.socket) -> None:
        with contextlib.suppress(OSError), upstream:
            while answer := upstream.recv(65536):
                if self.armed and b"COMMIT" in answer:
                    self.armed = False
                    return
                client.sendall(answer)
            client.shutdown(socket.SHUT_RDWR)

"""Starting or joining a Ray, and leaving nothing of ours behind."""

import contextlib
import logging
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

# Ray prints the deaths of workers on stdout, whatever log_to_driver says, and reads what to skip when it is imported.
# The trial's row gives the reason, and search.log the details.
os.environ.setdefault(
    "RAY_DEDUP_LOGS_SKIP_REGEX", "^A worker died or was killed|killed due to the node running low on memory"
)
import psutil
import ray
from filelock import FileLock, Timeout
from ray.exceptions import AuthenticationError
from rich.console import Console

from platform.config.errors import UserError

OBJECT_STORE_BYTES = 256 * 2**20  # memories travel by mapped files, not through Ray's store
CONNECT_TIMEOUT_S = 5
OWN_FOLDER = "tmu-ray-"  # how the folder of an own Ray begins, its logs and sockets
OWNER = ".owner.lock"  # in it, held by its driver for as long as that lives
OPEN_TO_ALL = (
    "this cluster asks for no token: whoever reaches its ports can run programs there. Make one with "
    "`ray get-auth-token --generate`, copy ~/.ray/auth_token to every node, and set RAY_AUTH_MODE=token there."
)
LONGEST_SOCKET_FOLDER = 40  # Ray appends about 60 characters, and a socket's path may have 107


@contextlib.contextmanager
def cluster(address: str | None, *, dashboard: bool = False) -> Iterator[str | None]:
    """A Ray for the duration: one of our own on this machine, or the running one at `address`.

    Gives the address of this job in Ray's own dashboard, None where it has none. Raises UserError where no Ray answers
    at `address`. The folder of an own Ray, logs included, is removed at the end.
    """
    quiet_libraries()
    if address is not None:
        _check_reachable(address)
        shown_at = _join(address)
        try:
            with termination_heard():
                yield _job_at(shown_at)
        finally:
            ray.shutdown()
        return
    remove_what_killed_drivers_left(Path(short_temporary_folder() or tempfile.gettempdir()))
    folder = Path(tempfile.mkdtemp(prefix=OWN_FOLDER, dir=short_temporary_folder()))
    owner = FileLock(folder / OWNER)
    owner.acquire()
    try:
        context = ray.init(
            address="local",
            include_dashboard=dashboard,
            dashboard_host="127.0.0.1",
            object_store_memory=OBJECT_STORE_BYTES,
            _temp_dir=str(folder),
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
        with termination_heard():
            yield _job_at(context.dashboard_url) if dashboard else None
    finally:
        ray.shutdown()
        owner.release()
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def termination_heard() -> Iterator[None]:
    """SIGTERM, with which a batch system, a container or `ray job stop` ends a search, is heard as Ctrl-C is: what has
    finished is kept. Ray's own handler, set while it starts, would leave at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def remove_what_killed_drivers_left(temporary: Path) -> None:
    """Folders of Rays that were ours and whose driver could not remove them: nobody holds their lock any more.

    That of a Ray which is still ending is left to the next search: it would make its folder anew.
    """
    for folder in temporary.glob(f"{OWN_FOLDER}*"):
        owner = folder / OWNER
        with contextlib.suppress(OSError, Timeout):  # of another user, or in use
            if owner.is_file() and not _is_at_work(folder):
                FileLock(owner).acquire(timeout=0).lock.release()
                shutil.rmtree(folder, ignore_errors=True)


def _is_at_work(folder: Path) -> bool:
    """Whether a Ray's own processes, which are all told of its folder, still live."""
    commands = (process.info["cmdline"] or () for process in psutil.process_iter(["cmdline"]))
    return any(str(folder) in word for command in commands for word in command)


def log_libraries_to(path: Path) -> None:
    """From here on what Ray and Tune log goes to the file at `path`, and no longer to the terminal.

    A search calls it as soon as its run folder exists; a later call moves on to another file.
    """
    logger = logging.getLogger("ray")  # ray.tune and ray.train hand theirs up to it
    logging.raiseExceptions = False  # a log that finds no room on the disk is no reason to print tracebacks
    file = logging.FileHandler(path, delay=True)
    file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
        if isinstance(handler, logging.FileHandler):
            handler.close()
    logger.addHandler(file)
    logger.propagate = False


def _job_at(dashboard: str | None) -> str | None:
    """What Ray calls a dashboard's address has no `http://`, and is empty where there is none."""
    return f"http://{dashboard}/#/jobs/{ray.get_runtime_context().get_job_id()}" if dashboard else None


def _join(address: str) -> str:
    """Connect to the Ray at `address`; returns where its dashboard is.

    Raises UserError with the repair where it does not let us in.
    """
    with _captured_stderr() as stderr:
        try:
            joined = ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        except (AuthenticationError, ConnectionError, ValueError, RuntimeError) as error:
            said = f"{error}\n{stderr.read_text(errors='replace')}"
            if isinstance(error, AuthenticationError) or "AuthToken" in said or "Unauthenticated" in said:
                raise UserError(
                    f"--address {address}: the cluster asks for a token: copy ~/.ray/auth_token from its head node "
                    "(or set RAY_AUTH_TOKEN), and set RAY_AUTH_MODE=token."
                ) from None
            raise _no_ray(address, str(error).strip().splitlines()[0]) from None
    if os.environ.get("RAY_AUTH_MODE", "").lower() != "token":  # Ray itself sets it where it finds a token
        Console(stderr=True).print(f"[yellow]warning[/] {OPEN_TO_ALL}", soft_wrap=True)
    return str(joined.dashboard_url or "")


@contextlib.contextmanager
def _captured_stderr() -> Iterator[Path]:
    """The file that takes what is written to stderr meanwhile, Ray's C++ included.

    Only there does Ray tell a refused token (20 times, a second apart) from a Ray that does not answer.
    """
    sys.stderr.flush()
    with tempfile.NamedTemporaryFile(prefix="tmu-") as file:
        own = os.dup(2)
        os.dup2(file.fileno(), 2)
        try:
            yield Path(file.name)
        finally:
            sys.stderr.flush()
            os.dup2(own, 2)
            os.close(own)


def _check_reachable(address: str) -> None:
    """Ray itself tries for minutes where nothing listens, and says so only in its logs."""
    host, colon, port = address.rpartition(":")
    if address == "auto":
        return
    if not colon or not port.isdigit() or "/" in host:
        raise UserError(f"--address {address}: use auto, or host:port of the head node (port 6379 by default).")
    try:
        socket.create_connection((host, int(port)), timeout=CONNECT_TIMEOUT_S).close()
    except OSError as error:
        raise _no_ray(address, str(error)) from None


def _no_ray(address: str, reason: str) -> UserError:
    return UserError(
        f"no Ray answers at {address!r} ({reason}). Start one with `ray start --head`, or leave --address out."
    )


def cluster_gpus() -> float:
    """GPUs of the Ray that is initialised."""
    return float(ray.cluster_resources().get("GPU", 0))


def short_temporary_folder() -> str | None:
    return "/tmp" if len(tempfile.gettempdir()) > LONGEST_SOCKET_FOLDER and os.path.isdir("/tmp") else None


def quiet_libraries() -> None:
    """Ray and Tune say little of use in a terminal that shows a live table; see also `log_libraries_to`."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
    os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    for name in ("ray", "ray.tune", "ray.train"):
        logging.getLogger(name).setLevel(logging.ERROR)

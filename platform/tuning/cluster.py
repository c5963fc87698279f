"""Starting or joining a Ray, and leaving nothing of ours behind."""

import contextlib
import logging
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import ray

from platform.config.errors import UserError

OBJECT_STORE_BYTES = 256 * 2**20  # memories travel by mapped files, not through Ray's store
CONNECT_TIMEOUT_S = 5
LONGEST_SOCKET_FOLDER = 40  # Ray appends about 60 characters, and a socket's path may have 107


@contextlib.contextmanager
def cluster(address: str | None) -> Iterator[None]:
    """A Ray for the duration: one of our own on this machine, or the running one at `address`.

    Raises UserError where no Ray answers at `address`. The folder of an own Ray, logs included, is removed at the end.
    """
    _quiet_libraries()
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR, "configure_logging": True}
    if address is not None:
        _check_reachable(address)
        try:
            ray.init(address=address, **quiet)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise _no_ray(address, str(error).strip().splitlines()[0]) from None
        try:
            yield
        finally:
            ray.shutdown()
        return
    folder = Path(tempfile.mkdtemp(prefix="tmu-", dir=_short_temporary_folder()))
    try:
        ray.init(
            address="local",
            include_dashboard=False,
            object_store_memory=OBJECT_STORE_BYTES,
            _temp_dir=str(folder),
            **quiet,
        )
        yield
    finally:
        ray.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


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


def _short_temporary_folder() -> str | None:
    return "/tmp" if len(tempfile.gettempdir()) > LONGEST_SOCKET_FOLDER and os.path.isdir("/tmp") else None


def _quiet_libraries() -> None:
    """Ray and Tune say little of use in a terminal that shows a live table; their logs stay in Ray's own files."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
    os.environ.setdefault("TUNE_GLOBAL_CHECKPOINT_S", "0")
    os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    for name in ("ray", "ray.tune", "ray.train"):
        logging.getLogger(name).setLevel(logging.ERROR)

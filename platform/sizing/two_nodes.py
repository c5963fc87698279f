"""How many trials an hour one node of one core runs, and two of them: raylets of a Ray of their own on this machine.

They share its memory, disk and caches, and nothing goes over a network: what is measured is what the platform itself
loses between nodes. In a process of its own, so that no other Ray is met.
"""

import contextlib
import logging
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import ray
from ray._private.authentication.authentication_token_setup import enable_token_auth_by_default
from ray.cluster_utils import Cluster

from platform.config.home import Home
from platform.config.run import RunConfig
from platform.measure.processes import in_fresh_process
from platform.memory.request import Request
from platform.sizing.trials import Searched, in_process, searched
from platform.training.stream import directions
from platform.tuning.cluster.connecting import quiet_libraries, short_temporary_folder

OBJECT_STORE_BYTES = 100 * 2**20  # memories travel by mapped files


def on_nodes(config: RunConfig, home: Home, num_nodes: int) -> Searched:
    """The search on as many nodes of one core each, its memories stored before. Ray's files are gone afterwards."""
    store_all(config, home)
    with tempfile.TemporaryDirectory(prefix="tmu-bench-", ignore_cleanup_errors=True) as folder:
        return in_fresh_process(_search, config, home, num_nodes, Path(folder))


def store_all(config: RunConfig, home: Home) -> None:
    """Compute every memory that the search will ask for."""
    memory = in_process(config, home)
    for name, runner in memory.runners.items():
        for block in range(runner.clips.num_blocks):
            for direction in directions(config.training):
                memory.states(Request(name, block, direction))


def _search(config: RunConfig, home: Home, num_nodes: int, folder: Path) -> Searched:
    with own_nodes(num_nodes):
        return searched(config, home, folder / "run")


@contextlib.contextmanager
def own_nodes(num_nodes: int, *, cores: int = 1) -> Iterator[None]:
    """Joined to a Ray of as many raylets, which nobody else can find or join; each says that it has so many cores."""
    quiet_libraries()
    os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
    enable_token_auth_by_default()
    folder = Path(tempfile.mkdtemp(prefix="tmu-", dir=short_temporary_folder()))
    os.environ["RAY_TMPDIR"] = str(folder)  # where the address of "the" cluster is noted: not over a user's own
    (folder / "ray").mkdir()
    cluster = None
    try:
        node = {"num_cpus": cores, "object_store_memory": OBJECT_STORE_BYTES, "temp_dir": str(folder)}
        cluster = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
        for _ in range(num_nodes - 1):
            cluster.add_node(**node)
        ray.init(address=cluster.address, log_to_driver=False, logging_level=logging.ERROR)
        yield
    finally:
        ray.shutdown()
        if cluster is not None:
            cluster.shutdown()
        shutil.rmtree(folder, ignore_errors=True)

"""Real raylets that cannot take part, each from an environment or a file system of its own: named, with the repair."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from platform.results.run_folder import RunFolder
from platform.storage.storage import Storage
from platform.tuning.cluster.nodes import NodeCheck, _asker, _differences
from tests.environments import environment_without_us

ASKING = """
import sys
from pathlib import Path
import ray
from ray.cluster_utils import Cluster
from platform.config.errors import UserError
from platform.storage.storage import Storage
from platform.tuning.cluster.nodes import Needed, NodeCheck

temporary, folder, card, shared = sys.argv[1:]
head = dict(num_cpus=1, object_store_memory=100_000_000, include_dashboard=False, temp_dir=temporary)
cluster = Cluster(initialize_head=True, head_node_args=head)
ray.init(address=cluster.address, log_to_driver=False)
needed = Needed(Path(card), "Share TMU_HOME between the nodes.")
check = NodeCheck((needed,), Path(folder), shared=Storage(shared))
assert check.refuse_unfit() == {ray.get_runtime_context().get_node_id()}
print("alone: fits", flush=True)
print(cluster.address, flush=True)
for line in sys.stdin:
    while len([node for node in ray.nodes() if node["Alive"]]) < int(line):
        pass
    try:
        passed = check.refuse_unfit()
        print("fits" if passed == {node["NodeID"] for node in ray.nodes() if node["Alive"]} else "passed over")
    except UserError as error:
        print(str(error).replace("\\n", " | "))
    sys.stdout.flush()
"""


class Asking:
    """A Ray with a head and a driver on it, in a process of its own; raylets join it one after another."""

    def __init__(self, folder: Path, temporary: str) -> None:
        self.folder, self.card = folder, folder / "card.json"
        folder.mkdir()
        self.card.write_text("{}")
        self.shared = (folder / "published").as_uri()
        (folder / "published").mkdir()
        self.temporary = temporary
        (Path(temporary) / "ray").mkdir()
        self._environment = os.environ | {"RAY_TMPDIR": temporary}
        self._raylets: list[subprocess.Popen[bytes]] = []
        self._driver = subprocess.Popen(
            [sys.executable, "-c", ASKING, temporary, str(folder), str(self.card), self.shared],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=self._environment,
        )
        assert self.read() == "alone: fits"
        self.address = self.read()

    def read(self) -> str:
        assert self._driver.stdout is not None
        return self._driver.stdout.readline().strip()

    def told_with(self, *command: str) -> str:
        """What is said when a raylet has joined that is started by this command and `-m ray... start`."""
        started = ["-m", "ray.scripts.scripts", "start", f"--address={self.address}", "--num-cpus=1", "--block"]
        started += ["--object-store-memory=100000000"]
        with Path(self.temporary, "raylets.log").open("ab") as log:
            raylet = subprocess.Popen([*command, *started], env=self._environment, stdout=log, stderr=log)
        self._raylets.append(raylet)
        assert self._driver.stdin is not None
        self._driver.stdin.write("2\n")
        self._driver.stdin.flush()
        told = self.read()
        self.leave()
        return told

    def leave(self) -> None:
        for raylet in self._raylets:
            raylet.terminate()
            raylet.wait(60)
        self._raylets.clear()

    def end(self) -> None:
        self.leave()
        assert self._driver.stdin is not None
        self._driver.stdin.close()
        self._driver.wait(60)
        assert self._driver.stdout is not None
        self._driver.stdout.close()


@pytest.fixture
def asking(tmp_path: Path) -> Iterator[Asking]:
    with tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp", ignore_cleanup_errors=True) as temporary:
        asking = Asking(tmp_path / "run", temporary)
        try:
            yield asking
        finally:
            asking.end()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can hide a folder from one raylet")
@pytest.mark.timeout(900)
def test_a_node_that_lacks_the_package_its_version_or_the_files_is_named_with_the_repair(
    asking: Asking, tmp_path: Path
) -> None:
    """Slow: five raylets, each of which starts a worker."""
    assert asking.told_with(sys.executable) == "fits"

    bare = environment_without_us(tmp_path / "bare")
    told = asking.told_with(str(bare))
    assert "lacks transferable-memory: `pip install transferable-memory==" in told

    old = tmp_path / "bare" / "others" / "transferable_memory-0.0.1.dist-info"
    old.mkdir()
    (old / "METADATA").write_text("Metadata-Version: 2.1\nName: transferable-memory\nVersion: 0.0.1\n")
    told = asking.told_with(str(bare))
    assert "has transferable-memory 0.0.1, this machine " in told

    hide = f'mount -t tmpfs none {asking.folder} && exec "$@"'
    told = asking.told_with("unshare", "-m", "sh", "-c", hide, "-", sys.executable)
    assert f"does not see {asking.card}. Share TMU_HOME between the nodes." in told
    assert f"the run folder {asking.folder} is not seen. Give a --run-dir on a file system that all nodes" in told
    assert f"cannot read {asking.shared}, which TMU_REMOTE names (" in told

    lock = f'mount --bind {asking.folder} {asking.folder} && mount -o remount,ro,bind {asking.folder} && exec "$@"'
    told = asking.told_with("unshare", "-m", "sh", "-c", lock, "-", sys.executable)
    assert f"the run folder {asking.folder} cannot be written to (Read-only file system)" in told


def test_a_node_that_cannot_read_what_is_published_is_told_the_repair(remote: str, tmp_path: Path) -> None:
    """From S3. Where this machine cannot either, no node is to blame."""
    Storage(remote).write("bank/one/card.json", b"{}")
    (tmp_path / "run").mkdir()
    check = NodeCheck.of_run(RunFolder(tmp_path / "run"), (), remote)
    ask = _asker()
    mine, unfit = ask([], None, None, remote), ask([], None, None, remote.replace("bucket-", "no-bucket-"))
    assert list(_differences(mine, mine, check)) == []
    assert list(_differences(unfit, unfit, check)) == []
    (fault,) = _differences(mine, unfit, check)
    assert fault.startswith(f"cannot read {check.shared}, which TMU_REMOTE names (")
    assert "Start its Ray with the credentials of that storage in the environment" in fault

"""Hosts of a network on this machine: network namespaces, each with a raylet of its own, whose links can be cut."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from platform.config.home import Home

PORT = 6379
SOON = {"initial_delay_ms": 0, "period_ms": 1000, "failure_threshold": 5}  # a host that is silent is given up after 5 s


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


class Hosts:
    """A switch, and hosts at it: the first is the head of a Ray cluster, the others join. One core each."""

    def __init__(self, count: int, home: Home, temporary: str) -> None:
        self.name = f"tmu{os.getpid() % 100_000}"
        self.count = count
        self._temporary = temporary
        self._raylets: list[subprocess.Popen[bytes]] = []
        self.environment = os.environ | {"RAY_TMPDIR": temporary, "TMU_HOME": str(home.root), "RAY_AUTH_MODE": "token"}
        self.environment |= {f"RAY_health_check_{name}": str(value) for name, value in SOON.items()}

    def lay(self) -> None:
        ip("link", "add", self.name, "type", "bridge")
        ip("link", "set", self.name, "up")
        for number in range(self.count):
            host, inside = self.host(number), f"{self.name}i{number}"
            ip("netns", "add", host)
            ip("link", "add", self.link(number), "type", "veth", "peer", "name", inside, "netns", host)
            ip("link", "set", self.link(number), "master", self.name, "up")
            ip("-n", host, "addr", "add", f"{self.address(number)}/24", "dev", inside)
            ip("-n", host, "link", "set", inside, "up")
            ip("-n", host, "link", "set", "lo", "up")

    def host(self, number: int) -> str:
        return f"{self.name}-{number}"

    def link(self, number: int) -> str:
        """The switch's end of it."""
        return f"{self.name}o{number}"

    def address(self, number: int) -> str:
        return f"10.213.77.{number + 1}"

    @property
    def cluster(self) -> str:
        return f"{self.address(0)}:{PORT}"

    def cut(self, number: int) -> None:
        ip("link", "set", self.link(number), "down")

    def mend(self, number: int) -> None:
        ip("link", "set", self.link(number), "up")

    def slow(self, number: int, *, delay_ms: int, megabits: int) -> None:
        """In both directions."""
        shape = ("root", "netem", "delay", f"{delay_ms}ms", "rate", f"{megabits}mbit")
        for netns, device in (((), self.link(number)), (("-n", self.host(number)), f"{self.name}i{number}")):
            subprocess.run(["tc", *netns, "qdisc", "add", "dev", device, *shape], check=True, capture_output=True)

    def on(self, number: int, *command: str) -> "subprocess.Popen[str]":
        """A process on that host."""
        return subprocess.Popen(
            ["ip", "netns", "exec", self.host(number), sys.executable, *command],
            env=self.environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def start_ray(self, number: int, *options: str) -> "subprocess.Popen[bytes]":
        where = [f"--address={self.cluster}"]
        if number == 0:
            where = ["--head", f"--port={PORT}", "--include-dashboard=false", f"--temp-dir={self._temporary}"]
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", *where, *options]
        command += [f"--node-ip-address={self.address(number)}", "--num-cpus=1", "--object-store-memory=100000000"]
        with Path(self._temporary, f"host-{number}.log").open("ab") as log:
            raylet = subprocess.Popen(
                ["ip", "netns", "exec", self.host(number), *command], env=self.environment, stdout=log, stderr=log
            )
        self._raylets.append(raylet)
        return raylet

    def wait_for(self, count: int) -> None:
        """Raylets that answer the head."""
        asks = f"import ray; ray.init('{self.cluster}'); print(sum(node['Alive'] for node in ray.nodes()))"
        ends = time.monotonic() + 90
        while self.on(0, "-c", asks).communicate()[0].strip() != str(count):
            assert time.monotonic() < ends
            time.sleep(0.5)

    def remove(self) -> None:
        for raylet in reversed(self._raylets):
            raylet.terminate()
            raylet.wait(60)
        for number in range(self.count):
            subprocess.run(["ip", "netns", "del", self.host(number)], check=False)
            subprocess.run(["ip", "link", "del", self.link(number)], check=False, capture_output=True)
        subprocess.run(["ip", "link", "del", self.name], check=False)


@pytest.fixture
def hosts(tiny_home: Home) -> Iterator[Hosts]:
    """Two, with Ray on both."""
    if os.geteuid() != 0 or subprocess.run(["unshare", "--net", "true"], check=False).returncode != 0:
        pytest.skip("only root can lay a network")
    with tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp", ignore_cleanup_errors=True) as temporary:
        laid = Hosts(2, tiny_home, temporary)
        try:
            laid.lay()
            laid.start_ray(0)
            laid.wait_for(1)
            laid.start_ray(1)
            laid.wait_for(2)
            yield laid
        finally:
            laid.remove()

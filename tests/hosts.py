"""Hosts of a network on this machine: network namespaces, each with a raylet of its own, whose links can be cut."""

import contextlib
import os
import secrets
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from ray.autoscaler._private.fake_multi_node.node_provider import FAKE_HEAD_NODE_ID

from platform.config.home import Home
from tests.given import FIXTURES
from tests.waiting import wait_for

AUTOSCALING = FIXTURES / "autoscaling.yaml"
PORT, REDIS = 6379, 6380
SOON = {"initial_delay_ms": 0, "period_ms": 1000, "failure_threshold": 5}  # a host that is silent is given up after 5 s


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


class Hosts:
    """A switch, and hosts at it: the first is the head of a Ray cluster, the others join."""

    def __init__(self, count: int, home: Home, temporary: str) -> None:
        self.name = f"tmu{os.getpid() % 100_000}"
        self.count = count
        self._temporary, self._ray = temporary, f"{temporary}/ray"
        Path(self._ray).mkdir()
        self._started: list[subprocess.Popen[bytes]] = []
        self._booted: list[subprocess.Popen[bytes]] = []
        self._first: list[int] = []  # process of each host
        self._head: dict[str, str] = {}  # what its environment has besides
        self.environment = os.environ | {"RAY_TMPDIR": self._ray, "TMU_HOME": str(home.root)}
        self.environment |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
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
            # Ray takes the address of the way out for the host's own.
            ip("-n", host, "route", "add", "default", "via", self.address((number + 1) % self.count))
            self._boot(number)

    def _boot(self, number: int) -> None:
        """Its first process. Ray looks among all that it sees for a raylet, and keeps in its folder who the host is."""
        own = Path(self._temporary, f"of-{number}")
        own.mkdir()
        mounts = 'mount -t proc proc /proc && mount --bind "$0" "$1" && exec sleep infinity'
        apart = ["unshare", "--pid", "--fork", "--mount", "--kill-child", "sh", "-c", mounts, str(own), self._ray]
        booted = subprocess.Popen(["ip", "netns", "exec", self.host(number), *apart])
        process = psutil.Process(booted.pid)
        wait_for(lambda: [child.name() for child in process.children()] == ["sleep"], most_s=10)
        self._booted.append(booted)
        self._first.append(process.children()[0].pid)

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

    def slow(self, number: int, *, megabits: int) -> None:
        """So much a second in both directions; what is more queues up to 400 ms, then it is dropped."""
        shape = ("root", "tbf", "rate", f"{megabits}mbit", "burst", "32kbit", "latency", "400ms")
        for netns, device in (((), self.link(number)), (("-n", self.host(number)), f"{self.name}i{number}")):
            subprocess.run(["tc", *netns, "qdisc", "add", "dev", device, *shape], check=True, capture_output=True)

    def carried(self, number: int) -> int:
        """Bytes that its link has carried, both directions."""
        counts = Path("/sys/class/net", self.link(number), "statistics")
        return sum(int((counts / name).read_text()) for name in ("rx_bytes", "tx_bytes"))

    def on(self, number: int, *command: str) -> "subprocess.Popen[str]":
        """A process on that host."""
        return subprocess.Popen(
            [*self._within(number), sys.executable, *command],
            env=self.environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def start_ray(self, number: int, *options: str, cores: int = 1) -> None:
        where = [f"--address={self.cluster}"]
        if number == 0:
            where = ["--head", f"--port={PORT}", "--include-dashboard=false", f"--temp-dir={self._ray}"]
        self._start(
            number,
            *(sys.executable, "-m", "ray.scripts.scripts", "start", "--block", *where, *options),
            *(f"--node-ip-address={self.address(number)}", f"--num-cpus={cores}", "--object-store-memory=100000000"),
        )

    def start_autoscaler(self) -> None:
        """A head without cores, and Ray's own autoscaler, which starts up to two raylets of one core on that host."""
        self._head |= {"RAY_FAKE_CLUSTER": "1", "AUTOSCALER_UPDATE_INTERVAL_S": "1"}
        self._head["RAY_OVERRIDE_NODE_ID_FOR_TESTING"] = FAKE_HEAD_NODE_ID  # by which its provider knows the head
        self.start_ray(0, f"--autoscaling-config={AUTOSCALING}", cores=0)

    def asked_of_autoscaler(self) -> list[str]:
        """What it says that it was asked for, as it changed."""
        (session,) = Path(self._temporary, "of-0").glob("session_2*")
        log = (session / "logs" / "monitor.log").read_text()
        return [lines.strip().partition("\n")[0] for lines in log.split("From request_resources:")[1:]]

    def start_redis(self) -> None:
        """On the head, which keeps there what the cluster knows."""
        options = {"port": str(REDIS), "bind": self.address(0), "save": "", "protected-mode": "no"}
        self._start(0, "redis-server", *(word for name, value in options.items() for word in (f"--{name}", value)))
        self._head["RAY_REDIS_ADDRESS"] = f"{self.address(0)}:{REDIS}"

    def kill_ray(self, number: int) -> None:
        """All of that host's processes but Redis, at once."""
        found = subprocess.run(["ip", "netns", "pids", self.host(number)], check=True, capture_output=True, text=True)
        for pid in set(map(int, found.stdout.split())) - {self._booted[number].pid, self._first[number]}:
            with contextlib.suppress(ProcessLookupError, FileNotFoundError):
                if b"redis-server" not in Path(f"/proc/{pid}/cmdline").read_bytes():
                    os.kill(pid, signal.SIGKILL)

    def _start(self, number: int, *command: str) -> None:
        with Path(self._temporary, f"host-{number}.log").open("ab") as log:
            environment = self.environment | (self._head if number == 0 else {})
            started = subprocess.Popen([*self._within(number), *command], env=environment, stdout=log, stderr=log)
        self._started.append(started)

    def _within(self, number: int) -> list[str]:
        """What runs a command there."""
        return ["nsenter", f"--target={self._first[number]}", "--net", "--pid", "--mount", "--"]

    def wait_for_raylets(self, count: int) -> None:
        """As many that the head knows to live."""
        asks = f"import ray; ray.init('{self.cluster}'); print(sum(node['Alive'] for node in ray.nodes()))"
        wait_for(lambda: self.on(0, "-c", asks).communicate()[0].strip() == str(count), most_s=90)

    def remove(self) -> None:
        for pid in self._first:  # with it end all of the host
            os.kill(pid, signal.SIGKILL)
        for process in (*self._booted, *self._started):
            process.wait(60)
        for number in range(self.count):
            subprocess.run(["ip", "netns", "del", self.host(number)], check=False)
            subprocess.run(["ip", "link", "del", self.link(number)], check=False, capture_output=True)
        subprocess.run(["ip", "link", "del", self.name], check=False)


@pytest.fixture
def network(tiny_home: Home) -> Iterator[Hosts]:
    """Two, on which nothing runs yet."""
    if os.geteuid() != 0 or subprocess.run(["unshare", "--net", "true"], check=False).returncode != 0:
        pytest.skip("only root can lay a network")
    with tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp", ignore_cleanup_errors=True) as temporary:
        laid = Hosts(2, tiny_home, temporary)
        try:
            laid.lay()
            yield laid
        finally:
            laid.remove()


@pytest.fixture
def hosts(network: Hosts) -> Hosts:
    """Two, with Ray on both, a core each."""
    network.start_ray(0)
    network.wait_for_raylets(1)
    network.start_ray(1)
    network.wait_for_raylets(2)
    return network

"""What a Ray of ours answers to whoever reaches its ports without its token: whether it lives, and how busy it is.

Every port on which a process of the cluster listens is asked, so that one that a later Ray opens is found here.
"""

import http.client
import importlib
import pkgutil
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

import grpc  # type: ignore[import-untyped]
import psutil
import pytest
import ray.core.generated

from platform.config.home import Home
from tests.heads import Head, running_head

# Which process listens, and what is spoken there: "counters" are metrics for Prometheus, which anybody may read.
KNOWN = {
    ("gcs_server", "grpc"),
    ("raylet", "grpc"),
    ("worker", "grpc"),
    ("driver", "grpc"),
    ("client server", "grpc"),
    ("agent", "grpc"),
    ("agent", "http"),
    ("agent", "counters"),
    ("runtime environments", "http"),
    ("dashboard", "http"),
    ("dashboard", "counters"),
    ("autoscaler", "counters"),
}
COUNTERS = "text/plain; version=0.0.4"
PAGES = ("/api/version", "/api/jobs/", "/nodes", "/logs", "/api/v0/tasks", "/api/job_agent/jobs/", "/nothing")
ORDERS = ("/api/jobs/", "/api/job_agent/jobs/", "/get_or_create_runtime_env")  # by POST
# Services that Ray has no Python for. Without a `node_id` Ray 2.60 aborts at StartSync before it looks at the token.
OTHERS = (
    "/ray.rpc.syncer.RaySyncer/StartSync",
    "/ray.rpc.ObjectManagerService/Push",
    "/ray.rpc.ObjectManagerService/Pull",
)
NODE_ID = ("node_id", "ab" * 28)
REFUSED = {"UNAUTHENTICATED", "UNIMPLEMENTED"}
pytestmark = pytest.mark.timeout(900)  # a Ray with its dashboard and two raylets
Port = tuple[str, str, str]  # process, what it speaks, address


@pytest.fixture(scope="module")
def head(tiny_home: Home) -> Iterator[Head]:
    with running_head(tiny_home) as head:
        head.join()
        head.drive()
        yield head


@pytest.fixture(scope="module")
def ports(head: Head) -> list[Port]:
    """Of a cluster all of whose processes have come up."""
    ends = time.monotonic() + 100
    while True:
        found = listening(head)
        kinds = {port[:2] for port in found}
        if sum(name == "raylet" for name, *_ in found) == 4 and {("agent", "counters"), ("worker", "grpc")} <= kinds:
            return found
        assert time.monotonic() < ends, kinds
        time.sleep(1)


def listening(head: Head) -> list[Port]:
    found = set()
    for process in head.processes():
        try:
            sockets = [each.laddr for each in process.net_connections("tcp") if each.status == psutil.CONN_LISTEN]
            name = name_of(process)
        except psutil.Error:  # it has just ended
            continue
        for host, port in sockets:
            address = f"{'127.0.0.1' if host in ('::', '0.0.0.0') else host.removeprefix('::ffff:')}:{port}"
            found.add((name, spoken(address), address))
    return sorted(found)


def name_of(process: psutil.Process) -> str:
    command = " ".join(process.cmdline())
    names = {
        "gcs_server": "/gcs_server ",
        "raylet": "/raylet/raylet ",
        "client server": "ray.util.client.server",
        "agent": "ray::DashboardAgent",
        "runtime environments": "ray::RuntimeEnvAgent",
        "dashboard": "/dashboard.py ",
        "autoscaler": "/monitor.py ",
        "driver": "ray.init",
        "worker": "ray::",
    }
    return next((name for name, part in names.items() if part in command), command)


def spoken(address: str) -> str:
    try:
        status, kind = get(f"http://{address}/nothing")
    except http.client.BadStatusLine:  # a frame of HTTP/2
        return "grpc"
    except OSError as silence:
        return str(silence)
    return "counters" if status == 200 and kind.startswith(COUNTERS) else "http"


def get(url: str, token: str | None = None, order: bytes | None = None) -> tuple[int, str]:
    """Status and type of what is answered."""
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, order, headers), timeout=10) as answer:
            return answer.status, answer.headers["Content-Type"]
    except urllib.error.HTTPError as refusal:
        return refusal.code, ""


def methods() -> Iterator[str]:
    """Of all services of Ray's that are known here."""
    yield from OTHERS
    for module in pkgutil.iter_modules(ray.core.generated.__path__):
        if module.name.endswith("_pb2"):
            described = importlib.import_module(f"ray.core.generated.{module.name}").DESCRIPTOR
            for service in described.services_by_name.values():
                yield from (f"/{service.full_name}/{method.name}" for method in service.methods)


def call(channel: grpc.Channel, method: str, *metadata: tuple[str, str]) -> str:
    """How it ends: a code of gRPC's, OK where it is answered."""
    try:
        next(iter(channel.stream_stream(method)(iter([b""]), timeout=30, metadata=[NODE_ID, *metadata])), None)
    except grpc.RpcError as refusal:
        return str(refusal.code().name)
    return "OK"


def calls(address: str) -> tuple[dict[str, str], set[str]]:
    """How each method's call without a token ends, and those with a wrong one."""
    with grpc.insecure_channel(address) as channel:
        ends = {method: call(channel, method) for method in methods()}
        return ends, {call(channel, method, ("authorization", "Bearer guessed")) for method in ends}


def test_nobody_listens_but_who_is_known(ports: list[Port]) -> None:
    assert {port[:2] for port in ports} <= KNOWN


def test_pages_are_for_those_who_show_the_token(head: Head, ports: list[Port]) -> None:
    asked = [address for _, kind, address in ports if kind == "http"]
    assert head.dashboard in asked
    for address in asked:
        assert [get(f"http://{address}{page}")[0] for page in PAGES] == [401] * len(PAGES)
        assert [get(f"http://{address}{page}", "guessed")[0] for page in PAGES] == [403] * len(PAGES)
        assert [get(f"http://{address}{page}", order=b"{}")[0] for page in ORDERS] == [401] * len(ORDERS)
    assert get(f"http://{head.dashboard}/api/version", head.token)[0] == 200


def test_calls_are_for_those_who_show_the_token(head: Head, ports: list[Port]) -> None:
    answers = {port: calls(port[2]) for port in ports if port[1] == "grpc"}
    there = {address for *_, address in listening(head)}
    asked = {port for port in answers if port[0] != "worker" or port[2] in there}  # one with nothing to do may end
    assert {"gcs_server", "raylet", "agent"} <= {name for name, *_ in asked}
    for port in asked:
        ends, guessed = answers[port]
        assert {method: end for method, end in ends.items() if end not in REFUSED} == {}, port
        assert "UNAUTHENTICATED" in ends.values()
        assert guessed == set(ends.values())
    with grpc.insecure_channel(head.gcs) as channel:
        shown = ("authorization", f"Bearer {head.token}")
        assert call(channel, "/ray.rpc.NodeInfoGcsService/GetAllNodeInfo", shown) == "OK"


def test_counters_are_nothing_but_counters(ports: list[Port]) -> None:
    for _, kind, address in ports:
        if kind == "counters":
            assert all(get(f"http://{address}{page}")[1].startswith(COUNTERS) for page in PAGES)
            assert {get(f"http://{address}{page}", order=b"{}")[0] for page in ORDERS} == {405}

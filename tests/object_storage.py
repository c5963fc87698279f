"""A real S3 server on this machine, and a bucket for each test that asks for one."""

import socket
from collections.abc import Iterator

import boto3
import pytest
from moto.server import ThreadedMotoServer

SECRET = "secret"


def set_keys(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("AWS_ACCESS_KEY_ID", "someone")
    environment.setenv("AWS_SECRET_ACCESS_KEY", SECRET)


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """Host and port of an S3 server on this machine."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = ThreadedMotoServer("127.0.0.1", port, verbose=False)
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop()


@pytest.fixture
def remote(server: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """A bucket of its own for each test, as `TMU_REMOTE` would name it."""
    set_keys(monkeypatch)
    bucket = f"bucket-{abs(hash(request.node.name))}"
    boto3.client("s3", endpoint_url=f"http://{server}", region_name="us-east-1").create_bucket(Bucket=bucket)
    return f"s3://{bucket}/lab?scheme=http&endpoint_override={server}&region=us-east-1"


class BreakingStorage:
    """A folder on an S3 server of its own, which may be ended, and started again with all that it had."""

    def __init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self._servers: list[ThreadedMotoServer] = []
        self.address = f"127.0.0.1:{self._port}"
        self.uri = f"s3://breaks/kth?scheme=http&endpoint_override={self.address}&region=us-east-1"
        self.start()
        client = boto3.client("s3", endpoint_url=f"http://{self.address}", region_name="us-east-1")
        client.create_bucket(Bucket="breaks")

    def start(self) -> None:
        self._servers.append(ThreadedMotoServer("127.0.0.1", self._port, verbose=False))
        self._servers[-1].start()

    def end(self) -> None:
        """Nothing, where it has ended."""
        while self._servers:
            self._servers.pop().stop()


@pytest.fixture
def breaking(monkeypatch: pytest.MonkeyPatch) -> Iterator[BreakingStorage]:
    set_keys(monkeypatch)
    storage = BreakingStorage()
    yield storage
    storage.end()

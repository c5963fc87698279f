"""Prepared benchmarks on S3: published by one machine, fetched once by the next, against a real server."""

import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path

import boto3
import pytest

from platform.benchmarks.catalog import find_benchmark, open_benchmark
from platform.benchmarks.remote import RemoteBenchmarks
from platform.benchmarks.store import FrameStore
from platform.config.benchmark import BenchmarkConfig
from platform.config.errors import UserError
from platform.config.home import Home
from tests.object_storage import SECRET, set_keys

MakeStore = Callable[..., FrameStore]


def silent(done: int, total: int, now: str) -> None:
    """Nobody watches."""


@pytest.fixture
def published(remote: str, make_store: MakeStore) -> FrameStore:
    store = make_store(6, name="kth-8")
    assert RemoteBenchmarks(remote).publish(store, silent)
    return store


def kth_config() -> BenchmarkConfig:
    split = {"train": [1], "validation": [2], "test": [3]}
    return BenchmarkConfig.model_validate({"name": "kth", "frame_size": 8, "split": split, "on_missing": "synthetic"})


def test_what_is_published_is_fetched_whole_and_used_instead_of_a_stand_in(
    remote: str, published: FrameStore, tmp_path: Path
) -> None:
    elsewhere = Home(tmp_path / "elsewhere", remote)
    assert find_benchmark(kth_config(), elsewhere) is None
    benchmark = open_benchmark(kth_config(), elsewhere, make=False)
    assert benchmark.label == "kth"
    assert benchmark.store.manifest == published.manifest
    benchmark.store.verify()
    assert sorted(file.name for file in elsewhere.benchmarks.iterdir() if not file.name.startswith(".")) == ["kth-8"]


def test_a_second_search_fetches_nothing(remote: str, published: FrameStore, tmp_path: Path, server: str) -> None:
    home = Home(tmp_path / "elsewhere", remote)
    first = open_benchmark(kth_config(), home).store.path.stat().st_ino
    gone = Home(home.root, remote.replace("lab", "nowhere"))
    assert open_benchmark(kth_config(), gone).store.path.stat().st_ino == first


def test_several_processes_of_a_node_fetch_once(remote: str, published: FrameStore, tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    results: multiprocessing.Queue[tuple[int, int]] = context.Queue()
    workers = [context.Process(target=_fetch, args=(remote, tmp_path / "node", results)) for _ in range(3)]
    for worker in workers:
        worker.start()
    fetched = [results.get(timeout=60) for _ in workers]
    for worker in workers:
        worker.join()
    assert sorted(copied for copied, _ in fetched) == [0, 0, len(list(published.path.iterdir())) - 1]
    assert len({inode for _, inode in fetched}) == 1


def _fetch(remote: str, benchmarks: Path, results: "multiprocessing.Queue[tuple[int, int]]") -> None:
    copied: list[str] = []
    RemoteBenchmarks(remote).fetch("kth-8", benchmarks, lambda done, total, now: copied.append(now))
    copied = [now for now in copied if "waiting" not in now]
    results.put((len(copied), os.stat(benchmarks / "kth-8").st_ino))


def test_an_interrupted_fetch_goes_on_where_it_was(remote: str, published: FrameStore, tmp_path: Path) -> None:
    def give_up(done: int, total: int, now: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        RemoteBenchmarks(remote).fetch("kth-8", tmp_path / "b", give_up)
    assert not (tmp_path / "b" / "kth-8").exists()
    copied: list[str] = []
    RemoteBenchmarks(remote).fetch("kth-8", tmp_path / "b", lambda done, total, now: copied.append(now))
    FrameStore.open(tmp_path / "b" / "kth-8").verify()
    assert len(copied) == len(list(published.path.iterdir())) - 2  # the manifest, and what was there


def test_what_was_damaged_on_the_way_is_never_opened(
    remote: str, published: FrameStore, tmp_path: Path, server: str
) -> None:
    bucket = remote.removeprefix("s3://").partition("/")[0]
    shard = published.manifest.shards[0].file
    content = bytearray((published.path / shard).read_bytes())
    content[content.index(published.frames(0).tobytes()) + 5] ^= 0xFF
    client = boto3.client("s3", endpoint_url=f"http://{server}", region_name="us-east-1")
    client.put_object(Bucket=bucket, Key=f"lab/benchmarks/kth-8/{shard}", Body=bytes(content))
    with pytest.raises(UserError, match="not what was published"):
        RemoteBenchmarks(remote).fetch("kth-8", tmp_path / "b", silent)
    assert not [file for file in (tmp_path / "b").iterdir() if file.is_dir()]


def test_a_half_published_benchmark_is_not_there(remote: str, make_store: MakeStore) -> None:
    def give_up(done: int, total: int, now: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        RemoteBenchmarks(remote).publish(make_store(2, name="kth-8"), give_up)
    assert RemoteBenchmarks(remote).names() == []


def test_the_same_is_published_once_and_another_only_with_replace(
    remote: str, published: FrameStore, make_store: MakeStore
) -> None:
    there = RemoteBenchmarks(remote)
    assert not there.publish(published, silent)
    other = make_store(2, name="other/kth-8")
    with pytest.raises(UserError, match=r"holds other frames\. Add --replace"):
        there.publish(other, silent)
    assert there.publish(other, silent, replace=True)
    assert there.names() == ["kth-8"]


def test_a_node_that_holds_what_was_replaced_is_told_when_it_asks(
    remote: str, published: FrameStore, make_store: MakeStore, tmp_path: Path, server: str
) -> None:
    node, there = tmp_path / "node", RemoteBenchmarks(remote)
    assert there.fetch("kth-8", node, silent)
    assert not there.fetch("kth-8", node, silent, compare=True)
    other = make_store(2, name="other/kth-8", num_frames=40)
    there.publish(other, silent, replace=True)
    assert not there.fetch("kth-8", node, silent)  # a search asks nobody: it goes on with what it has
    with pytest.raises(UserError, match=r"holds other frames than s3://.*/lab/benchmarks/kth-8\. Add --replace"):
        there.fetch("kth-8", node, silent, compare=True)
    assert there.fetch("kth-8", node, silent, compare=True, replace=True)
    assert FrameStore.open(node / "kth-8").manifest.fingerprint == other.manifest.fingerprint


def test_what_a_smaller_store_replaced_is_not_left_in_the_bucket(
    remote: str, make_store: MakeStore, server: str
) -> None:
    there = RemoteBenchmarks(remote)
    there.publish(make_store(6, name="kth-8", shard_bytes=1), silent)
    there.publish(make_store(2, name="other/kth-8"), silent, replace=True)
    client = boto3.client("s3", endpoint_url=f"http://{server}", region_name="us-east-1")
    bucket = remote.removeprefix("s3://").partition("/")[0]
    keys = [one["Key"].rpartition("/")[2] for one in client.list_objects_v2(Bucket=bucket)["Contents"]]
    assert sorted(filter(None, keys)) == ["frames-00000.arrow", "hashes.arrow", "manifest.json", "videos.arrow"]


@pytest.mark.parametrize(
    ("uri", "says"),
    [
        (f"s3://key:{SECRET}@bucket/lab", "must not hold a password"),
        ("gopher://bucket", "is not understood"),
        ("s3://bucket/lab?scheme=http&endpoint_override=127.0.0.1:9&region=us-east-1", "cannot read s3://bucket/lab"),
    ],
)
def test_storage_that_cannot_be_reached_says_what_to_check(
    uri: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_keys(monkeypatch)
    with pytest.raises(UserError, match=says) as told:
        RemoteBenchmarks(uri).names()
    assert SECRET not in str(told.value)

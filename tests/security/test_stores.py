"""What a prepared benchmark, or a store of memories, from elsewhere can do: be refused in a sentence, soon."""

import json
import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from platform.benchmarks.formats.npy import open_npy
from platform.benchmarks.formats.npz import DAMAGED, open_member, open_npz
from platform.benchmarks.manifest import parse_manifest
from platform.benchmarks.overlap import hash_frames
from platform.benchmarks.recording import Found, Recording, UnusableFile
from platform.benchmarks.remote import RemoteBenchmarks
from platform.benchmarks.store import FrameStore
from platform.benchmarks.store_writer import write_store
from platform.benchmarks.videos import VideoTable
from platform.config.errors import UserError
from platform.memory.block_file import BlockKey, DamagedBlock, block_batch, check_block, map_block, read_label
from platform.memory.request import MemoryIdentity, Request
from tests.security.limits import ending_of, refusal
from tests.security.test_results import HOSTILE_JSON, header

SHARD = "frames-00000.arrow"


def frames(number: int) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, (6, 8, 8, 1), dtype=np.uint8)


@pytest.fixture
def store(tmp_path: Path) -> FrameStore:
    recordings = [
        Recording(f"v{number}", str(number), "walking", f"k{number}", partial(frames, number), num_frames=6)
        for number in range(3)
    ]
    provenance = {"source": "x", "command": "python -m platform.prepare kth --from 'a b'"}
    found = Found(recordings, frame_size=(8, 8), provenance=provenance)
    return write_store(tmp_path / "kth-8", found, dataset="kth", synthetic=False, reader_version="1")


def everything(path: Path) -> None:
    store = FrameStore.open(path)
    store.verify()
    assert len(store.hashes)


def change_manifest(store: FrameStore, **changed: Any) -> None:
    path = store.path / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changed))


def put(store: FrameStore, name: str, content: bytes) -> None:
    """With the length that the manifest then says."""
    (store.path / name).write_bytes(content)
    manifest = json.loads((store.path / "manifest.json").read_text())
    for stored in (*manifest["shards"], manifest["videos"], manifest["hashes"]):
        if stored["file"] == name:
            stored["num_bytes"] = len(content)
    change_manifest(store, **manifest)


def put_videos(store: FrameStore, **changed: list[Any]) -> None:
    table = pa.ipc.open_file(store.path / "videos.arrow").read_all()
    for name, values in changed.items():
        kind = table.schema.field(name).type
        table = table.set_column(table.schema.get_field_index(name), name, pa.array(values, kind))
    put(store, "videos.arrow", arrow_file(table.schema, table.combine_chunks().to_batches()))


def arrow_file(schema: pa.Schema, batches: list[pa.RecordBatch], **options: Any) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        for batch in batches:
            writer.write_batch(batch)
    return sink.getvalue().to_pybytes()


def shard(length: int, **options: Any) -> bytes:
    """Of one video of so many black frames."""
    kind = pa.fixed_shape_tensor(pa.uint8(), (8, 8, 1))
    cells = pa.FixedSizeListArray.from_arrays(pa.array(np.zeros(64 * length, np.uint8)), 64)
    schema = pa.schema([pa.field("frames", kind, nullable=False)])
    batch = pa.record_batch([pa.ExtensionArray.from_storage(kind, cells)], schema=schema)
    return arrow_file(schema, [batch], **options)


@pytest.mark.parametrize("kind", HOSTILE_JSON)
def test_a_hostile_manifest_is_refused_within_bounds(store: FrameStore, kind: str) -> None:
    (store.path / "manifest.json").write_bytes(HOSTILE_JSON[kind])
    assert "prepare it again" in refusal(partial(FrameStore.open, store.path))


@pytest.mark.parametrize("name", ["../kth-8/videos.arrow", "/etc/passwd", "..", ".x", "a/b", "videos.arrow\n", "a\0"])
@pytest.mark.parametrize("field", ["videos", "hashes"])
def test_a_manifest_names_no_file_elsewhere(store: FrameStore, field: str, name: str) -> None:
    change_manifest(store, **{field: {"file": name, "num_bytes": 10}})
    with pytest.raises(UserError, match=rf"{field}\.file"):
        FrameStore.open(store.path)


@pytest.mark.parametrize("name", ["manifest.json", "videos.arrow", "hashes.arrow", SHARD])
def test_a_link_that_leads_out_of_a_store_is_refused(store: FrameStore, tmp_path: Path, name: str) -> None:
    (store.path / name).rename(tmp_path / name)
    (store.path / name).symlink_to(tmp_path / name)
    with pytest.raises(UserError, match=r"leads out of its folder.*prepare"):
        FrameStore.open(store.path)


def test_a_store_that_is_itself_a_link_is_read(store: FrameStore, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(store.path)
    assert FrameStore.open(tmp_path / "link").manifest == store.manifest
    everything(tmp_path / "link")


@pytest.mark.parametrize(
    "changed",
    [
        {"frame_size": [10**12, 10**12]},
        {"frame_size": [16, 16]},
        {"channels": 10**9},
        {"num_frames": 10**30},
        {"num_frames": 17},
        {"num_videos": 4},
        {"shards": []},
        {"fingerprint": "/../../x"},
    ],
    ids=str,
)
def test_a_manifest_that_promises_more_than_its_files_hold_is_refused(
    store: FrameStore, changed: dict[str, Any]
) -> None:
    change_manifest(store, **changed)
    assert str(store.path) in refusal(partial(everything, store.path))


@pytest.mark.parametrize(
    "command", ["rm -rf ~", "python -m platform.prepare kth; rm -rf ~", "python -m platform.prepare $(rm x) `ls`", "'"]
)
def test_a_manifests_command_is_no_other_than_prepare(store: FrameStore, command: str) -> None:
    change_manifest(store, provenance={"command": command})
    (store.path / SHARD).unlink()
    with pytest.raises(UserError) as raised:
        FrameStore.open(store.path)
    told = str(raised.value)
    assert "rm -rf ~" not in told.replace("kth';' rm -rf '~'", "")
    assert "`ls`" not in told.replace("'`ls`'", "")


@pytest.mark.parametrize(
    "changed",
    [
        {"shard": [0, 0, 7]},
        {"shard": [0, 0, -1]},
        {"batch": [0, 1, -1]},
        {"batch": [0, 1, 99]},
        {"num_frames": [6, 6, 1 << 62]},
        {"num_frames": [6, 12, 0]},
        {"num_frames": [6, 13, -1]},
        {"ranges": [[0, 6], [0, 6], [0, 1 << 62]]},
        {"ranges": [[0, 6], [0, 6], [-5, 6]]},
        {"ranges": [[0, 6], [0, 6], [3]]},
        {"ranges": [[0, 6], [0, 6], [5, 2]]},
        {"ranges": [[0, 6], [0, 6], [0, 6] * 1000]},
        {"name": ["a", "b", None]},
        {"group": ["a", "b", None]},
        {"sha256": ["a", "b", None]},
    ],
    ids=str,
)
def test_an_index_that_contradicts_its_files_is_refused(store: FrameStore, changed: dict[str, list[Any]]) -> None:
    put_videos(store, **changed)
    assert str(store.path) in refusal(partial(everything, store.path))


def test_an_index_in_thousands_of_pieces_is_refused(store: FrameStore) -> None:
    batch = pa.record_batch({"hash": pa.array([1], pa.uint64())})
    put(store, "hashes.arrow", arrow_file(batch.schema, [batch] * 5000))
    with pytest.raises(UserError, match="several pieces"):
        everything(store.path)


@pytest.mark.parametrize("packing", ["zstd", "lz4"])
def test_frames_that_grow_when_they_are_unpacked_are_refused_still_packed(store: FrameStore, packing: str) -> None:
    packed = shard(1 << 24, compression=packing)
    assert len(packed) < 8 << 20 < 1 << 30
    put(store, SHARD, packed)
    put_videos(store, num_frames=[6, 6, 6])
    assert "packed" in refusal(partial(everything, store.path))


def test_an_index_that_grows_when_it_is_unpacked_is_refused_still_packed(store: FrameStore) -> None:
    batch = pa.record_batch({"hash": pa.array(np.zeros(1 << 27, np.uint64))})
    put(store, "hashes.arrow", arrow_file(batch.schema, [batch], compression="zstd"))
    assert "packed" in refusal(partial(everything, store.path))
    table = pa.ipc.open_file(store.path / "videos.arrow").read_all()
    put(store, "videos.arrow", arrow_file(table.schema, table.to_batches(), compression="zstd"))
    assert "packed" in refusal(partial(everything, store.path))


@pytest.mark.parametrize("name", ["videos.arrow", "hashes.arrow", SHARD])
@pytest.mark.parametrize("byte", [0x00, 0xFF])
def test_no_byte_of_an_arrow_file_leads_out_of_it(store: FrameStore, name: str, byte: int) -> None:
    """Each is changed in turn: a length that is too large would end the process."""
    assert ending_of(partial(_each_byte_changed, store.path, name, byte)).error == ""


def _each_byte_changed(path: Path, name: str, byte: int) -> None:
    whole = (path / name).read_bytes()
    for place in range(8, len(whole)):
        if name == SHARD and 600 < place < len(whole) - 1000:
            continue  # the frames themselves, which have a checksum
        (path / name).write_bytes(whole[:place] + bytes([byte]) + whole[place + 1 :])
        try:
            store = FrameStore.open(path)
            store.verify()
            hashes = np.array(store.hashes)
            assert len(hashes) == 18
            assert [entry.num_frames for entry in store.videos]
            assert len(hash_frames(store.frames(2), field=False)) == 6
        except UserError:
            continue


def test_a_longer_file_than_was_published_is_not_fetched(store: FrameStore, tmp_path: Path) -> None:
    remote = RemoteBenchmarks(f"file://{tmp_path}/remote")
    (tmp_path / "remote" / "benchmarks").mkdir(parents=True)
    remote.publish(store, lambda *_: None)
    with (tmp_path / "remote" / "benchmarks" / "kth-8" / SHARD).open("ab") as file:
        file.truncate(1 << 40)
    with pytest.raises(UserError, match="were published; publish it again with --replace"):
        remote.fetch("kth-8", tmp_path / "here", lambda *_: None)


@pytest.mark.parametrize("name", ["..", "../x", "/etc", ".", "", "a/b", "kth-8\n"])
def test_what_is_published_is_fetched_to_no_folder_elsewhere(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="no name of a benchmark"):
        RemoteBenchmarks(f"file://{tmp_path}/remote").fetch(name, tmp_path / "here", _silent, replace=True)


@pytest.mark.parametrize("kind", HOSTILE_JSON)
def test_a_hostile_manifest_is_not_fetched(store: FrameStore, tmp_path: Path, kind: str) -> None:
    shutil.copytree(store.path, tmp_path / "remote" / "benchmarks" / "kth-8")
    (tmp_path / "remote" / "benchmarks" / "kth-8" / "manifest.json").write_bytes(HOSTILE_JSON[kind])
    assert "Publish it again" in refusal(partial(_fetch, tmp_path))


def _fetch(folder: Path) -> None:
    RemoteBenchmarks(f"file://{folder}/remote").fetch("kth-8", folder / "here", _silent)


def _silent(done: int, total: int, now: str) -> None: ...


def test_a_manifest_that_repeats_itself_is_small() -> None:
    with pytest.raises(ValueError, match="entries"):
        parse_manifest(b'{"skipped": [' + b"{}," * 5_000_000 + b"{}]}")


# --- stored memories: what is damaged is never given to anybody, and computed again ---

IDENTITY, REQUEST = MemoryIdentity("a" * 64, "b" * 64, 3, (4, 4)), Request("one", 0)


def memories() -> np.ndarray:
    return IDENTITY.rounded(np.ones((2, 5, 3, 4, 4)))


@pytest.fixture
def block(tmp_path: Path) -> Path:
    batch = block_batch(IDENTITY, REQUEST, memories())
    (tmp_path / "000000.arrow").write_bytes(arrow_file(batch.schema, [batch]))
    return tmp_path / "000000.arrow"


def checked(path: Path) -> None:
    check_block(map_block(path), BlockKey.of(IDENTITY, REQUEST))


def test_a_packed_block_is_damaged(block: Path) -> None:
    large = IDENTITY.rounded(np.zeros((1 << 16, 5, 3, 16, 16)))
    batch = block_batch(IDENTITY, REQUEST, large)
    block.write_bytes(arrow_file(batch.schema, [batch], compression="zstd"))
    assert ending_of(partial(checked, block)).error == "DamagedBlock"


def test_a_pipe_is_no_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "000000.arrow")
    assert ending_of(partial(read_label, tmp_path / "000000.arrow")).error == "DamagedBlock"


def test_a_label_of_lists_within_lists_is_none(block: Path) -> None:
    batch = block_batch(IDENTITY, REQUEST, memories())
    schema = batch.schema.with_metadata({b"label": b'{"key":' + b"[" * 1_000_000, b"sha256": b"0"})
    block.write_bytes(arrow_file(schema, [batch.cast(schema)]))
    assert ending_of(partial(read_label, block)).error == "DamagedBlock"


@pytest.mark.parametrize("byte", [0x00, 0xFF])
def test_no_byte_of_a_block_leads_out_of_it(block: Path, byte: int) -> None:
    assert ending_of(partial(_each_byte_of_a_block_changed, block, byte)).error == ""


def _each_byte_of_a_block_changed(path: Path, byte: int) -> None:
    whole = path.read_bytes()
    for place in range(8, len(whole)):
        path.write_bytes(whole[:place] + bytes([byte]) + whole[place + 1 :])
        try:
            checked(path)
        except DamagedBlock:
            continue


# --- arrays that a reader of recordings is given ---

ODD_HEADERS = ["(" * 3000, "((((1,", "'", "(1, 2", "\\", "(1,) * 10**9", "-" * 5000 + "1"]


@pytest.mark.parametrize("shape", ODD_HEADERS, ids=lambda shape: shape[:12])
def test_an_array_whose_header_is_no_python_is_named(tmp_path: Path, shape: str) -> None:
    """numpy tokenises such a header, and lets what that raises through."""
    (tmp_path / "a.npy").write_bytes(header(shape) + bytes(10))
    with pytest.raises(UnusableFile, match="no npy file"):
        open_npy(tmp_path / "a.npy")
    np.savez(tmp_path / "a.npz", b=np.zeros(3))
    from zipfile import ZipFile

    with ZipFile(tmp_path / "a.npz", "a") as archive:
        archive.writestr("a.npy", header(shape))
    with open_npz(tmp_path / "a.npz") as archive, pytest.raises((UnusableFile, *DAMAGED)):
        open_member(archive, "a")


def test_the_index_of_a_good_store_is_read_as_before(store: FrameStore, make_changed: Callable[[], None]) -> None:
    make_changed()
    assert [entry.name for entry in VideoTable.read(store.path / "videos.arrow")] == ["v0", "v1", "v2"]
    everything(store.path)


@pytest.fixture
def make_changed(store: FrameStore) -> Callable[[], None]:
    """The index written anew, with nothing in it changed."""
    return partial(put_videos, store, batch=[0, 1, 2])

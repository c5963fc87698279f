"""The Arrow store gives back what was stored, without a copy, and says what is wrong with a damaged one."""

import json
import pickle
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from platform.benchmarks.store import FrameStore
from platform.config.errors import UserError

MakeStore = Callable[..., FrameStore]


def frames_of(store: FrameStore) -> list[np.ndarray]:
    return [store.frames(video) for video in range(len(store.videos))]


def test_frames_come_back_as_they_were_stored(make_store: MakeStore, recordings: Callable[..., list]) -> None:
    store = make_store(5)
    for stored, recording in zip(frames_of(store), recordings(5), strict=True):
        assert np.array_equal(stored, recording.load())


def test_frames_are_read_only_views_of_the_mapped_file(make_store: MakeStore) -> None:
    pool_before = pa.total_allocated_bytes()
    frames = make_store(2).frames(1)
    assert not frames.flags.owndata
    assert not frames.flags.writeable
    assert pa.total_allocated_bytes() == pool_before  # Arrow allocated nothing for them


def test_any_arrow_reader_sees_tensors_with_a_batch_a_video(make_store: MakeStore) -> None:
    store = make_store(3)
    with pa.memory_map(str(store.path / "frames-00000.arrow")) as source:
        reader = pa.ipc.open_file(source)
        assert reader.num_record_batches == 3
        assert reader.schema.field("frames").type == pa.fixed_shape_tensor(pa.uint8(), (8, 8, 1))


def test_the_fingerprint_does_not_depend_on_how_shards_are_cut(make_store: MakeStore) -> None:
    whole, cut = make_store(5), make_store(5, name="kth-cut", shard_bytes=1)
    assert (len(whole.manifest.shards), len(cut.manifest.shards)) == (1, 5)
    assert whole.manifest.fingerprint == cut.manifest.fingerprint


def test_the_fingerprint_changes_with_the_frames(make_store: MakeStore) -> None:
    assert make_store(4).manifest.fingerprint != make_store(5, name="more").manifest.fingerprint


def test_a_pickled_store_opens_itself_again(make_store: MakeStore) -> None:
    store = make_store(2)
    again = pickle.loads(pickle.dumps(store))
    assert np.array_equal(again.frames(1), store.frames(1))
    assert len(pickle.dumps(store)) < 1000  # a path, no frames


def change_a_pixel(store: FrameStore, video: int) -> None:
    """Of the file; its size stays."""
    shard = store.path / "frames-00000.arrow"
    content = bytearray(shard.read_bytes())
    place = bytes(content).index(store.frames(video).tobytes())
    content[place + 5] ^= 1
    shard.write_bytes(content)


def test_a_video_that_changed_is_refused_when_it_is_first_used(make_store: MakeStore) -> None:
    store = make_store(3)
    change_a_pixel(store, 1)
    again = FrameStore.open(store.path)
    assert len(again.frames(0)) == 30
    with pytest.raises(UserError, match=r"video1 are not those that were stored.*prepare"):
        again.frames(1)


def test_verify_names_the_video_whose_frames_changed(make_store: MakeStore) -> None:
    store = make_store(3)
    change_a_pixel(store, 1)
    with pytest.raises(UserError, match=r"video1 are not those that were stored.*prepare"):
        FrameStore.open(store.path).verify()


def test_a_truncated_shard_is_named_with_the_repair(make_store: MakeStore) -> None:
    store = make_store(3)
    shard = store.path / "frames-00000.arrow"
    shard.write_bytes(shard.read_bytes()[:-100])
    with pytest.raises(UserError, match=r"frames-00000.arrow is cut off: \d+ of \d+ bytes.*platform.prepare"):
        FrameStore.open(store.path)


def test_a_shard_of_the_right_size_that_is_no_arrow_file_is_named(make_store: MakeStore) -> None:
    store = make_store(1)
    shard = store.path / "frames-00000.arrow"
    shard.write_bytes(bytes(shard.stat().st_size))
    with pytest.raises(UserError, match=r"frames-00000.arrow is damaged .*platform.prepare"):
        FrameStore.open(store.path).frames(0)


def test_a_missing_shard_is_named(make_store: MakeStore) -> None:
    store = make_store(1)
    (store.path / "frames-00000.arrow").unlink()
    with pytest.raises(UserError, match=r"frames-00000.arrow is missing"):
        FrameStore.open(store.path)


def test_a_folder_that_is_no_store_says_so(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"manifest.json is missing.*platform.prepare"):
        FrameStore.open(tmp_path)


@pytest.mark.parametrize("content", ["", "{", "[]", "null"])
def test_an_unreadable_manifest_is_refused_with_the_repair(make_store: MakeStore, content: str) -> None:
    store = make_store(1)
    (store.path / "manifest.json").write_text(content)
    with pytest.raises(UserError, match=r"manifest.json .*platform.prepare"):
        FrameStore.open(store.path)


def test_another_schema_version_is_refused(make_store: MakeStore) -> None:
    store = make_store(1)
    manifest = json.loads((store.path / "manifest.json").read_text())
    (store.path / "manifest.json").write_text(json.dumps({**manifest, "schema_version": 99}))
    with pytest.raises(UserError, match="schema version 99, this version reads 2"):
        FrameStore.open(store.path)


def test_a_manifest_with_a_wrong_field_names_the_field(make_store: MakeStore) -> None:
    store = make_store(1)
    manifest = json.loads((store.path / "manifest.json").read_text())
    (store.path / "manifest.json").write_text(json.dumps({**manifest, "channels": -1}))
    with pytest.raises(UserError, match="channels"):
        FrameStore.open(store.path)


def test_a_reader_keeps_no_array_of_what_it_has_read(make_store: MakeStore) -> None:
    """Two kilobytes a video would be 400 MB for 200,000."""
    store = make_store(2)
    first, again = store.frames(1), store.frames(1)
    assert first is not again
    assert np.shares_memory(first, again)


def test_a_stretch_of_a_video_is_a_part_of_it(make_store: MakeStore) -> None:
    store = make_store(3)
    for video in range(3):
        np.testing.assert_array_equal(store.frames(video, 4, 9), store.frames(video)[4:9])


def test_opening_and_listing_clips_does_not_import_pandas(make_store: MakeStore) -> None:
    """It would take four times as long as all the rest."""
    script = f"""
        import sys
        from pathlib import Path
        from platform.benchmarks.blocks import ClipBlocks
        from platform.benchmarks.store import FrameStore
        store = FrameStore.open(Path({str(make_store(4).path)!r}))
        options = dict(input_length=5, total_length=10, frame_size=8, block_clips=4)
        ClipBlocks(store, ("1",), categories=("running",), stride={{"running": 3}}, **options).frames(0)
        sys.exit("pandas" in sys.modules)
    """
    assert subprocess.run([sys.executable, "-c", textwrap.dedent(script)]).returncode == 0


@pytest.mark.parametrize("name", ["é" * 200, "../outside", "", "a" * 300])
def test_a_manifest_cannot_name_a_file_that_no_folder_could_hold(make_store: MakeStore, name: str) -> None:
    store = make_store(1)
    manifest = json.loads((store.path / "manifest.json").read_text())
    manifest["videos"]["file"] = name
    (store.path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(UserError, match=r"videos\.file"):
        FrameStore.open(store.path)

"""Moving MNIST from the files people have: the fixed test set, the npz files, and sequences made of MNIST's digits."""

import io
import shutil
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.lib import format as npy

from platform.benchmarks.formats.moving_mnist import find_moving_mnist, fly_as_test
from platform.benchmarks.recording import Found, NumClips, UnusableFile, Wanted
from platform.benchmarks.store_writer import write_store
from platform.config.errors import UserError

NUM_CLIPS = 3


def some_frames(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 1, 64, 64), dtype=np.uint8)


def put_test_set(folder: Path, clips: np.ndarray | None = None) -> Path:
    """(20, 3, 64, 64): time first."""
    clips = some_frames(20 * NUM_CLIPS).reshape(20, NUM_CLIPS, 64, 64) if clips is None else clips
    np.save(folder / "mnist_test_seq.npy", clips, allow_pickle=clips.dtype.hasobject)
    return folder / "mnist_test_seq.npy"


def spans(num_clips: int = NUM_CLIPS) -> np.ndarray:
    """(2, N, 2): ten frames in, ten out."""
    inputs = np.array([[20 * clip, 10] for clip in range(num_clips)])
    return np.stack([inputs, inputs + np.array([10, 0])])


def put_npz(folder: Path, pool: str = "train", /, **changed: np.ndarray | None) -> Path:
    arrays: dict[str, Any] = {
        "clips": spans(),
        "dims": np.array([[1, 64, 64]]),
        "input_raw_data": some_frames(20 * NUM_CLIPS).astype(np.float32) / 255,
        **changed,
    }
    file = folder / f"moving-mnist-{pool}.npz"
    np.savez_compressed(file, **{name: array for name, array in arrays.items() if array is not None})
    return file


def told(found: Found) -> dict[str, str]:
    return {skip.file: skip.reason for skip in found.skipped}


def test_the_test_set_has_time_first_and_every_clip_is_a_recording(tmp_path: Path) -> None:
    clips = np.load(put_test_set(tmp_path))
    found = find_moving_mnist(tmp_path, Wanted(64))
    assert [one.name for one in found.recordings] == ["test_00000", "test_00001", "test_00002"]
    assert {one.group for one in found.recordings} == {"test"}
    for index, recording in enumerate(found.recordings):
        assert np.array_equal(recording.load()[..., 0], clips[:, index])


def test_a_test_set_whose_header_promises_the_impossible_is_named(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    npy.write_array_header_1_0(buffer, {"descr": "|u1", "fortran_order": False, "shape": (20, 1 << 40, 1 << 40, 64)})
    (tmp_path / "mnist_test_seq.npy").write_bytes(buffer.getvalue() + bytes(64))
    with pytest.raises(UserError, match=r"mnist_test_seq\.npy: it is cut off"):
        find_moving_mnist(tmp_path, Wanted(64))


def test_an_npz_gives_the_input_and_then_the_output_of_each_clip(tmp_path: Path) -> None:
    put_npz(tmp_path, "train")
    put_npz(tmp_path, "valid", clips=spans()[:, :1])
    found = find_moving_mnist(tmp_path, Wanted(64))
    assert [(one.name, one.group) for one in found.recordings] == [
        ("train_00000", "train"),
        ("train_00001", "train"),
        ("train_00002", "train"),
        ("validation_00000", "validation"),
    ]
    assert np.array_equal(found.recordings[1].load(), some_frames(60)[20:40].transpose(0, 2, 3, 1))


@pytest.mark.parametrize("kind", ["float16", "float64", ">f4", "uint8"])
def test_other_precisions_give_the_same_bytes(tmp_path: Path, kind: str) -> None:
    frames = some_frames(60)
    put_npz(tmp_path, input_raw_data=frames if kind == "uint8" else (frames / 255).astype(kind))
    first = find_moving_mnist(tmp_path, Wanted(64)).recordings[0].load()
    assert np.array_equal(first, frames[:20].transpose(0, 2, 3, 1))


def test_the_fixed_test_set_counts_before_the_test_clips_of_an_npz(tmp_path: Path) -> None:
    put_npz(tmp_path, "test", clips=spans()[:, :1])
    assert len(find_moving_mnist(tmp_path, Wanted(64)).recordings) == 1
    put_test_set(tmp_path)
    found = find_moving_mnist(tmp_path, Wanted(64))
    assert len(found.recordings) == NUM_CLIPS
    assert told(found)["moving-mnist-test.npz"] == "a file with the test clips was found before"


def test_a_damaged_test_set_is_named_and_the_npz_counts(tmp_path: Path) -> None:
    put_npz(tmp_path, "test", clips=spans()[:, :1])
    file = put_test_set(tmp_path)
    file.write_bytes(file.read_bytes()[:-100])
    found = find_moving_mnist(tmp_path, Wanted(64))
    assert len(found.recordings) == 1
    assert "cut off" in told(found)["mnist_test_seq.npy"]


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    put_test_set(tmp_path)
    found = find_moving_mnist(tmp_path, Wanted(64))
    assert "no clips for train" in told(found)["moving-mnist-train.npz"]
    assert "no train-images-idx3-ubyte.gz in" in told(found)["train-images-idx3-ubyte.gz"]


def test_other_sizes_are_made_by_area(tmp_path: Path) -> None:
    put_test_set(tmp_path, np.full((20, 1, 64, 64), 77, np.uint8))
    frames = find_moving_mnist(tmp_path, Wanted(32)).recordings[0].load()
    assert frames.shape == (20, 32, 32, 1)
    assert (frames == 77).all()


BAD_TEST_SETS: dict[str, tuple[Callable[[], np.ndarray], str]] = {
    "clips before time": (lambda: np.zeros((30, 20, 8, 8), np.uint8), r"30x20x8x8.*time first, numpy\.swapaxes"),
    "one clip": (lambda: np.zeros((20, 64, 64), np.uint8), r"it is 20x64x64, not 20 frames x clips"),
    "no clips": (lambda: np.zeros((20, 0, 64, 64), np.uint8), r"it is (cut off|20x0x64x64)"),
    "floats": (lambda: np.zeros((20, 2, 8, 8), np.float32), r"values of float32, not uint8; get it again"),
    "integers": (lambda: np.zeros((20, 2, 8, 8), np.int64), r"values of int64; save uint8"),
    "objects": (lambda: np.full((20, 2, 8, 8), None, object), r"holds objects"),
}


@pytest.mark.parametrize("kind", BAD_TEST_SETS)
def test_a_test_set_that_is_none_is_named_with_the_repair(tmp_path: Path, kind: str) -> None:
    make, says = BAD_TEST_SETS[kind]
    put_test_set(tmp_path, make())
    with pytest.raises(UserError, match=rf"no usable Moving MNIST.*mnist_test_seq\.npy: .*{says}"):
        find_moving_mnist(tmp_path, Wanted(64))


@pytest.mark.parametrize(
    "content", [b"", b"\x93NUMPY", b"not an array " * 9, b"PK\x03\x04" + bytes(99)], ids=["empty", "cut", "text", "zip"]
)
@pytest.mark.parametrize("name", ["mnist_test_seq.npy", "moving-mnist-train.npz"])
def test_other_content_under_the_right_name_is_named(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=rf"no usable Moving MNIST.*{name}: it is cut off.*copy it again"):
        find_moving_mnist(tmp_path, Wanted(64))


BAD_NPZ: dict[str, tuple[dict[str, np.ndarray | None], str]] = {
    "no clips": ({"clips": None}, r"it has no array 'clips' but dims, input_raw_data"),
    "no frames": ({"input_raw_data": None}, r"it has no array 'input_raw_data' but clips, dims"),
    "axes": ({"clips": spans().transpose(1, 0, 2)}, r"clips is int64 \(3, 2, 2\), not integers \(2, clips, 2\)"),
    "fractions": ({"clips": spans().astype(float)}, r"clips is float64"),
    "colour last": ({"input_raw_data": np.zeros((60, 64, 64, 1), np.float32)}, r"60x64x64x1, not frames x 1 x rows"),
    "integers": ({"input_raw_data": np.zeros((60, 1, 64, 64), np.int32)}, r"values of int32; save uint8"),
    "dims": ({"dims": np.array([[1, 32, 32]])}, r"dims says \[1, 32, 32\], its frames are \[1, 64, 64\]"),
    "beyond": ({"clips": spans() + 999}, r"none of its 3 clips lies within its 60 frames"),
    "negative": ({"clips": -spans()}, r"none of its 3 clips lies within"),
}


@pytest.mark.parametrize("kind", BAD_NPZ)
def test_an_npz_that_is_none_is_named_with_the_repair(tmp_path: Path, kind: str) -> None:
    arrays, says = BAD_NPZ[kind]
    put_npz(tmp_path, **arrays)
    with pytest.raises(UserError, match=rf"no usable Moving MNIST.*moving-mnist-train\.npz: .*{says}"):
        find_moving_mnist(tmp_path, Wanted(64))


def test_clips_beyond_the_frames_are_counted_and_the_others_used(tmp_path: Path) -> None:
    clips = spans()
    clips[1, 1, 0] = 55
    put_npz(tmp_path, clips=clips)
    found = find_moving_mnist(tmp_path, Wanted(64))
    assert [one.name for one in found.recordings] == ["train_00000", "train_00002"]
    assert told(found)["moving-mnist-train.npz"] == "1 clips lie beyond its 60 frames, the first is 1"


@pytest.mark.parametrize(("value", "says"), [(255.0, "from 0 to 255"), (-0.1, "from -0.1"), (np.nan, "nan")])
def test_values_beyond_one_spoil_their_clip_only(tmp_path: Path, value: float, says: str) -> None:
    frames = np.zeros((60, 1, 64, 64), np.float32)
    frames[25, 0, 3, 3] = value
    put_npz(tmp_path, input_raw_data=frames)
    found = find_moving_mnist(tmp_path, Wanted(64))
    with pytest.raises(UnusableFile, match=rf"its frame 25 has values .*{says}.*; save floats from 0 to 1"):
        found.recordings[1].load()
    store = write_store(tmp_path / "s", found, dataset="moving_mnist", synthetic=False, reader_version="1")
    assert [video.name for video in store.videos] == ["train_00000", "train_00002"]


def test_a_damaged_middle_spoils_the_clips_from_there_on(tmp_path: Path) -> None:
    file = put_npz(tmp_path)
    content = bytearray(file.read_bytes())
    content[-60_000:-50_000] = bytes(10_000)
    file.write_bytes(content)
    recordings = find_moving_mnist(tmp_path, Wanted(64)).recordings
    with pytest.raises(UnusableFile, match=r"cut off or damaged .*; copy it again|its frame 5. has values"):
        recordings[2].load()


def test_a_bomb_is_refused_by_its_header_and_an_array_is_not_unpacked_whole(tmp_path: Path) -> None:
    def header(shape: tuple[int, ...]) -> bytes:
        buffer = io.BytesIO()
        npy.write_array_header_1_0(buffer, {"descr": "|u1", "fortran_order": False, "shape": shape})
        return buffer.getvalue()

    frames = 100_000
    file = put_npz(tmp_path, input_raw_data=None)
    with (
        zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as archive,
        archive.open("input_raw_data.npy", "w") as member,  # 400 MB of zeros
    ):
        member.write(header((frames, 1, 64, 64)))
        for _ in range(frames // 1000):
            member.write(bytes(1000 * 64 * 64))
    tracemalloc.start()
    found = find_moving_mnist(tmp_path, Wanted(64))
    found.recordings[0].load()
    assert tracemalloc.get_traced_memory()[1] < 30e6
    tracemalloc.stop()
    np.savez(tmp_path / "moving-mnist-train.npz", clips=spans(), input_raw_data=np.zeros((1, 1, 1, 1), np.uint8))
    with zipfile.ZipFile(tmp_path / "moving-mnist-valid.npz", "w") as archive:
        archive.writestr("input_raw_data.npy", header((1 << 40, 1, 64, 64)) + bytes(100))
    with pytest.raises(UserError, match=r"does not hold the 1099511627776x1x64x64 values of its header; copy it again"):
        find_moving_mnist(tmp_path, Wanted(64))


def test_objects_in_an_npz_are_not_unpickled(tmp_path: Path) -> None:
    put_npz(tmp_path, clips=np.full((2, 3, 2), None, object))
    with pytest.raises(UserError, match="clips is object"):
        find_moving_mnist(tmp_path, Wanted(64))


def test_a_second_copy_and_other_names_are_named(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        put_test_set(tmp_path / folder)
    np.save(tmp_path / "a" / "labels.npy", np.zeros(3))
    found = find_moving_mnist(tmp_path, Wanted(64))
    assert len(found.recordings) == NUM_CLIPS
    assert told(found)["b/mnist_test_seq.npy"] == "a file with the test clips was found before"
    assert told(found)["a/labels.npy"].startswith("its name is neither mnist_test_seq.npy nor")


def test_digits_move_a_tenth_of_their_room_a_frame_and_turn_back_at_the_edges() -> None:
    glyph = np.full((1, 28, 28), 255, np.uint8)
    for seed in range(20):
        frames = fly_as_test(glyph, np.random.default_rng(seed), 64)
        assert frames.shape == (20, 64, 64, 1)
        assert ((frames > 0).sum(axis=(1, 2, 3)) == 28 * 28).all()
        corners = np.array([[f.any(axis=axis).argmax() for axis in (1, 0)] for f in frames[..., 0]])
        steps = np.hypot(*np.diff(corners, axis=0).T)
        assert abs(np.median(steps) - 3.6) < 1.5  # pixels: rounding moves each side by one at most


@pytest.mark.real_data
def test_train_and_validation_are_made_of_mnist_where_only_the_test_set_is_there(
    data_root: Path, tmp_path: Path
) -> None:
    for name in ("train-images-idx3-ubyte.gz", "t10k-images-idx3-ubyte.gz"):
        shutil.copy(data_root / "mnist" / name, tmp_path / name)
    put_test_set(tmp_path)
    found = find_moving_mnist(tmp_path, Wanted(64, NumClips(3, 2, 9)))
    groups = [one.group for one in found.recordings]
    assert groups == ["train"] * 3 + ["validation"] * 2 + ["test"] * NUM_CLIPS
    assert found.provenance["generated_from_mnist"] == "train, validation"
    assert found.skipped == ()
    first = found.recordings[0]
    assert np.array_equal(first.load(), first.load())
    assert 0.02 < (first.load() > 60).mean() < 0.3

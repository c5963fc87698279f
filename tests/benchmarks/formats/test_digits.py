"""Flying digits keep their speed and direction, bounce, and never share a glyph between pools."""

import gzip
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from platform.benchmarks.formats.digits import (
    NUM_FRAMES,
    POOLS,
    _bundled_pool,
    find_bundled,
    find_mnist,
    fly,
    read_idx_images,
)
from platform.benchmarks.recording import NumClips, Wanted
from platform.config.errors import UserError

FEW = NumClips(3, 2, 1)


def idx_bytes(images: np.ndarray, magic: int = 2051) -> bytes:
    return struct.pack(">4I", magic, *images.shape) + images.tobytes()


def some_images(count: int = 5, side: int = 28) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, side, side), dtype=np.uint8)


def corners_of(frames: np.ndarray) -> np.ndarray:
    """(T, 2): top and left of what is bright."""
    return np.array([[np.flatnonzero(f.any(axis=1))[0], np.flatnonzero(f.any(axis=0))[0]] for f in frames[..., 0]])


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_idx_files_are_read_gzip_or_not(tmp_path: Path, pack: type[bytes]) -> None:
    file = tmp_path / "train-images-idx3-ubyte.gz"
    file.write_bytes(pack(idx_bytes(some_images())))
    assert np.array_equal(read_idx_images(file), some_images())


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", r"is cut off: 0 bytes"),
        (idx_bytes(some_images())[:-1], r"cut off or damaged: \d+ bytes, its header promises \d+"),
        (gzip.compress(idx_bytes(some_images()))[:-20], r"is cut off or damaged"),
        (gzip.compress(idx_bytes(some_images()))[:40] + bytes(60), r"is cut off or damaged"),
        (idx_bytes(some_images(), magic=2049), r"is a file of labels"),
        (b"<html>404 not found</html>", r"is no IDX file of images"),
        (idx_bytes(some_images(side=27)), r"holds images of 27x27"),
        (idx_bytes(some_images()) + b"x", r"cut off or damaged: more bytes, its header promises \d+"),
        (struct.pack(">4I", 2051, 4_000_000_000, 28, 28), r"says to hold 4000000000 images; MNIST has 60000"),
        (struct.pack("<4I", 2051, 5, 28, 28), r"is no IDX file of images"),
        (gzip.compress(gzip.compress(idx_bytes(some_images()))), r"is no IDX file of images"),
    ],
    ids=[
        "empty",
        "truncated",
        "truncated gzip",
        "damaged gzip",
        "labels",
        "a web page",
        "another size",
        "more",
        "millions",
        "little endian",
        "packed twice",
    ],
)
def test_a_bad_idx_file_is_named_with_its_fault(tmp_path: Path, content: bytes, says: str) -> None:
    file = tmp_path / "train-images-idx3-ubyte"
    file.write_bytes(content)
    with pytest.raises(UserError, match=f"train-images-idx3-ubyte.*{says}.*Get train-images-idx3-ubyte again"):
        read_idx_images(file)


def test_a_bomb_is_not_unpacked_beyond_what_its_header_promises(tmp_path: Path) -> None:
    file = tmp_path / "train-images-idx3-ubyte.gz"
    with gzip.open(file, "wb") as packed:
        packed.write(idx_bytes(some_images()))
        for _ in range(200):
            packed.write(bytes(1 << 20))
    tracemalloc.start()
    with pytest.raises(UserError, match="more bytes, its header promises 3936"):
        read_idx_images(file)
    assert tracemalloc.get_traced_memory()[1] < 2e6
    tracemalloc.stop()


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    folder = tmp_path / "mnist"
    folder.mkdir()
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx_bytes(some_images()))
    (folder / "train-images-idx3-ubyte").symlink_to(tmp_path / "train-images-idx3-ubyte")
    (folder / "round").symlink_to(folder)
    with pytest.raises(UserError, match=r"no train-images-idx3-ubyte\.gz in"):
        find_mnist(folder, Wanted(64), digits=1)


def test_a_missing_folder_or_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no folder .*--from"):
        find_mnist(tmp_path / "gone", Wanted(64), digits=1)
    with pytest.raises(UserError, match=r"no train-images-idx3-ubyte\.gz in"):
        find_mnist(tmp_path, Wanted(64), digits=1)


def test_a_part_of_mnist_is_refused(tmp_path: Path) -> None:
    for stem in ("train-images", "t10k-images"):
        (tmp_path / f"{stem}-idx3-ubyte").write_bytes(idx_bytes(some_images()))
    with pytest.raises(UserError, match="has 5 digits, MNIST has 60000"):
        find_mnist(tmp_path, Wanted(64), digits=1)


def test_a_digit_flies_straight_between_bounces() -> None:
    glyph = np.full((1, 28, 28), 255, np.uint8)
    for seed in range(20):
        steps = np.abs(np.diff(corners_of(fly(glyph, np.random.default_rng(seed), 64)), axis=0))
        # Rounding to pixels moves a step by one at most; only where it bounces is a step shorter.
        assert (np.abs(steps - np.median(steps, axis=0)) <= 1).mean() > 0.7
        assert 0.5 < np.hypot(*np.median(steps, axis=0)) < 6.5


def test_digits_stay_whole_inside_the_frame() -> None:
    glyph = np.full((1, 28, 28), 255, np.uint8)
    for seed in range(50):
        frames = fly(glyph, np.random.default_rng(seed), 64)
        assert frames.shape == (NUM_FRAMES, 64, 64, 1)
        assert ((frames > 0).sum(axis=(1, 2, 3)) == 28 * 28).all()


def test_overlapping_digits_combine_by_maximum() -> None:
    rng = np.random.default_rng
    glyphs = some_images(2)
    both = fly(glyphs, rng(3), 64)
    first_alone = fly(glyphs[:1], rng(3), 64)
    assert (both >= first_alone).all()
    assert both.max() <= glyphs.max()


@pytest.mark.parametrize("digits", [1, 2, 3])
def test_the_stand_in_has_three_pools_of_sequences(digits: int) -> None:
    recordings = find_bundled(Wanted(64, FEW), digits=digits).recordings
    assert [recording.group for recording in recordings] == ["train"] * 3 + ["validation"] * 2 + ["test"]
    frames = recordings[0].load()
    assert frames.shape == (NUM_FRAMES, 64, 64, 1)
    assert frames.max() > 200
    assert np.array_equal(frames, recordings[0].load())


def test_the_stand_ins_pools_share_no_glyph() -> None:
    pools = [{glyph.tobytes() for glyph in _bundled_pool(pool)} for pool in POOLS]
    assert min(len(pool) for pool in pools) > 250
    assert len(set.union(*pools)) == sum(len(pool) for pool in pools)


@pytest.mark.parametrize("size", [32, 64, 96])
def test_other_frame_sizes_scale_the_digits_along(size: int) -> None:
    frames = find_bundled(Wanted(size, FEW), digits=1).recordings[0].load()
    assert frames.shape == (NUM_FRAMES, size, size, 1)
    assert 0.02 < (frames > 60).mean() < 0.15


@pytest.mark.real_data
def test_real_mnist_is_split_into_pools_that_share_no_glyph(data_root: Path) -> None:
    mnist = data_root / "mnist"
    train = read_idx_images(mnist / "train-images-idx3-ubyte.gz")
    assert train.shape == (60_000, 28, 28)
    recordings = find_mnist(mnist, Wanted(64, FEW), digits=1).recordings
    glyphs = {glyph.tobytes(): number for number, glyph in enumerate(train)}
    for recording in recordings:
        frame = recording.load()[0, ..., 0]
        windows = np.lib.stride_tricks.sliding_window_view(frame, (28, 28)).reshape(-1, 28, 28)
        # The glyph's own window is one that holds all of its ink.
        held = [w for w in windows if int(w.sum()) == int(frame.sum()) and w.tobytes() in glyphs]
        numbers = {glyphs[window.tobytes()] for window in held}
        if recording.group == "test":
            assert not numbers
        else:
            assert {number < 50_000 for number in numbers} == {recording.group == "train"}

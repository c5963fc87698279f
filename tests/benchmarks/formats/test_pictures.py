"""Pictures of any size become stored frames, exactly; numbered ones are a video whose gaps no clip crosses."""

import struct
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from platform.benchmarks.formats.pictures import Fit, Series, grey_of, name_gaps, read_picture, series_of, stack_frames
from platform.benchmarks.recording import UnusableFile


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def put(file: Path, pixels: np.ndarray) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(file)
    return file


def series(numbers: list[int], step: int | None = None) -> Series:
    return series_of([(number, Path(f"walk/{number}.png")) for number in numbers], step)[0]


def test_the_middle_half_is_cut_as_the_tmu_code_cuts_it() -> None:
    for side in (1000, 1002, 1003, 41):
        picture = noise(side, side)
        seen = picture[side // 4 : -side // 4, side // 4 : -side // 4]
        assert np.array_equal(Fit(len(seen), 1, "half").frame(picture)[..., 0], seen)


def test_a_square_keeps_the_aspect_and_a_whole_picture_does_not() -> None:
    picture = noise(30, 50)
    assert np.array_equal(Fit(30, 1, "square").frame(picture)[..., 0], picture[:, 10:40])
    assert Fit(10).frame(picture).shape == (10, 10, 1)


def test_a_coarser_plane_is_cut_where_its_picture_is() -> None:
    chroma = np.repeat(np.arange(40, dtype=np.uint8), 60).reshape(40, 60)  # of a picture of 80x120
    assert np.array_equal(Fit(40, 1, "square").plane(chroma, (80, 120)), chroma[:, 10:50])


@pytest.mark.parametrize("part", ["whole", "half", "square"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (3, 2), (2, 2, 3)])
def test_tiny_pictures_are_seen_too(part: str, shape: tuple[int, ...]) -> None:
    picture = np.full(shape, 77, np.uint8)
    for channels in (1, 3):
        assert (Fit(8, channels, part).frame(picture) == 77).all()  # type: ignore[arg-type]


def test_the_stamp_of_a_fit_tells_apart_what_gives_other_frames() -> None:
    fits = [Fit(8), Fit(9), Fit(8, 3), Fit(8, 1, "half"), Fit(8, 1, "square")]
    assert len({fit.stamp() for fit in fits}) == 5
    assert Fit(8).stamp() == Fit(8, 1, "whole").stamp()


def test_grey_is_luma_and_grey_pictures_stay_as_they_are_in_colour() -> None:
    assert (grey_of([np.full((4, 4), value, np.uint8) for value in (255, 0, 0)]) == 76).all()
    same = noise(4, 4)
    assert np.array_equal(grey_of([same, same, same]), same)
    assert np.array_equal(Fit(4, 3).frame(same), np.stack([same] * 3, -1))


def test_colours_are_resized_one_by_one() -> None:
    picture = noise(30, 20, 3)
    both = Fit(7, 3).frame(picture)
    for colour in range(3):
        assert np.array_equal(both[..., colour], Fit(7).frame(picture[..., colour])[..., 0])


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".webp", ".jpg"])
@pytest.mark.parametrize("shape", [(9, 7), (9, 7, 3)], ids=["grey", "colour"])
def test_every_format_is_read(tmp_path: Path, suffix: str, shape: tuple[int, ...]) -> None:
    pixels = np.full(shape, 90, np.uint8)
    read = read_picture(put(tmp_path / f"a{suffix}", pixels))
    assert read.shape[:2] == (9, 7)
    assert abs(read.astype(int) - 90).max() <= 2


def test_transparency_is_dropped_and_palettes_are_colours(tmp_path: Path) -> None:
    transparent = np.dstack([np.full((4, 4, 3), 50, np.uint8), np.zeros((4, 4), np.uint8)])
    assert (read_picture(put(tmp_path / "a.png", transparent)) == 50).all()
    Image.fromarray(np.full((4, 4, 3), 60, np.uint8)).convert("P").save(tmp_path / "b.png")
    assert read_picture(tmp_path / "b.png").shape == (4, 4, 3)


def png_that_says(width: int, height: int) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", r"a\.png is cut off or no picture .*; get it again or delete it"),
        (b"GIF89a" + bytes(50), "is cut off or no picture"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "is cut off or no picture"),
        (b"<html>404</html>", "is cut off or no picture"),
        (png_that_says(9000, 9000), r"a\.png: it says to be 9000x9000 pixels large; at most .*make it smaller"),
        (png_that_says(60_000, 60_000), r"a\.png: it says to (be|have)"),
        (png_that_says(0, 9), r"a\.png( is cut off|: it says)"),
        (png_that_says(900, 900), "is cut off or no picture"),
    ],
    ids=["empty", "gif", "program", "web page", "large", "bomb", "no pixels", "truncated"],
)
@pytest.mark.filterwarnings("default::PIL.Image.DecompressionBombWarning")
def test_what_is_no_picture_is_named_in_little_memory(tmp_path: Path, content: bytes, says: str) -> None:
    file = tmp_path / "a.png"
    file.write_bytes(content)
    tracemalloc.start()
    with pytest.raises(UnusableFile, match=says):
        read_picture(file)
    assert tracemalloc.get_traced_memory()[1] < 20e6
    tracemalloc.stop()


def test_a_missing_picture_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnusableFile, match=r"gone\.png .*No such file"):
        read_picture(tmp_path / "gone.png")


def test_half_a_picture_is_unusable_in_every_format(tmp_path: Path) -> None:
    for suffix in (".png", ".jpg", ".bmp", ".tif", ".webp"):
        file = put(tmp_path / f"a{suffix}", noise(64, 64))
        content = file.read_bytes()
        for kept in (3, len(content) // 2):
            file.write_bytes(content[:kept])
            with pytest.raises(UnusableFile, match=rf"a\{suffix} is cut off or no picture"):
                read_picture(file)


def test_16_bits_and_several_pages_are_refused_with_the_repair(tmp_path: Path) -> None:
    with pytest.raises(UnusableFile, match="save it with 8 bits a colour"):
        read_picture(put(tmp_path / "a.png", np.full((4, 4), 40_000, np.uint16)))
    pages = [Image.fromarray(noise(4, 4)) for _ in range(3)]
    pages[0].save(tmp_path / "b.tif", save_all=True, append_images=pages[1:])
    with pytest.raises(UnusableFile, match="it holds 3 pictures; save each as a file of its own"):
        read_picture(tmp_path / "b.tif")


def test_pictures_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    files = [(number, put(tmp_path / f"{number}.png", np.full((4, 4), number, np.uint8))) for number in (10, 9, 2, 8)]
    one, repeated = series_of(files)
    assert one.load(Fit(4))[:, 0, 0, 0].tolist() == [2, 8, 9, 10]
    assert repeated == []


def test_a_number_twice_is_told() -> None:
    one, repeated = series_of([(1, Path("a/1.png")), (1, Path("a/01.png")), (2, Path("a/2.png"))])
    assert one.names == ("01.png", "2.png")
    assert repeated == [Path("a/1.png")]


@pytest.mark.parametrize(
    ("numbers", "step", "ranges"),
    [
        ([1, 2, 3], None, ((0, 3),)),
        ([7], None, ((0, 1),)),
        ([1, 2, 4, 5], None, ((0, 2), (2, 4))),
        ([1, 6, 11, 21, 26], None, ((0, 3), (3, 5))),
        ([1, 3, 5], 1, ((0, 1), (1, 2), (2, 3))),
    ],
)
def test_a_gap_ends_a_stretch(numbers: list[int], step: int | None, ranges: object) -> None:
    assert series(numbers, step).ranges() == ranges


def test_listed_stretches_count_frames_of_the_video_not_files() -> None:
    one = series([1, 2, 3, 5, 6, 7, 8], 1)  # the fourth frame is missing
    assert one.ranges(((0, 6), (6, 8))) == ((0, 3), (3, 5), (5, 7))
    assert one.ranges(((100, 200),)) == ((0, 3), (3, 7))


def test_stretches_cover_every_picture_once_and_cross_no_gap() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        numbers = np.unique(rng.integers(0, 60, rng.integers(1, 50))).tolist()
        one = series(numbers, int(rng.integers(1, 4)))
        places = [place for first, end in one.ranges() for place in range(first, end)]
        assert places == list(range(len(numbers)))
        for first, end in one.ranges():
            assert (np.diff(numbers[first:end]) == one.step).all()


def test_gaps_are_named_in_one_line() -> None:
    (named,) = name_gaps([("walk", series([1, 2, 4])), ("run", series([1, 2, 3])), ("jump", series([1, 2, 9]))])
    assert named.reason.endswith("walk goes from 2 to 4, jump goes from 2 to 9")


def test_a_picture_of_another_size_is_named_with_both_sizes(tmp_path: Path) -> None:
    files = [(number, put(tmp_path / f"{number}.png", noise(4 + (number == 2), 6))) for number in (1, 2)]
    with pytest.raises(UnusableFile, match=r"2\.png is 5x6, 1\.png is 4x6; bring the pictures of a video to one size"):
        series_of(files)[0].load(Fit(4))


def test_the_key_changes_with_a_file_and_not_otherwise(tmp_path: Path) -> None:
    one, _ = series_of([(1, put(tmp_path / "1.png", noise(4, 4))), (2, put(tmp_path / "2.png", noise(4, 4)))])
    before = one.key()
    assert one.key() == before
    put(tmp_path / "2.png", noise(5, 5))
    assert one.key() != before
    (tmp_path / "2.png").unlink()
    assert one.key() != before


def test_videos_longer_than_memory_are_refused_with_the_repair(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.benchmarks.formats.pictures.MOST_BYTES", 1000 * 64)
    fit = Fit(8)
    assert len(stack_frames((np.zeros((8, 8, 1), np.uint8) for _ in range(1000)), fit)) == 1000
    with pytest.raises(UnusableFile, match="more than 1000 frames; cut it into shorter ones, or give a smaller --size"):
        stack_frames((np.zeros((8, 8, 1), np.uint8) for _ in range(1001)), fit)

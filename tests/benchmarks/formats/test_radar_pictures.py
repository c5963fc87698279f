"""Dated pictures of a radar: names, series, HKO-7's masks, and what is no picture of decibels."""

import os
import tracemalloc
import zlib
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from platform.benchmarks.encoding import MISSING, RAIN, dbz_of_rain
from platform.benchmarks.formats.radar_pictures import find_radar_pictures
from platform.benchmarks.recording import Recording, UnusableFile, Wanted
from platform.config.errors import UserError

SIZE = 8
BEGIN = datetime(2018, 6, 1, 8, 30)


def picture(file: Path, value: int | np.ndarray = 200, size: int = SIZE) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.broadcast_to(np.uint8(value), (size, size + 2)).copy()).save(file)
    return file


def pictures(folder: Path, count: int = 4, name: str = "shanghai_{:%Y%m%d%H%M%S}.png", step: int = 6) -> list[Path]:
    return [picture(folder / name.format(BEGIN + timedelta(minutes=step * k)), 10 * k) for k in range(count)]


def find(folder: Path) -> list[Recording]:
    return list(find_radar_pictures(folder, Wanted(SIZE)).recordings)


def skipped(folder: Path) -> dict[str, str]:
    return {one.file: one.reason for one in find_radar_pictures(folder, Wanted(SIZE)).skipped}


def test_pictures_become_frames_in_the_order_of_their_times(tmp_path: Path) -> None:
    pictures(tmp_path / "train")
    (recording,) = find(tmp_path)
    assert (recording.name, recording.group, recording.category) == ("20180601T0830", "2018-06-01", "shanghai")
    frames = recording.load()
    assert frames.shape == (4, SIZE, SIZE + 2, 1)
    assert (np.diff(frames[:, 0, 0, 0].astype(int)) >= 0).all()


@pytest.mark.parametrize(
    ("name", "category"),
    [
        ("sites/shanghai_{:%Y%m%d%H%M%S}.png", "shanghai"),
        ("sites/shanghai-{:%Y%m%d%H%M}.PNG", "shanghai"),
        ("sites/{:%Y%m%d_%H%M%S}.png", "sites"),
        ("sites/{:%Y%m%dT%H%M}.png", "sites"),
        ("sites/2018/06/{:%Y%m%d%H%M%S}.png", "sites"),
        ("sites/00017_{:%Y%m%d%H%M%S}.png", "sites"),
        ("{:%Y%m%d%H%M%S}.png", "radar"),
        ("2018/06/01/RAD{:%y%m%d%H%M%S}.png", "RAD"),
    ],
)
def test_the_time_is_read_in_the_usual_ways_and_the_series_is_what_stands_before(
    tmp_path: Path, name: str, category: str
) -> None:
    pictures(tmp_path, name=name)
    assert [(one.name, one.category, one.num_frames) for one in find(tmp_path)] == [("20180601T0830", category, 4)]


def test_each_series_has_its_own_recordings(tmp_path: Path) -> None:
    pictures(tmp_path, name="a_{:%Y%m%d%H%M%S}.png")
    pictures(tmp_path, name="b_{:%Y%m%d%H%M%S}.png", count=2)
    assert [(one.category, one.num_frames) for one in find(tmp_path)] == [("a", 4), ("b", 2)]


def test_a_frame_missing_in_the_middle_ends_a_recording(tmp_path: Path) -> None:
    pictures(tmp_path, count=7)[3].unlink()
    assert [recording.num_frames for recording in find(tmp_path)] == [3, 3]


def test_grey_values_are_decibels_as_hko_7_has_them(tmp_path: Path) -> None:
    picture(tmp_path / "a_20180601083000.png", np.tile(np.array([0, 30, 100, 200, 255], np.uint8), 2)[None])
    levels = find(tmp_path)[0].load()[0, 0, :5, 0]
    assert levels[:2].tolist() == [0, 0]
    assert levels[4] == 254
    assert dbz_of_rain(RAIN.values(levels[2:4])) == pytest.approx([100 * 70 / 255 - 10, 200 * 70 / 255 - 10], abs=0.12)


@pytest.fixture
def hko(tmp_path: Path) -> Callable[[bytes | None], Path]:
    """Two pictures as HKO-7 lays them out; the first has a mask that leaves out its first row."""
    flags = np.ones((SIZE, SIZE + 2), np.uint8)
    flags[0] = 0
    usual = zlib.compress(flags.tobytes())

    def make(mask: bytes | None = None) -> Path:
        pictures(tmp_path / "radarPNG/2018/06/01", count=2, name="RAD{:%y%m%d%H%M%S}.png")
        file = tmp_path / "radarPNG_mask/2018/06/01/RAD180601083000.mask"
        file.parent.mkdir(parents=True)
        file.write_bytes(usual if mask is None else mask)
        return tmp_path

    return make


def test_masked_pixels_are_missing_and_frames_without_a_mask_named(hko: Callable[..., Path]) -> None:
    folder = hko()
    frames = find(folder)[0].load()[..., 0]
    assert (frames[0, 0] == MISSING).all()
    assert not (frames[0, 1:] == MISSING).any()
    assert not (frames[1] == MISSING).any()
    (reason,) = skipped(folder).values()
    assert "no mask, all of their pixels count: radarPNG/2018/06/01/RAD180601083600.png" in reason


def test_a_recordings_key_changes_with_its_masks(hko: Callable[..., Path]) -> None:
    folder = hko()
    before = find(folder)[0].key
    (folder / "radarPNG_mask/2018/06/01/RAD180601083000.mask").write_bytes(zlib.compress(b"\1"))
    assert find(folder)[0].key != before


@pytest.mark.parametrize(
    "mask",
    [b"", b"no zlib", zlib.compress(b"\1" * 79), zlib.compress(b"\2" * 80), zlib.compress(b"\1" * 80)[:-8][:5]],
    ids=["empty", "not packed", "too short", "no flags", "cut off"],
)
def test_a_damaged_mask_makes_its_recording_unusable_and_is_named(hko: Callable[..., Path], mask: bytes) -> None:
    with pytest.raises(UnusableFile, match=r"RAD180601083000\.mask .*get it again or delete it"):
        find(hko(mask))[0].load()


def test_a_mask_that_unpacks_to_100_megabytes_takes_no_memory(hko: Callable[..., Path]) -> None:
    (recording,) = find(hko(zlib.compress(bytes(100 << 20), 1)))
    tracemalloc.start()
    with pytest.raises(UnusableFile, match="does not hold 8x10 bytes"):
        recording.load()
    assert tracemalloc.get_traced_memory()[1] < 10 << 20
    tracemalloc.stop()


def test_masks_without_pictures_are_named(hko: Callable[..., Path]) -> None:
    folder = hko()
    (folder / "radarPNG_mask/2018/06/01/RAD180601093000.mask").write_bytes(b"x")
    assert any("no picture belongs to these masks" in reason for reason in skipped(folder).values())


def test_colours_are_refused_unless_they_are_grey(tmp_path: Path) -> None:
    for colours in ([(9, 9, 9)], [(9, 80, 200)]):
        Image.new("RGB", (SIZE, SIZE), colours[0]).save(tmp_path / "a_20180601083000.png")
        (recording,) = find(tmp_path)
        if colours == [(9, 9, 9)]:
            assert (recording.load() == 0).all()
        else:
            with pytest.raises(UnusableFile, match=r"a_20180601083000\.png has colours.*export it in grey"):
                recording.load()


def test_pictures_of_16_bits_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.full((SIZE, SIZE), 1000, np.uint16)).save(tmp_path / "a_20180601083000.png")
    with pytest.raises(UnusableFile, match=r"a_20180601083000\.png: .*mode I;16.*8 bits"):
        find(tmp_path)[0].load()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty, cut off or no PNG"),
        (b"\x89PNG\r\n\x1a\n", "empty, cut off or no PNG"),
        (b"GIF89a" + bytes(40), "no PNG picture; get it again"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + b"\xff" * 8, "pixels large"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(8), "0x0"),
    ],
    ids=["empty", "cut off", "gif", "huge", "no pixels"],
)
def test_what_is_no_picture_is_named_and_the_others_used(tmp_path: Path, content: bytes, says: str) -> None:
    pictures(tmp_path)
    (tmp_path / "shanghai_20180601090000.png").write_bytes(content)
    assert [recording.num_frames for recording in find(tmp_path)] == [4]
    assert says in skipped(tmp_path)["shanghai_20180601090000.png"]


def test_a_picture_cut_off_after_its_header_makes_its_recording_unusable(tmp_path: Path) -> None:
    file = pictures(tmp_path)[2]
    os.truncate(file, 48)
    with pytest.raises(UnusableFile, match=f"{file.name} is cut off"):
        find(tmp_path)[0].load()


def test_pictures_of_another_size_than_most_are_named(tmp_path: Path) -> None:
    picture(pictures(tmp_path)[3], size=SIZE + 4)
    assert [recording.num_frames for recording in find(tmp_path)] == [3]
    assert "its frames are 12x14, most here are 8x10" in skipped(tmp_path)["shanghai_20180601084800.png"]


def test_names_without_a_time_and_times_that_are_none_are_named_together(tmp_path: Path) -> None:
    pictures(tmp_path)
    for name in ("legend.png", "shanghai_20181301083000.png", "shanghai_1.png"):
        picture(tmp_path / name)
    (reason,) = skipped(tmp_path).values()
    assert "legend.png, shanghai_1.png, shanghai_20181301083000.png" in reason
    assert "do not end in a time as NAME_YYYYmmddHHMMSS.png" in reason


def test_a_picture_that_is_there_twice_is_used_once(tmp_path: Path) -> None:
    pictures(tmp_path / "a")
    pictures(tmp_path / "b")
    assert [recording.num_frames for recording in find(tmp_path)] == [4]
    assert len(skipped(tmp_path)) == 4


def test_links_out_of_the_folder_and_round_are_named_and_not_read(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    pictures(folder)
    secret = picture(tmp_path / "secret.png")
    (folder / "shanghai_20180601090000.png").symlink_to(secret)
    (folder / "shanghai_20180601090600.png").symlink_to("shanghai_20180601090600.png")
    (folder / "again").symlink_to(folder)
    assert [recording.num_frames for recording in find(folder)] == [4]
    assert len(skipped(folder)) == 3


def test_a_folder_without_dated_pictures_says_how_to_name_them(tmp_path: Path) -> None:
    picture(tmp_path / "one.png")
    with pytest.raises(UserError, match=r"no usable dated picture .*one\.png.* Name them by their series and time"):
        find(tmp_path)

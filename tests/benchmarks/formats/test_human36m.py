"""Human3.6M's pictures: all of a folder, or what list files name; every fifth raw frame either way."""

import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from platform.benchmarks.formats.human36m import find_human36m
from platform.benchmarks.recording import Found, UnusableFile, Wanted
from platform.benchmarks.store import FrameStore
from platform.benchmarks.store_writer import write_store
from platform.config.errors import UserError


def put(folder: Path, video: str, numbers: range, size: tuple[int, int] = (40, 40)) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        picture = np.zeros((*size, 3), np.uint8)
        picture[size[0] // 4 : -size[0] // 4, size[1] // 4 : -size[1] // 4] = (number, 100, 200)
        Image.fromarray(picture).save(folder / f"{video}_{number:06d}.png")


def reasons(found: Found) -> str:
    return "\n".join(f"{skip.file}: {skip.reason}" for skip in found.skipped)


def test_a_folder_gives_every_fifth_frame_of_the_middle_half_in_colour(tmp_path: Path) -> None:
    put(tmp_path, "S11_Walking.60457274", range(1, 31))
    put(tmp_path, "S1_Discussion 2.54138969", range(1, 11))
    found = find_human36m(tmp_path, Wanted(8))
    assert [(one.name, one.group, one.category) for one in found.recordings] == [
        ("S11_Walking.60457274", "11", "walking"),
        ("S1_Discussion 2.54138969", "1", "discussion"),
    ]
    frames = found.recordings[0].load()
    assert frames.shape == (6, 8, 8, 3)
    assert frames[:, 4, 4, 0].tolist() == [1, 6, 11, 16, 21, 26]
    assert (frames[0] == (1, 100, 200)).all()  # the black rim lies outside the middle half


def test_lists_give_whole_pictures_of_what_they_name(tmp_path: Path) -> None:
    put(tmp_path / "images", "S1_Directions.54138969", range(1, 61))
    (tmp_path / "train.txt").write_text("images/S1_Directions.54138969_,6,26\nimages/S1_Directions.54138969_,31,41\n")
    (one,) = find_human36m(tmp_path, Wanted(8)).recordings
    frames = one.load()
    assert frames[:, 4, 4, 0].tolist() == [6, 11, 16, 21, 26, 31, 36, 41]
    assert (frames[0, 0, 0] == 0).all()  # the rim is seen


def test_a_list_added_to_the_same_pictures_makes_another_store(tmp_path: Path) -> None:
    put(tmp_path / "h", "S1_Walking.1", range(1, 22, 5))

    def stored(*, replace: bool = False) -> FrameStore:
        found = find_human36m(tmp_path / "h", Wanted(8))
        return write_store(
            tmp_path / "s", found, dataset="human36m", synthetic=False, reader_version="1", replace=replace
        )

    middle = np.array(stored().frames(0))
    (tmp_path / "h" / "train.txt").write_text("S1_Walking.1_,1,21\n")  # the same frames, but whole
    with pytest.raises(UserError, match="--replace"):
        stored()
    assert not np.array_equal(stored(replace=True).frames(0), middle)


def test_a_missing_frame_ends_a_stretch(tmp_path: Path) -> None:
    put(tmp_path, "S9_Walking.1", range(1, 52, 5))
    (tmp_path / "S9_Walking.1_000021.png").unlink()
    found = find_human36m(tmp_path, Wanted(8))
    assert found.recordings[0].ranges == ((0, 4), (4, 10))
    assert "S9_Walking.1 goes from 16 to 26" in reasons(found)


def test_what_is_wrong_with_a_list_is_told_by_line(tmp_path: Path) -> None:
    put(tmp_path, "S1_Walking.1", range(1, 22, 5))
    lines = [
        "S1_Walking.1_,1,21",
        "S1_Walking.1_,1,21",
        "../S1_Walking.1_,1,11",
        "S1_Walking.1_,1.000,21",
        "S1_Walking.1_,21,1",
        "S7_Eating.1_,1,21",
        "S1_Walking.1_,1,31",
    ]
    (tmp_path / "train.txt").write_text("\n".join(lines))
    told = reasons(find_human36m(tmp_path, Wanted(8)))
    for part in (
        "line 2: 'S1_Walking.1_,1,21' stands here twice",
        "line 3: '../S1_Walking.1_,1,11' leads out of the folder",
        "line 4: 'S1_Walking.1_,1.000,21' is not NAME_,FIRST,LAST",
        "line 5: 'S1_Walking.1_,21,1' ends before it begins",
        "line 6: 'S7_Eating.1_,1,21' has no picture here",
        "line 7: 'S1_Walking.1_,1,31' has 5 of its 7 frames here",
    ):
        assert part in told


def test_frames_of_another_size_and_damaged_ones_are_named(tmp_path: Path) -> None:
    put(tmp_path, "S1_Walking.1", range(1, 12, 5))
    put(tmp_path, "S1_Walking.1", range(16, 17), size=(20, 20))
    with pytest.raises(UnusableFile, match=r"S1_Walking\.1_000016\.png is 20x20, S1_Walking\.1_000001\.png is 40x40"):
        find_human36m(tmp_path, Wanted(8)).recordings[0].load()
    (tmp_path / "S1_Walking.1_000016.png").write_bytes(b"not a picture")
    with pytest.raises(UnusableFile, match="is cut off or no picture"):
        find_human36m(tmp_path, Wanted(8)).recordings[0].load()


def test_a_picture_that_says_to_be_huge_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    put(tmp_path, "S1_Walking.1", range(1, 2))
    file = tmp_path / "S1_Walking.1_000001.png"
    content = bytearray(file.read_bytes())
    content[16:24] = (60_000).to_bytes(4) + (60_000).to_bytes(4)  # the header's width and height
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4)
    file.write_bytes(content)
    with pytest.raises(UnusableFile, match=r"says to (be|have)"):
        find_human36m(tmp_path, Wanted(8)).recordings[0].load()


def test_frames_of_one_video_in_two_folders_and_the_same_frame_twice_are_named(tmp_path: Path) -> None:
    put(tmp_path / "a", "S1_Walking.1", range(1, 12, 5))
    put(tmp_path / "b", "S1_Walking.1", range(11, 22, 5))
    found = find_human36m(tmp_path, Wanted(8))
    assert found.recordings[0].num_frames == 3
    assert "b/S1_Walking.1_000011.png: a/S1_Walking.1_000011.png is the same frame" in reasons(found)
    assert "b/S1_Walking.1_000016.png: other frames of its video lie in another folder; put them" in reasons(found)


@pytest.mark.parametrize("content", [b"", b"\n\n", bytes(range(256)) * 9, b"x" * 100_000, b"x\n" * 5000])
def test_lists_that_name_nothing_are_refused_with_the_repair(tmp_path: Path, content: bytes) -> None:
    put(tmp_path, "S1_Walking.1", range(1, 12, 5))
    (tmp_path / "train.txt").write_bytes(content)
    with pytest.raises(
        UserError, match=r"No line names a picture that is there: .* or move the lists elsewhere"
    ) as told:
        find_human36m(tmp_path, Wanted(8))
    assert len(str(told.value)) < 2000


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("/S1_Walking.1_,1,11", "leads out of the folder"),
        ("C:\\S1_Walking.1_,1,11", "leads out of the folder"),
        ("images/../../S1_Walking.1_,1,11", "leads out of the folder"),
        ("S1_Walking.1_,1", "is not NAME_,FIRST,LAST"),
        ("S1_Walking.1_;1;11", "is not NAME_,FIRST,LAST"),
        ("S1_Walking.1_,1.5,11", "is not NAME_,FIRST,LAST"),
        ("S1_Walking.1_,-1,11", "is not NAME_,FIRST,LAST"),
        ("S1_Walking.1_,1,9999999999999", "is not NAME_,FIRST,LAST"),
        ("S1_Walking.1_,1,999999999", "has no picture here"),
        ("S1_Walking.1_,2,12", "has no picture here"),
    ],
)
def test_a_line_that_cannot_be_meant_is_named_and_the_others_count(tmp_path: Path, line: str, says: str) -> None:
    put(tmp_path, "S1_Walking.1", range(1, 12, 5))
    (tmp_path / "train.txt").write_text(f"{line}\nS1_Walking.1_,1,11\n")
    found = find_human36m(tmp_path, Wanted(8))
    assert found.recordings[0].num_frames == 3
    (skip,) = found.skipped
    assert says in skip.reason


def test_lines_in_and_out_of_step_are_series_of_their_own(tmp_path: Path) -> None:
    put(tmp_path, "S1_Walking.1", range(1, 31))
    (tmp_path / "train.txt").write_text("S1_Walking.1_,1,16\nS1_Walking.1_,11,26\nS1_Walking.1_,3,13\n")
    found = find_human36m(tmp_path, Wanted(8))
    assert [(one.name, one.num_frames) for one in found.recordings] == [
        ("S1_Walking.1", 6),
        ("S1_Walking.1_from_3", 3),
    ]


def test_videos_that_no_list_names_are_left_out_and_told(tmp_path: Path) -> None:
    for video in ("S1_Walking.1", "S5_Eating.2"):
        put(tmp_path, video, range(1, 12, 5))
    (tmp_path / "test.txt").write_text("S1_Walking.1_,1,11\n")
    found = find_human36m(tmp_path, Wanted(8))
    assert [one.name for one in found.recordings] == ["S1_Walking.1"]
    assert "no list names S5_Eating.2; move the lists elsewhere" in reasons(found)


def test_links_that_leave_the_folder_or_go_round_are_named(tmp_path: Path) -> None:
    put(tmp_path / "elsewhere", "S1_Walking.1", range(16, 17))
    put(tmp_path / "h", "S1_Walking.1", range(1, 12, 5))
    (tmp_path / "h" / "S1_Walking.1_000016.png").symlink_to(tmp_path / "elsewhere" / "S1_Walking.1_000016.png")
    (tmp_path / "h" / "round").symlink_to(tmp_path / "h")
    found = find_human36m(tmp_path / "h", Wanted(8))
    assert found.recordings[0].num_frames == 3
    assert "S1_Walking.1_000016.png: it is a link that leads out of the folder" in reasons(found)


def test_nothing_usable_names_what_is_looked_for(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"")
    with pytest.raises(UserError, match=r"no usable S1_ACTION\.CAMERA_FRAME\.jpg .*a\.png: its name is not"):
        find_human36m(tmp_path, Wanted(8))

"""KTH as people have it: the list's quirks, unusable files named one by one, grey frames at the asked size."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from platform.benchmarks.formats.kth import find_kth, parse_sequences
from platform.benchmarks.formats.pictures import Fit
from platform.benchmarks.formats.video_files import load_video
from platform.benchmarks.recording import Found, Wanted
from platform.benchmarks.store_writer import write_store
from platform.config.errors import UserError

MakeAvi = Callable[..., Path]


def told(found: Found) -> dict[str, str]:
    return {skip.file: skip.reason for skip in found.skipped}


def skipped_files(folder: Path) -> dict[str, str]:
    return told(find_kth(folder, Wanted(16)))


def test_ranges_become_half_open_and_start_at_zero() -> None:
    listed, faults = parse_sequences("person01_boxing_d1\t\tframes\t1-95, 96-185\r\n\r\n")
    assert listed == {"person01_boxing_d1": ((0, 95), (95, 185))}
    assert faults == []


@pytest.mark.parametrize("line", ["person01_boxing_d1 frames 1-9,10-20", "person01_boxing_d1\t1 - 9 ,\t10-20,"])
def test_tabs_and_spaces_may_vary(line: str) -> None:
    assert parse_sequences(line)[0] == {"person01_boxing_d1": ((0, 9), (9, 20))}


def test_an_empty_or_missing_entry_leaves_the_whole_video_usable() -> None:
    text = "person13_handclapping_d3\t*missing*\nperson09_boxing_d4 frames\t"
    assert parse_sequences(text) == ({"person13_handclapping_d3": (), "person09_boxing_d4": ()}, [])


def test_a_line_that_makes_no_sense_is_named() -> None:
    listed, faults = parse_sequences("a header\nperson01_boxing_d1 frames 1-9, 30-20, x\nperson02 what")
    assert listed == {"person01_boxing_d1": ((0, 9),)}
    assert [fault.split(":")[0] for fault in faults] == ["line 2", "line 3"]


def test_frames_are_grey_and_of_the_asked_size(tmp_path: Path, make_avi: MakeAvi) -> None:
    frames = load_video(make_avi(tmp_path / "a.avi"), Fit(32))
    assert frames.shape == (12, 32, 32, 1)
    assert frames.dtype == np.uint8


def test_the_full_range_of_grey_comes_back(tmp_path: Path, make_avi: MakeAvi) -> None:
    frames = load_video(make_avi(tmp_path / "a.avi"), Fit(40))
    assert abs(int(np.median(frames[0, 12:28, 5:8])) - 220) <= 4  # the bright bar was drawn at 220 of 255


def test_person_and_action_come_from_the_name(tmp_path: Path, make_avi: MakeAvi) -> None:
    make_avi(tmp_path / "walking" / "person07_walking_d2_uncomp.avi")
    (recording,) = find_kth(tmp_path, Wanted(16)).recordings
    assert (recording.name, recording.group, recording.category) == ("person07_walking_d2", "7", "walking")
    assert recording.num_frames == 12


def test_the_list_is_found_and_clipped_to_the_real_length(tmp_path: Path, make_avi: MakeAvi) -> None:
    make_avi(tmp_path / "walking" / "person07_walking_d2_uncomp.avi")
    (tmp_path / "00sequences.txt").write_text("person07_walking_d2\tframes\t1-5, 8-900, 2000-3000\n")
    found = find_kth(tmp_path, Wanted(16))
    store = write_store(tmp_path / "s", found, dataset="kth", synthetic=False, reader_version="1")
    assert store.videos[0].ranges == ((0, 5), (7, 12))
    assert store.manifest.skipped == ()


def test_a_missing_list_is_said(tmp_path: Path, make_avi: MakeAvi) -> None:
    make_avi(tmp_path / "person07_walking_d2_uncomp.avi")
    assert "whole videos are used" in skipped_files(tmp_path)["00sequences.txt"]


def reasons_of_list(folder: Path) -> list[str]:
    return [skip.reason for skip in find_kth(folder, Wanted(16)).skipped if skip.file == "00sequences.txt"]


def test_videos_that_the_list_does_not_know_are_named_once(tmp_path: Path, make_avi: MakeAvi) -> None:
    for person in range(1, 9):
        make_avi(tmp_path / f"person{person:02d}_walking_d2_uncomp.avi", num_frames=1)
    put_frames(tmp_path / "person09_walking_d2_uncomp", [1, 2])
    entries = ["person07_walking_d2 frames 1-5", "person08_walking_d2 frames", "person01_walking_d2 frames 1 to 5"]
    (tmp_path / "00sequences.txt").write_text("\n".join(entries))
    misread, unknown = reasons_of_list(tmp_path)
    assert "1 to 5" in misread  # a line of its own that is told already; the eighth is known to have no ranges
    assert unknown == (
        "it does not list person02_walking_d2, person03_walking_d2, person04_walking_d2, person05_walking_d2, "
        "person06_walking_d2 and 1 more: whole videos are used, with empty stretches"
    )


def test_without_a_list_that_alone_is_told(tmp_path: Path, make_avi: MakeAvi) -> None:
    make_avi(tmp_path / "person07_walking_d2_uncomp.avi")
    assert reasons_of_list(tmp_path) == ["it is missing; whole videos are used, with empty stretches"]


@pytest.mark.parametrize(("missing", "told"), [(0, []), (1, ["1"]), (19, ["19"]), (20, [])])
def test_a_few_listed_videos_that_are_not_there_are_counted(
    tmp_path: Path, make_avi: MakeAvi, missing: int, told: list[str]
) -> None:
    make_avi(tmp_path / "person25_walking_d2_uncomp.avi")
    listed = [f"person{person:02d}_walking_d2 frames 1-5" for person in (25, *range(1, missing + 1))]
    (tmp_path / "00sequences.txt").write_text("\n".join([*listed, "person13_handclapping_d3 *missing*"]))
    assert reasons_of_list(tmp_path) == [f"{count} of the videos that it lists are not here" for count in told]


def test_a_file_of_another_name_is_named(tmp_path: Path, make_avi: MakeAvi) -> None:
    make_avi(tmp_path / "person07_walking_d2_uncomp.avi")
    make_avi(tmp_path / "holidays.AVI")
    assert "personNN_<action>_dK_uncomp.avi" in skipped_files(tmp_path)["holidays.AVI"]


def test_a_second_video_of_the_same_name_is_named(tmp_path: Path, make_avi: MakeAvi) -> None:
    for folder in ("a", "b"):
        make_avi(tmp_path / folder / "person07_walking_d2_uncomp.avi")
    assert len(find_kth(tmp_path, Wanted(16)).recordings) == 1
    assert "b/person07_walking_d2_uncomp.avi" in skipped_files(tmp_path)


def put_frames(
    folder: Path, numbers: list[int], size: tuple[int, int] = (12, 16), name: str = "image_{:04d}.jpg"
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        Image.fromarray(np.full((*size, 3), 2 * number, np.uint8)).save(folder / name.format(number))


def test_frame_folders_are_videos_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    put_frames(tmp_path / "walking" / "person07_walking_d2_uncomp", [3, 1, 2, 10, 11])
    found = find_kth(tmp_path, Wanted(8))
    (one,) = found.recordings
    assert (one.name, one.group, one.category, one.num_frames) == ("person07_walking_d2", "7", "walking", 5)
    assert one.ranges == ((0, 3), (3, 5))
    assert np.abs(one.load()[:, 4, 4, 0].astype(int) - [2, 4, 6, 20, 22]).max() <= 1
    assert "person07_walking_d2 goes from 3 to 10" in told(found)["numbered pictures"]


def test_the_list_counts_frames_by_their_numbers(tmp_path: Path) -> None:
    put_frames(tmp_path / "person07_walking_d2_uncomp", [1, 2, 3, 4, 6, 7, 8, 9])
    (tmp_path / "00sequences.txt").write_text("person07_walking_d2\tframes\t1-3, 4-8\n")
    found = find_kth(tmp_path, Wanted(8))
    assert found.recordings[0].ranges == ((0, 3), (3, 4), (4, 7))
    assert found.skipped == ()


def test_a_video_that_is_there_both_ways_is_read_from_its_avi(tmp_path: Path, make_avi: MakeAvi) -> None:
    make_avi(tmp_path / "walking" / "person07_walking_d2_uncomp.avi")
    put_frames(tmp_path / "walking" / "person07_walking_d2_uncomp", [1, 2])
    found = find_kth(tmp_path, Wanted(8))
    assert [one.num_frames for one in found.recordings] == [12]
    assert "is read instead" in told(found)["walking/person07_walking_d2_uncomp"]


def test_what_is_wrong_with_frame_folders_is_named_and_the_rest_is_stored(tmp_path: Path) -> None:
    source = tmp_path / "kth"
    put_frames(source / "running" / "person01_running_d1_uncomp", [1, 2, 3])
    put_frames(source / "copy" / "person01_running_d1_uncomp", [1, 2, 3])
    put_frames(source / "running" / "person01_running_d1_uncomp", [2], name="image_{}.png")
    put_frames(source / "running" / "person02_running_d1_uncomp", [1, 2])
    put_frames(source / "running" / "person02_running_d1_uncomp", [3], size=(16, 12))
    put_frames(source / "running" / "person03_running_d1_uncomp", [1, 2])
    (source / "running" / "person03_running_d1_uncomp" / "image_0002.jpg").write_bytes(b"\xff\xd8\xff")
    put_frames(source / "running" / "person99_flying_d1_uncomp", [1, 2])
    found = find_kth(source, Wanted(8))
    store = write_store(tmp_path / "s", found, dataset="kth", synthetic=False, reader_version="1")
    assert [video.name for video in store.videos] == ["person01_running_d1"]
    reasons = {skip.file: skip.reason for skip in store.manifest.skipped}
    assert "found in another folder" in reasons["running/person01_running_d1_uncomp"]
    assert "image_0003.jpg is 16x12, image_0001.jpg is 12x16" in reasons["person02_running_d1"]
    assert "image_0002.jpg is cut off or no picture" in reasons["person03_running_d1"]


def test_a_number_twice_in_a_frame_folder_is_named(tmp_path: Path) -> None:
    put_frames(tmp_path / "person01_running_d1_uncomp", [1, 2])
    put_frames(tmp_path / "person01_running_d1_uncomp", [2], name="image_{}.png")
    found = find_kth(tmp_path, Wanted(8))
    assert found.recordings[0].num_frames == 2
    assert told(found)["person01_running_d1_uncomp/image_2.png"] == "another picture here has the same number"


@pytest.mark.parametrize(
    "line",
    [
        "person01_boxing_d1\tframes\t1.234-2.345",
        "person01_boxing_d1\tframes\t1,234-2,345",
        "person01_boxing_d1\tframes\t\u0661-\u0669",
        "person01_boxing_d1\tframes\t-5-9",
        "person01_boxing_d1\tframes\t0-9",
        "person01_boxing_d1\tframes\t1-99999999999999999999",
        "person01_boxing_d1\tframes\t1 to 9",
        "person01_boxing_d1 frames 1-9\nperson01_boxing_d1 frames 1-5",
    ],
)
def test_a_range_that_could_be_misread_is_named(line: str) -> None:
    listed, faults = parse_sequences(line)
    assert len(faults) == 1
    assert listed["person01_boxing_d1"] in ((), ((0, 9),))


@pytest.mark.parametrize(
    "content", [b"", b"\x00" * 3000, bytes(range(256)) * 20, b"PK\x03\x04", b"person" * 300_000, b"person\n" * 9000]
)
def test_a_list_that_is_none_leaves_whole_videos_usable(tmp_path: Path, make_avi: MakeAvi, content: bytes) -> None:
    make_avi(tmp_path / "person07_walking_d2_uncomp.avi")
    (tmp_path / "00sequences.txt").write_bytes(content)
    found = find_kth(tmp_path, Wanted(8))
    assert not found.recordings[0].ranges
    assert sum(len(reason) for reason in told(found).values()) < 2000


def test_links_that_leave_the_folder_or_go_round_are_named(tmp_path: Path, make_avi: MakeAvi) -> None:
    source = tmp_path / "kth"
    make_avi(source / "walking" / "person07_walking_d2_uncomp.avi")
    elsewhere = make_avi(tmp_path / "elsewhere" / "person08_walking_d2_uncomp.avi")
    (source / elsewhere.name).symlink_to(elsewhere)
    (source / "walking" / "round").symlink_to(source)
    found = find_kth(source, Wanted(8))
    assert [one.name for one in found.recordings] == ["person07_walking_d2"]
    assert "leads out of the folder" in told(found)[elsewhere.name]
    assert "walking/round" in told(found)


def test_a_missing_folder_is_named_with_the_option(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no folder .*gone\. .*--from"):
        find_kth(tmp_path / "gone", Wanted(16))


def test_archives_not_yet_unpacked_are_named(tmp_path: Path) -> None:
    (tmp_path / "walking.zip").write_bytes(b"")
    with pytest.raises(UserError, match=r"Unpack walking\.zip first"):
        find_kth(tmp_path, Wanted(16))


@pytest.mark.real_data
def test_every_entry_of_the_real_list_is_understood(data_root: Path) -> None:
    listed, faults = parse_sequences((data_root / "kth" / "00sequences.txt").read_text(encoding="latin-1"))
    assert faults == []
    assert len(listed) == 600  # 599 videos and the one that does not exist
    assert listed["person01_boxing_d2"] == ((0, 106), (106, 195), (195, 265), (304, 390))


@pytest.mark.real_data
def test_all_nine_real_videos_are_stored(data_root: Path, tmp_path: Path) -> None:
    found = find_kth(data_root / "kth", Wanted(64))
    store = write_store(tmp_path / "s", found, dataset="kth", synthetic=False, reader_version="1")
    manifest = store.manifest
    assert len(store.videos) == 9
    assert manifest.num_frames == 4343
    assert store.videos.groups == ("1", "3", "5", "8", "9", "10")
    assert manifest.skipped == ()
    for number, video in enumerate(store.videos):
        assert all(first < end <= video.num_frames for first, end in video.ranges)
        frames = store.frames(number)
        assert 60 < frames.mean() < 200  # an outdoor or indoor scene, neither black nor burnt out
        assert frames[:40].astype(int).std(axis=0).max() > 10  # somebody moves


@pytest.mark.real_data
def test_a_truncated_real_video_is_skipped_and_the_others_are_stored(data_root: Path, tmp_path: Path) -> None:
    source = tmp_path / "kth"
    source.mkdir()
    for name in ("running/person03_running_d1_uncomp.avi", "jogging/person10_jogging_d4_uncomp.avi"):
        (source / Path(name).name).write_bytes((data_root / "kth" / name).read_bytes())
    cut = source / "person10_jogging_d4_uncomp.avi"
    cut.write_bytes(cut.read_bytes()[:400_000])
    store = write_store(
        tmp_path / "s", find_kth(source, Wanted(32)), dataset="kth", synthetic=False, reader_version="1"
    )
    assert [video.name for video in store.videos] == ["person03_running_d1"]
    assert {skip.file for skip in store.manifest.skipped} == {"00sequences.txt", "person10_jogging_d4"}

"""KTH as people have it: the list's quirks, unusable files named one by one, grey frames at the asked size."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from platform.benchmarks.formats.kth import find_kth, parse_sequences
from platform.benchmarks.formats.pictures import Fit
from platform.benchmarks.formats.video_files import load_video
from platform.benchmarks.recording import UnusableFile, Wanted
from platform.benchmarks.store_writer import write_store
from platform.config.errors import UserError

MakeAvi = Callable[..., Path]


def skipped_files(folder: Path) -> dict[str, str]:
    return {skip.file: skip.reason for skip in find_kth(folder, Wanted(16)).skipped}


def test_ranges_become_half_open_and_start_at_zero() -> None:
    listed, faults = parse_sequences("person01_boxing_d1\t\tframes\t1-95, 96-185\r\n\r\n")
    assert listed == {"person01_boxing_d1": ((0, 95), (95, 185))}
    assert faults == []


@pytest.mark.parametrize("line", ["person01_boxing_d1 frames 1-9,10-20", "person01_boxing_d1\t1 - 9 ,\t10-20,"])
def test_tabs_and_spaces_may_vary(line: str) -> None:
    assert parse_sequences(line)[0] == {"person01_boxing_d1": ((0, 9), (9, 20))}


def test_an_empty_or_missing_entry_leaves_the_whole_video_usable() -> None:
    assert parse_sequences("person13_handclapping_d3\t*missing*\nperson09_boxing_d4 frames\t") == ({}, [])


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


def test_a_file_of_another_name_is_named(tmp_path: Path, make_avi: MakeAvi) -> None:
    make_avi(tmp_path / "person07_walking_d2_uncomp.avi")
    make_avi(tmp_path / "holidays.AVI")
    assert "personNN_<action>_dK_uncomp.avi" in skipped_files(tmp_path)["holidays.AVI"]


def test_a_second_video_of_the_same_name_is_named(tmp_path: Path, make_avi: MakeAvi) -> None:
    for folder in ("a", "b"):
        make_avi(tmp_path / folder / "person07_walking_d2_uncomp.avi")
    assert len(find_kth(tmp_path, Wanted(16)).recordings) == 1
    assert "b/person07_walking_d2_uncomp.avi" in skipped_files(tmp_path)


def test_a_truncated_video_is_unusable_and_says_how_much_is_there(tmp_path: Path, make_avi: MakeAvi) -> None:
    video = make_avi(tmp_path / "a.avi")
    content = video.read_bytes()
    video.write_bytes(content[: len(content) // 2])
    with pytest.raises(UnusableFile, match=r"cut off: \d+ of \d+ bytes; copy it again"):
        load_video(video, Fit(16))


def test_a_video_with_fewer_frames_than_promised_is_unusable(tmp_path: Path, make_avi: MakeAvi) -> None:
    video = make_avi(tmp_path / "a.avi", num_frames=12)
    content = bytearray(video.read_bytes())
    content[48:52] = (500).to_bytes(4, "little")  # the header's frame count
    video.write_bytes(content)
    with pytest.raises(UnusableFile, match="12 of 500 frames decode; get it again"):
        load_video(video, Fit(16))


@pytest.mark.parametrize("content", [b"", b"RIFF", b"not a video at all" * 100])
def test_what_is_no_video_is_unusable(tmp_path: Path, content: bytes) -> None:
    video = tmp_path / "a.avi"
    video.write_bytes(content)
    with pytest.raises(UnusableFile, match="cannot be decoded"):
        load_video(video, Fit(16))


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
    assert len(listed) >= 598  # 599 videos, one entry without ranges
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

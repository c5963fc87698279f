"""Accumulations of Australian radars: real ones become rain rates, and whatever is wrong with a file is named."""

import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from platform.benchmarks.encoding import MISSING, RAIN
from platform.benchmarks.formats.bom import find_bom, read_bom
from platform.benchmarks.recording import UnusableFile, Wanted
from platform.config.errors import UserError

HEIGHT, WIDTH = 8, 12


def times(count: int, first: str = "2020-10-31T00:00") -> np.ndarray:
    moments = np.datetime64(first, "s") + 600 * np.arange(count)
    return np.array([str(moment).replace("-", "").replace(":", "").replace("T", "_") for moment in moments])


def frames(count: int, value: int = 40) -> np.ndarray:
    """`value` throughout, but for a missing column and a dry one."""
    filled = np.full((count, HEIGHT, WIDTH), value, np.int16)
    filled[..., 0], filled[..., 1] = -1, 0
    return filled


def put(folder: Path, radar: int = 66, day: str = "20201031", **arrays: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"bom_{radar}_{day}_10min.npz"
    np.savez_compressed(file, **({"frames": frames(6), "timestamps": times(6)} | arrays))
    return file


def fault(folder: Path, **arrays: Any) -> str:
    """Why a folder with only this file is of no use."""
    put(folder, **arrays)
    with pytest.raises(UserError) as refusal:
        find_bom(folder, Wanted(4))
    return str(refusal.value)


@pytest.mark.real_data
def test_a_real_day_is_one_recording_of_144_frames(data_root: Path) -> None:
    found = find_bom(data_root / "radar" / "bom", Wanted(64))
    (recording,) = found.recordings
    assert (recording.name, recording.group, recording.category) == ("20201031T0000", "2020-10-31", "66")
    assert (found.frame_size, found.encoding, found.provenance["step_s"]) == ((64, 64), RAIN, "600")
    rain = RAIN.values(recording.load()[..., 0])
    assert rain.shape == (144, 64, 64)
    assert 0.1 < (rain > 0).mean() < 0.4
    assert 30 < np.nanmax(rain) < 150  # thunderstorms


@pytest.mark.real_data
def test_real_values_are_rates_of_what_fell_in_ten_minutes(data_root: Path) -> None:
    file = data_root / "radar" / "bom" / "bom_66_20201031_10min.npz"
    with np.load(file) as arrays:
        raw = arrays["frames"][70].astype(float)
    (levels,) = read_bom(file, (70,))
    assert np.array_equal(levels == MISSING, raw < 0)
    wet = (raw > 0) & (levels < 254)
    assert RAIN.values(levels[wet]) == pytest.approx(raw[wet] * 0.05 * 6, rel=0.02)


def test_values_become_rates_none_and_missing(tmp_path: Path) -> None:
    (levels,) = read_bom(put(tmp_path), (3,))
    assert RAIN.values(levels[0, 2]) == pytest.approx(40 * 0.05 * 6, rel=0.02)
    assert levels[0, :2].tolist() == [MISSING, 0]


def test_a_missing_frame_parts_a_recording_and_midnight_parts_events(tmp_path: Path) -> None:
    kept = [number for number in range(10) if number != 4]
    put(tmp_path, frames=frames(9), timestamps=times(10, "2020-10-31T23:00")[kept])
    assert [(one.name, one.group, one.num_frames) for one in find_bom(tmp_path, Wanted(4)).recordings] == [
        ("20201031T2300", "2020-10-31", 4),
        ("20201031T2350", "2020-10-31", 1),
        ("20201101T0000", "2020-11-01", 4),
    ]


def test_days_of_one_radar_in_several_files_and_other_radars_are_told_apart(tmp_path: Path) -> None:
    put(tmp_path / "a", timestamps=times(6))
    put(tmp_path / "b", day="20201101", timestamps=times(6, "2020-11-01T00:00"))
    put(tmp_path, radar=2)
    recordings = find_bom(tmp_path, Wanted(4)).recordings
    assert {(one.name, one.category) for one in recordings} == {
        ("66-20201031T0000", "66"),
        ("66-20201101T0000", "66"),
        ("2-20201031T0000", "2"),
    }


def test_frames_in_any_order_are_read_in_that_of_their_times(tmp_path: Path) -> None:
    shuffled = np.array([3, 0, 5, 1, 4, 2])
    values = np.arange(10, 70, 10)
    put(tmp_path, frames=np.stack([frames(1, values[n])[0] for n in shuffled]), timestamps=times(6)[shuffled])
    stored = find_bom(tmp_path, Wanted(HEIGHT)).recordings[0].load()[:, 0, 5, 0]
    assert (np.diff(stored.astype(int)) > 0).all()


def test_a_time_that_comes_twice_is_named_and_its_first_frame_kept(tmp_path: Path) -> None:
    twice = times(6)
    twice[3] = twice[2]
    put(tmp_path, timestamps=twice)
    found = find_bom(tmp_path, Wanted(4))
    assert [one.num_frames for one in found.recordings] == [3, 2]
    assert "of the same time was found before: 2020-10-31T00:20:00" in found.skipped[0].reason


def test_a_frame_without_a_time_is_named_and_the_others_used(tmp_path: Path) -> None:
    odd = times(6)
    odd[5] = "20201031_007000"
    put(tmp_path, timestamps=odd)
    found = find_bom(tmp_path, Wanted(4))
    assert [one.num_frames for one in found.recordings] == [5]
    assert found.skipped[0].reason == "timestamps has no time for these of its frames, counted from 0: 5"


def test_numbers_of_the_other_byte_order_are_the_same_numbers(tmp_path: Path) -> None:
    (little,), (big,) = (read_bom(put(tmp_path / order, frames=frames(6).astype(f"{order}i2")), (1,)) for order in "<>")
    assert np.array_equal(little, big)


@pytest.mark.parametrize(
    ("arrays", "part"),
    [
        ({"frames": frames(6).astype(np.float32)}, "frames has values of float32, not int16"),
        ({"frames": frames(6).astype(np.uint8)}, "frames has values of uint8, not int16"),
        ({"frames": np.moveaxis(frames(6), 0, -1).copy()}, "frames is 8x12x6 but there are 6 timestamps"),
        ({"frames": np.asfortranarray(frames(6))}, "frames is stored by columns"),
        ({"frames": frames(6)[0]}, "frames is 8x12, not frames x rows x columns"),
        ({"frames": frames(6)[..., None]}, "frames is 6x8x12x1, not frames x rows x columns"),
        ({"frames": frames(5)}, "frames is 5x8x12 but there are 6 timestamps"),
        ({"frames": frames(7)}, "frames is 7x8x12 but there are 6 timestamps"),
        ({"frames": np.zeros((6, 0, 12), np.int16)}, "frames has frames of 0x12"),
        ({"frames": np.array([None] * 6)}, "frames has values of object"),
        ({"timestamps": np.arange(6)}, "timestamps are int64, not texts as 20201031_000000"),
        ({"timestamps": np.array(["31.10.2020"] * 6)}, "none of its 6 timestamps is a time"),
        ({"timestamps": np.array(list(times(6)), object)}, "timestamps are object, not texts"),
        ({"timestamps": np.array([], "<U15"), "frames": frames(0)}, "none of its 0 timestamps is a time"),
    ],
)
def test_arrays_of_another_kind_or_order_are_named(tmp_path: Path, arrays: dict[str, Any], part: str) -> None:
    assert part in fault(tmp_path, **arrays)


def test_an_npz_without_the_arrays_says_what_it_has(tmp_path: Path) -> None:
    np.savez(tmp_path / "bom_66_20201031_10min.npz", rain=frames(2), note="x")
    with pytest.raises(UserError, match="it has no array 'timestamps' but rain, note"):
        find_bom(tmp_path, Wanted(4))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda whole: b"",
        lambda whole: whole[: len(whole) // 2],
        lambda whole: whole[:-10],
        lambda whole: b"\x93NUMPY" + whole[6:-30],
        lambda whole: b"<html>404</html>",
    ],
    ids=["empty", "half", "without its end", "npy", "a web page"],
)
def test_a_file_that_is_no_npz_is_named_and_the_rest_is_used(tmp_path: Path, spoil: Any) -> None:
    put(tmp_path)
    bad = put(tmp_path, day="20201101", timestamps=times(6, "2020-11-01T00:00"))
    bad.write_bytes(spoil(bad.read_bytes()))
    found = find_bom(tmp_path, Wanted(4))
    assert len(found.recordings) == 1
    assert [skip.file for skip in found.skipped] == [bad.name]
    assert "it is cut off or no npz file" in found.skipped[0].reason
    assert found.skipped[0].reason.endswith("copy it again")


def test_bytes_flipped_within_the_frames_are_found_when_they_are_loaded(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 500, (40, HEIGHT, WIDTH), dtype=np.int16)
    file = put(tmp_path, frames=noise, timestamps=times(40))
    whole = bytearray(file.read_bytes())
    whole[5000:5040] = bytes(40)
    file.write_bytes(whole)
    (recording,) = find_bom(tmp_path, Wanted(4)).recordings
    with pytest.raises(UnusableFile, match=r"bom_66_20201031_10min\.npz is cut off or damaged"):
        recording.load()


def test_a_day_other_than_the_names_is_refused(tmp_path: Path) -> None:
    assert "its name says bom_66_20201031_10min.npz; name it after its frames" in fault(
        tmp_path, timestamps=times(6, "2019-10-31T00:00")
    )


def test_a_header_that_promises_more_than_is_there_is_not_believed(tmp_path: Path) -> None:
    file = put(tmp_path)
    with zipfile.ZipFile(file) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["frames.npy"] = members["frames.npy"].replace(b"(6, 8, 12)", b"(6,80,120)")
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    with pytest.raises(UserError, match=r"frames does not hold the 6x80x120 values of its header; copy it again"):
        find_bom(tmp_path, Wanted(4))


def test_a_zip_bomb_is_not_unpacked(tmp_path: Path) -> None:
    """A list of times that unpacks to 600 MB, as frames that nothing bounds would."""
    file = tmp_path / "bom_66_20201031_10min.npz"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("timestamps.npy", "w") as member:
        np.lib.format.write_array_header_1_0(member, {"shape": (10_000_000,), "fortran_order": False, "descr": "<U15"})
        for _ in range(600):
            member.write(bytes(1_000_000))
    tracemalloc.start()
    with pytest.raises(UserError, match=r"timestamps has 600000000 bytes; a list of times has less"):
        find_bom(tmp_path, Wanted(4))
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < 8 << 20


def test_files_of_another_frame_size_or_with_another_name_are_left_out(tmp_path: Path) -> None:
    put(tmp_path)
    put(tmp_path, day="20201101", frames=np.zeros((5, 16, 24), np.int16), timestamps=times(5, "2020-11-01T00:00"))
    np.savez(tmp_path / "notes.npz", x=1)
    told = {skip.file: skip.reason for skip in find_bom(tmp_path, Wanted(4)).skipped}
    assert told["bom_66_20201101_10min.npz"].startswith("its frames are 16x24, most here are 8x12")
    assert told["notes.npz"] == "its name is not bom_RADAR_YYYYMMDD_10min.npz"


def test_links_that_leave_the_folder_are_named_and_not_read(tmp_path: Path) -> None:
    outside = put(tmp_path / "out", day="20201101")
    put(tmp_path / "in")
    (tmp_path / "in" / outside.name).symlink_to(outside)
    found = find_bom(tmp_path / "in", Wanted(4))
    assert [skip.file for skip in found.skipped] == [outside.name]
    assert len(found.recordings) == 1

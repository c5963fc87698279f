"""FMI's radar composites: real ones become rain with a mask, and whatever is wrong with a file is named."""

import gzip
import shutil
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from platform.benchmarks.encoding import MISSING, RAIN, dbz_of_rain
from platform.benchmarks.formats.fmi import DBZ_AT_ZERO, DBZ_STEP, NO_DATA, find_fmi, read_fmi
from platform.benchmarks.recording import UnusableFile, Wanted
from platform.benchmarks.store_writer import write_store
from platform.config.errors import UserError

HEIGHT, WIDTH = 12, 8
HOUR = [f"2016092814{minute:02d}" for minute in range(0, 60, 5)]


def pgm(time: str = HOUR[0], shape: tuple[int, int] = (HEIGHT, WIDTH), grey: int = 104, top: int = 255) -> bytes:
    height, width = shape
    pixels = np.full(shape, grey, np.uint8)
    pixels[:, 0], pixels[:, 1] = NO_DATA, 0
    return f"P5\n# composite_area FIN\n# obstime {time}\n{width} {height}\n{top}\n".encode() + pixels.tobytes()


def put(
    folder: Path, time: str, content: bytes | None = None, *, area: str = "FIN_SUOMI1", packed: bool = True
) -> Path:
    """A composite of that time, or other `content` under its name."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{time}_fmi.radar.composite.lowest_{area}.pgm.gz"
    content = pgm(time) if content is None else content
    file.write_bytes(gzip.compress(content) if packed else content)
    return file


def faults(folder: Path) -> dict[str, str]:
    """Why files were passed over, by the first twelve letters of their names: the time."""
    found = find_fmi(folder, Wanted(4))
    return {Path(skip.file).name[:12]: skip.reason for skip in found.skipped}


@pytest.mark.real_data
def test_real_composites_are_one_afternoon_with_a_mask(data_root: Path) -> None:
    found = find_fmi(data_root / "radar" / "fmi", Wanted(64))
    (recording,) = found.recordings
    assert (recording.name, recording.group, recording.num_frames) == ("20160928T1445", "2016-09-28", 40)
    assert recording.category == "FIN_SUOMI1"
    assert (found.frame_size, found.encoding, found.provenance["step_s"]) == ((103, 64), RAIN, "300")
    assert not found.skipped
    frames = recording.load()[..., 0]
    gone = frames == MISSING
    assert gone[:, 0, 0].all()  # beyond the border: no radar there
    assert 0.2 < gone.mean() < 0.3
    assert 0.1 < ((frames > 0) & ~gone).mean() < 0.6
    assert np.nanmax(RAIN.values(frames)) < 20  # autumn rain, as area means


@pytest.mark.real_data
def test_real_pixels_are_the_decibels_of_their_grey_levels(data_root: Path) -> None:
    file = next((data_root / "radar" / "fmi").rglob("*1445_*.pgm.gz"))
    raw = np.frombuffer(gzip.decompress(file.read_bytes())[-1226 * 760 :], np.uint8).reshape(1226, 760)
    (levels,) = read_fmi(file)
    assert np.array_equal(levels == MISSING, raw == NO_DATA)
    rain = (raw > 80) & (raw != NO_DATA)
    dbz = dbz_of_rain(RAIN.values(levels[rain]))
    assert np.abs(dbz - (DBZ_STEP * raw[rain] + DBZ_AT_ZERO)).max() < 0.12


@pytest.mark.real_data
def test_a_real_frame_cut_off_in_the_middle_parts_the_clip_there(data_root: Path, tmp_path: Path) -> None:
    shutil.copytree(data_root / "radar" / "fmi", tmp_path / "fmi")
    damaged = next((tmp_path / "fmi").rglob("*1500_*.pgm.gz"))
    damaged.write_bytes(damaged.read_bytes()[:100_000])
    found = find_fmi(tmp_path / "fmi", Wanted(64))
    assert [(one.name, one.num_frames) for one in found.recordings] == [("20160928T1445", 3), ("20160928T1505", 36)]
    assert "cut off" in found.skipped[0].reason


def test_grey_levels_become_rain_no_echo_and_no_data(tmp_path: Path) -> None:
    (levels,) = read_fmi(put(tmp_path, HOUR[0], pgm(grey=104)))  # 20 dBZ
    assert dbz_of_rain(RAIN.values(levels[0, 2])) == pytest.approx(20, abs=0.12)
    assert levels[0, :2].tolist() == [MISSING, 0]


def test_a_missing_frame_parts_a_recording_and_midnight_parts_events(tmp_path: Path) -> None:
    for time in (*HOUR[:4], *HOUR[5:], "201609282355", "201609290000"):
        put(tmp_path / time[:8], time)
    found = find_fmi(tmp_path, Wanted(4))
    assert [(one.name, one.group, one.num_frames) for one in found.recordings] == [
        ("20160928T1400", "2016-09-28", 4),
        ("20160928T1425", "2016-09-28", 7),
        ("20160928T2355", "2016-09-28", 1),
        ("20160929T0000", "2016-09-29", 1),
    ]


def test_a_second_frame_of_a_time_is_named_and_the_first_kept(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        for time in HOUR[:3]:
            put(tmp_path / folder, time)
    found = find_fmi(tmp_path, Wanted(4))
    assert [one.num_frames for one in found.recordings] == [3]
    assert len(found.skipped) == 3
    assert all("of the same time was found before: 2016-09-28T14" in skip.reason for skip in found.skipped)


def test_duplicates_in_a_folder_whose_name_is_no_utf8_reach_the_manifest(tmp_path: Path) -> None:
    source, odd = tmp_path / "in", "in/\udcff"
    for time in HOUR[:3]:
        put(source, time)
        put(tmp_path / odd, time)
    found = find_fmi(source, Wanted(4))
    store = write_store(tmp_path / "s", found, dataset="fmi", synthetic=False, reader_version="1")
    assert len(store.manifest.skipped) == 3


def test_areas_are_categories_that_never_mix(tmp_path: Path) -> None:
    for time in HOUR[:3]:
        put(tmp_path, time)
        put(tmp_path, time, area="FIN_OTHER")
    found = find_fmi(tmp_path, Wanted(4))
    assert {(one.name, one.category, one.num_frames) for one in found.recordings} == {
        ("FIN_SUOMI1-20160928T1400", "FIN_SUOMI1", 3),
        ("FIN_OTHER-20160928T1400", "FIN_OTHER", 3),
    }


def test_what_is_wrong_with_each_file_is_named_and_the_rest_is_used(tmp_path: Path) -> None:
    whole = pgm()
    put(tmp_path, "201609281400")
    put(tmp_path, "201609281405", b"", packed=False)
    put(tmp_path, "201609281410", b"")
    put(tmp_path, "201609281415", gzip.compress(pgm("201609281415"))[:-9], packed=False)
    put(tmp_path, "201609281420", pgm("201609281420")[:-3])
    put(tmp_path, "201609281425", whole, packed=False)
    put(tmp_path, "201609281430", b"P2" + whole[2:])
    put(tmp_path, "201609281435", pgm("201609281435", top=65535))
    put(tmp_path, "201609281440", pgm("201609281445"))
    put(tmp_path, "201609281445", b"\x89PNG\r\n\x1a\n" + bytes(100))
    put(tmp_path, "201609281450", b"P5\n999999 999999\n255\n" + bytes(100))
    put(tmp_path, "201613281455")
    (tmp_path / "201609281500_fmi.radar.composite.etop_20.pgm.gz").write_bytes(gzip.compress(whole))
    told = faults(tmp_path)
    for time, part in {
        "201609281405": "it is empty; copy it again",
        "201609281410": "it is empty; copy it again",
        "201609281415": "cut off",
        "201609281420": "does not hold the 12x8 pixels of its header",
        "201609281425": "no gzip file",
        "201609281430": "no binary PGM picture (P5)",
        "201609281435": "brightest value is 65535; composites have 8 bits",
        "201609281440": "observed at 201609281445, its name 201609281440",
        "201609281445": "no binary PGM picture (P5)",
        "201609281450": "promises 999999x999999 pixels",
        "201613281455": "201613281455 is no date and time",
        "201609281500": "its name is not YYYYMMDDHHMM_fmi.radar.composite.lowest_AREA.pgm.gz",
    }.items():
        assert part in told.pop(time), time
    assert not told
    assert [one.num_frames for one in find_fmi(tmp_path, Wanted(4)).recordings] == [1]


def test_frames_of_another_size_or_with_sides_exchanged_are_left_out(tmp_path: Path) -> None:
    for time in HOUR[:5]:
        put(tmp_path, time)
    put(tmp_path, HOUR[2], pgm(HOUR[2], shape=(WIDTH, HEIGHT)))
    put(tmp_path, HOUR[5], pgm(HOUR[5], shape=(2 * HEIGHT, 2 * WIDTH)))
    assert faults(tmp_path)[HOUR[2]].startswith("its frames are 8x12, most here are 12x8; prepare them from a folder")
    assert faults(tmp_path)[HOUR[5]].startswith("its frames are 24x16")
    assert [one.num_frames for one in find_fmi(tmp_path, Wanted(4)).recordings] == [2, 2]


def test_a_gz_bomb_is_not_unpacked(tmp_path: Path) -> None:
    """Its end lies: 300 MB of zeros follow the picture, then a length as if they were not there."""
    packed = gzip.compress(pgm() + bytes(300 << 20), compresslevel=1)
    bomb = put(tmp_path, HOUR[0], packed[:-4] + len(pgm()).to_bytes(4, "little"), packed=False)
    tracemalloc.start()
    (recording,) = find_fmi(tmp_path, Wanted(4)).recordings
    with pytest.raises(UnusableFile, match=r"does not hold the 96 pixels of its header; copy it again"):
        recording.load()
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < 4 << 20 < 300 << 20
    assert bomb.stat().st_size > 100_000


def test_a_file_that_changes_after_it_was_listed_is_refused_when_loaded(tmp_path: Path) -> None:
    file = put(tmp_path, HOUR[0])
    (recording,) = find_fmi(tmp_path, Wanted(4)).recordings
    put(tmp_path, HOUR[0], pgm(shape=(WIDTH, HEIGHT)))
    with pytest.raises(UnusableFile, match=r"its frame 1 is 8x12, not 12x8 as the others"):
        recording.load()
    file.unlink()
    with pytest.raises(UnusableFile, match=r"cannot be read \(No such file or directory\)"):
        recording.load()


def test_links_that_leave_the_folder_or_go_round_are_named_and_not_read(tmp_path: Path) -> None:
    inside = tmp_path / "in"
    file = put(tmp_path / "out", HOUR[1])
    put(inside, HOUR[0])
    (inside / file.name).symlink_to(file)
    (inside / "round").symlink_to(inside)
    found = find_fmi(inside, Wanted(4))
    assert [one.num_frames for one in found.recordings] == [1]
    assert {skip.file for skip in found.skipped} == {file.name, "round"}


def test_nothing_usable_says_what_lies_there_instead(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no folder .*nowhere\. Give the one with FMI's \.pgm\.gz files to --from"):
        find_fmi(tmp_path / "nowhere", Wanted(4))
    put(tmp_path, HOUR[0], b"")
    with pytest.raises(UserError, match=r"no usable radar composite .*: it is empty; .*FIN_SUOMI1\.pgm\.gz to --from"):
        find_fmi(tmp_path, Wanted(4))


def test_a_size_beyond_the_composites_own_is_refused(tmp_path: Path) -> None:
    put(tmp_path, HOUR[0])
    with pytest.raises(UserError, match=r"12x8; --size 64 would enlarge them\. Give --size 8 or less"):
        find_fmi(tmp_path, Wanted(64))

"""SEVIR's storms: the catalogue dates them, the files hold them, and one is read at a time."""

import csv
import tracemalloc
import zlib
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from platform.benchmarks.encoding import MISSING
from platform.benchmarks.formats.sevir import LIQUID, find_sevir
from platform.benchmarks.recording import UnusableFile, Wanted
from platform.benchmarks.store_writer import write_store
from platform.config.errors import UserError

SIDE, FRAMES = 12, 49
FILE = "SEVIR_VIL_STORMEVENTS_2018_0101_0630.h5"
LATER = "SEVIR_VIL_RANDOMEVENTS_2019_0101_0430.h5"


def vil(count: int, side: int = SIDE) -> np.ndarray:
    """(count, side, side, 49): event n has level 10 n + t at time t, and a missing corner."""
    filled = np.empty((count, side, side, FRAMES), np.uint8)
    filled[:] = 10 * np.arange(count)[:, None, None, None] + np.arange(FRAMES)
    filled[:, 0, 0] = MISSING
    return filled


def put(folder: Path, name: str = FILE, ids: Any = ("S1", "S2", "S3"), **datasets: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    ids = np.array(ids, "S") if isinstance(ids, tuple) else ids
    with h5py.File(folder / name, "w") as handle:
        for key, value in ({"id": ids, "vil": vil(len(ids))} | datasets).items():
            if value is not None:
                handle.create_dataset(key, data=value)
    return folder / name


def catalog(folder: Path, *events: tuple[str, str, str]) -> Path:
    """Lines of (id, time, event type), each with one of another picture, as in the real catalogue."""
    folder.mkdir(parents=True, exist_ok=True)
    events = events or tuple((f"S{n}", f"2018-06-2{n} 15:35:00", "Hail") for n in (1, 2, 3))
    with (folder / "CATALOG.csv").open("w", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(["id", "file_name", "file_index", "img_type", "time_utc", "minute_offsets", "event_type"])
        for number, (event, time, kind) in enumerate(events):
            for image in ("ir069", "vil"):
                writer.writerow([event, f"{image}/2018/{FILE}", number, image, time, "-120:-115", kind])
    return folder / "CATALOG.csv"


def fault(folder: Path) -> str:
    with pytest.raises(UserError) as refusal:
        find_sevir(folder, Wanted(4))
    return str(refusal.value)


def test_events_are_dated_by_the_catalogue_in_either_layout(tmp_path: Path) -> None:
    events = (("S1", "2018-06-21 15:35:00", "Flash Flood"), ("S2", "2018-12-31 23:59:00", "Hail"))
    catalog(tmp_path / "deep", *events, ("R3", "2019-01-01 00:00:00", ""))
    put(tmp_path / "deep" / "data" / "vil" / "2018", ids=("S2", "S1"))
    put(tmp_path / "deep" / "data" / "vil" / "2019", LATER, ids=("R3",))
    catalog(tmp_path / "flat", *events, ("R3", "2019-01-01 00:00:00", ""))
    put(tmp_path / "flat", ids=("S2", "S1"))
    put(tmp_path / "flat", LATER, ids=("R3",))
    for layout in ("deep", "flat"):
        found = find_sevir(tmp_path / layout, Wanted(SIDE))
        assert [(one.name, one.group, one.category, one.num_frames) for one in found.recordings] == [
            ("R3", "2019-01-01", "random", FRAMES),
            ("S2", "2018-12-31", "Hail", FRAMES),
            ("S1", "2018-06-21", "Flash Flood", FRAMES),
        ]
        assert (found.frame_size, found.encoding, found.skipped) == ((SIDE, SIDE), LIQUID, ())


def test_frames_come_in_time_with_sevirs_own_levels_and_what_is_missing(tmp_path: Path) -> None:
    catalog(tmp_path)
    put(tmp_path)
    whole = find_sevir(tmp_path, Wanted(SIDE)).recordings[2].load()
    assert whole.shape == (FRAMES, SIDE, SIDE, 1)
    assert whole[:, 5, 5, 0].tolist() == list(range(20, 20 + FRAMES))
    assert (whole[:, 0, 0] == MISSING).all()
    assert LIQUID.values(whole[:3, 5, 5, 0]).tolist() == [20, 21, 22]
    small = find_sevir(tmp_path, Wanted(4)).recordings[2].load()
    assert small[:, 0, 0, 0].tolist() == list(range(20, 20 + FRAMES))  # the missing corner is passed over


def test_a_store_of_them_is_written(tmp_path: Path) -> None:
    catalog(tmp_path / "in")
    put(tmp_path / "in")
    found = find_sevir(tmp_path / "in", Wanted(4))
    store = write_store(tmp_path / "s", found, dataset="sevir", synthetic=False, reader_version="1")
    assert [video.name for video in store.videos] == ["S1", "S2", "S3"]
    assert store.manifest.encoding == LIQUID


def test_a_folder_whose_name_is_no_utf8_is_prepared(tmp_path: Path) -> None:
    catalog(tmp_path / "\udcff")
    put(tmp_path / "\udcff")
    found = find_sevir(tmp_path / "\udcff", Wanted(4))
    assert write_store(tmp_path / "s", found, dataset="sevir", synthetic=False, reader_version="1").videos


def test_ids_may_be_texts_of_any_length(tmp_path: Path) -> None:
    catalog(tmp_path)
    put(tmp_path, ids=np.array(["S1", "S2"], dtype=h5py.string_dtype()))
    assert [one.name for one in find_sevir(tmp_path, Wanted(4)).recordings] == ["S1", "S2"]


def test_only_the_event_that_is_asked_for_is_read(tmp_path: Path) -> None:
    side, ids = 128, tuple(f"S{number}" for number in range(1, 11))
    catalog(tmp_path, *((one, "2018-06-21 15:35:00", "Hail") for one in ids))
    put(tmp_path, ids=ids, vil=None)
    with h5py.File(tmp_path / FILE, "a") as handle:
        handle.create_dataset("vil", data=vil(10, side), chunks=(1, side, side, FRAMES), compression="gzip")
    recordings = find_sevir(tmp_path, Wanted(16)).recordings
    tracemalloc.start()
    recordings[1].load()
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < 3 * side * side * FRAMES  # one event, and once more while its chunk is tried


def test_events_without_a_line_or_date_and_twins_are_named_and_the_rest_is_used(tmp_path: Path) -> None:
    catalog(tmp_path, ("S1", "2018-06-21 15:35:00", "Hail"), ("S2", "21.06.2018 15:35", "Hail"))
    put(tmp_path, ids=("S1", "S2", "S9", "S1"))
    found = find_sevir(tmp_path, Wanted(4))
    assert [one.name for one in found.recordings] == ["S1"]
    assert {(skip.file, skip.reason) for skip in found.skipped} == {
        ("CATALOG.csv", "1 of its events have no time_utc as 2018-06-21 15:35:00: S2 (21.06.2018 15:35)"),
        (FILE, "2 of its events have no date in the catalogue; add their lines to it: S2, S9"),
        (FILE, "1 of its events have a twin of the same id before them, which is used: S1"),
    }


def test_thousands_of_events_without_a_line_are_one_message(tmp_path: Path) -> None:
    catalog(tmp_path)
    ids = tuple(f"S{number}" for number in range(1, 1001))
    put(tmp_path, ids=ids, vil=np.zeros((1000, 4, 4, 2), np.uint8))
    (skip,) = find_sevir(tmp_path, Wanted(4)).skipped
    assert skip.reason.startswith("997 of its events have no date")
    assert skip.reason.endswith("S4, S5, S6, S7, S8 and 992 more")


@pytest.mark.parametrize(
    ("datasets", "part"),
    [
        ({"vil": vil(3).astype(np.int16)}, "vil has values of int16, not uint8"),
        ({"vil": np.moveaxis(vil(3), -1, 1)}, "vil is 3x49x12x12, not events x rows x as many columns x frames"),
        ({"vil": vil(3)[0]}, "vil is 12x12x49, not events x rows"),
        ({"vil": vil(2)}, "vil has 2 events but id 3"),
        ({"vil": vil(3)[..., :0]}, "its header promises 3x12x12x0 values"),
        ({"vil": None, "vis": vil(3)}, "it has no 'vil' but id, vis"),
        ({"id": None}, "it has no 'id' but vil"),
        ({"id": np.arange(3)}, "id is 3 of int64, not a list of texts"),
    ],
)
def test_arrays_of_another_kind_or_order_are_named(tmp_path: Path, datasets: dict[str, Any], part: str) -> None:
    catalog(tmp_path)
    put(tmp_path, **datasets)
    assert part in fault(tmp_path)


def test_a_header_that_promises_the_world_is_not_believed(tmp_path: Path) -> None:
    """HDF5 gives zeros for what was never written: petabytes in 2 kB."""
    catalog(tmp_path)
    for name, shape in (("a", (1 << 40, 384, 384, 49)), ("b", (3, 1 << 20, 1 << 20, 49))):
        with h5py.File(tmp_path / f"SEVIR_VIL_{name}.h5", "w") as handle:
            handle.create_dataset("vil", shape, np.uint8, chunks=(1, 384, 384, 49))
            handle.create_dataset("id", shape[:1], "S8", chunks=(min(shape[0], 64),))
    assert fault(tmp_path).count("its header promises") == 2


def test_a_chunk_that_unpacks_to_more_than_it_should_is_not_unpacked(tmp_path: Path) -> None:
    """5 MB of zeros, gzipped, where an event of 7 kB belongs."""
    catalog(tmp_path)
    put(tmp_path, vil=None)
    with h5py.File(tmp_path / FILE, "a") as handle:
        data = handle.create_dataset("vil", data=vil(3), chunks=(1, SIDE, SIDE, FRAMES), compression="gzip")
        packer = zlib.compressobj(9)
        bomb = b"".join([*(packer.compress(bytes(1 << 20)) for _ in range(5)), packer.flush()])
        data.id.write_direct_chunk((1, 0, 0, 0), bomb)
    first, second, _ = find_sevir(tmp_path, Wanted(4)).recordings
    assert len(first.load()) == FRAMES
    with pytest.raises(UnusableFile, match=r"unpacks to more than its 7056 bytes"):
        second.load()


def test_a_compression_that_is_not_everywhere_is_named(tmp_path: Path) -> None:
    catalog(tmp_path)
    put(tmp_path, vil=None)
    with h5py.File(tmp_path / FILE, "a") as handle:
        handle.create_dataset("vil", data=vil(3), chunks=(1, SIDE, SIDE, FRAMES), compression="lzf")
    (first, *_) = find_sevir(tmp_path, Wanted(4)).recordings
    with pytest.raises(UnusableFile, match=r"store it with gzip, or unpacked"):
        first.load()


@pytest.mark.parametrize("kept", [0, 100, 0.5, 0.98])
def test_a_cut_off_file_is_named_and_the_others_used(tmp_path: Path, kept: float) -> None:
    catalog(tmp_path)
    put(tmp_path, ids=("S1",))
    bad = put(tmp_path, LATER, ids=("S2", "S3"))
    whole = bad.read_bytes()
    bad.write_bytes(whole[: int(kept if kept > 1 else kept * len(whole))])
    found = find_sevir(tmp_path, Wanted(4))
    assert [one.name for one in found.recordings] == ["S1"]
    assert [skip.file for skip in found.skipped] == [LATER]
    assert "it is cut off, damaged or no HDF5 file" in found.skipped[0].reason


def test_damage_within_an_event_is_found_when_it_is_loaded(tmp_path: Path) -> None:
    catalog(tmp_path)
    put(tmp_path, vil=None)
    noise = np.random.default_rng(0).integers(0, 255, (3, SIDE, SIDE, FRAMES), dtype=np.uint8)
    with h5py.File(tmp_path / FILE, "a") as handle:
        data = handle.create_dataset("vil", data=noise, chunks=(1, SIDE, SIDE, FRAMES), compression="gzip")
        place = data.id.get_chunk_info(1).byte_offset
    content = bytearray((tmp_path / FILE).read_bytes())
    content[place + 100 : place + 200] = bytes(100)
    (tmp_path / FILE).write_bytes(content)
    first, second, third = find_sevir(tmp_path, Wanted(4)).recordings
    assert len(first.load()) == len(third.load()) == FRAMES
    with pytest.raises(UnusableFile, match=rf"{FILE}: it is cut off, damaged or no HDF5 file"):
        second.load()


def test_a_file_replaced_after_it_was_listed_is_refused(tmp_path: Path) -> None:
    catalog(tmp_path)
    put(tmp_path)
    recordings = find_sevir(tmp_path, Wanted(4)).recordings
    put(tmp_path, ids=("S1", "S3"))
    with pytest.raises(UnusableFile, match=r"its event 1 is S3 now, it was S2; prepare again"):
        recordings[1].load()
    with pytest.raises(UnusableFile, match=r"its event 2 is None now, it was S3"):
        recordings[2].load()


def test_what_lies_in_another_file_is_not_read(tmp_path: Path) -> None:
    catalog(tmp_path / "in")
    secret = put(tmp_path / "out")
    put(tmp_path / "in", vil=None)
    with h5py.File(tmp_path / "in" / FILE, "a") as handle:
        handle["vil"] = h5py.ExternalLink(str(secret), "vil")
    put(tmp_path / "in", LATER, vil=None)
    with h5py.File(tmp_path / "in" / LATER, "a") as handle:
        handle.create_dataset("vil", (3, SIDE, SIDE, FRAMES), np.uint8, external=[(str(secret), 0, 1 << 20)])
    assert fault(tmp_path / "in").count("'vil' is no array of its own") == 2


def test_a_link_that_leaves_the_folder_is_named(tmp_path: Path) -> None:
    catalog(tmp_path / "in")
    put(tmp_path / "in", ids=("S1",))
    (tmp_path / "in" / LATER).symlink_to(put(tmp_path / "out", LATER))
    found = find_sevir(tmp_path / "in", Wanted(4))
    assert [skip.file for skip in found.skipped] == [LATER]


def test_files_of_another_frame_size_are_left_out(tmp_path: Path) -> None:
    catalog(tmp_path)
    put(tmp_path, ids=("S1", "S2"))
    put(tmp_path, LATER, ids=("S3",), vil=vil(1, 24))
    found = find_sevir(tmp_path, Wanted(4))
    assert [one.name for one in found.recordings] == ["S1", "S2"]
    assert found.skipped[0].reason.startswith("its frames are 24x24, most here are 12x12; prepare them")


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"", "no column id, img_type, time_utc, event_type; its first line begins 'nothing'"),
        (b"id;img_type;time_utc;event_type\nS1;vil;2018-06-21 15:35:00;Hail\n", "commas between columns"),
        (b"id,img_type,event_type\nS1,vil,Hail\n", "has no column time_utc; its first line begins 'id, img_type"),
        (b"\x89HDF\r\n\x1a\n" + bytes(50), "has no column id"),
        (b'id,img_type,time_utc,event_type\n"' + b"x" * 200_000, "cannot be read (field larger than field limit"),
    ],
)
def test_a_catalogue_that_is_none_says_what_is_wrong(tmp_path: Path, content: bytes, part: str) -> None:
    put(tmp_path)
    (tmp_path / "CATALOG.csv").write_bytes(content)
    assert part in fault(tmp_path)


def test_a_catalogue_of_gigabytes_is_not_read(tmp_path: Path) -> None:
    put(tmp_path)
    with catalog(tmp_path).open("ab") as handle:
        handle.truncate(3 << 30)  # zeros that take no place on disk
    assert "has 3221225472 bytes, SEVIR's own CATALOG.csv 20 million. Copy it again." in fault(tmp_path)


def test_a_catalogue_cut_off_in_a_line_serves_for_the_lines_before(tmp_path: Path) -> None:
    file = catalog(tmp_path)
    put(tmp_path)
    file.write_bytes(file.read_bytes()[: file.read_bytes().rindex(b"2018-06-23 15") + 7])
    assert [one.name for one in find_sevir(tmp_path, Wanted(4)).recordings] == ["S1", "S2"]


def test_nothing_there_says_what_to_give(tmp_path: Path) -> None:
    assert "no CATALOG.csv in" in fault(tmp_path)
    catalog(tmp_path)
    assert "no usable events in" in fault(tmp_path)
    assert fault(tmp_path).endswith("(data/vil/<year>/) to --from.")

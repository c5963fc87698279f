"""Every radar reader against the same bad neighbours: whatever lies beside good files, the good ones are read.

What is particular to a format is in its own test file.
"""

import gzip
import os
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from platform.benchmarks.catalog import prepare_dataset
from platform.benchmarks.formats.cikm import NUM_VALUES
from platform.benchmarks.recording import Found, NumClips, UnusableFile, Wanted
from platform.benchmarks.registry import READERS
from platform.config.errors import UserError

SIZE, FRAMES = 8, 4
MOMENTS = [datetime(2018, 6, 1, 8) + timedelta(minutes=5 * number) for number in range(FRAMES)]


def put_fmi(folder: Path) -> None:
    for moment in MOMENTS:
        content = b"P5\n10 8\n255\n" + bytes([100]) * 80
        name = f"{moment:%Y%m%d%H%M}_fmi.radar.composite.lowest_FIN_SUOMI1.pgm.gz"
        (folder / name).write_bytes(gzip.compress(content))


def put_bom(folder: Path) -> None:
    texts = np.array([f"{moment:%Y%m%d_%H%M%S}" for moment in MOMENTS])
    frames = np.full((FRAMES, SIZE, SIZE), 9, np.int16)
    np.savez_compressed(folder / "bom_66_20180601_10min.npz", frames=frames, timestamps=texts)


def put_meteonet(folder: Path) -> None:
    data, dates = np.full((FRAMES, SIZE, SIZE), 50, np.int16), np.array(MOMENTS, object)
    np.savez_compressed(folder / "rainfall_NW_2018_06.1.npz", data=data, dates=dates, miss_dates=dates[:0])


def put_sevir(folder: Path) -> None:
    (folder / "CATALOG.csv").write_text("id,img_type,time_utc,event_type\nS1,vil,2018-06-01 08:00:00,Hail\n")
    with h5py.File(folder / "SEVIR_VIL_STORMEVENTS_2018_0101_0630.h5", "w") as handle:
        handle["id"], handle["vil"] = np.array(["S1"], "S"), np.full((1, SIZE, SIZE, FRAMES), 90, np.uint8)


def put_cikm(folder: Path) -> None:
    (folder / "train.txt").write_text(f"train_1,2.5,{' '.join(['80'] * NUM_VALUES)}\n")


def put_pictures(folder: Path) -> None:
    for moment in MOMENTS:
        Image.fromarray(np.full((SIZE, SIZE), 120, np.uint8)).save(folder / f"hko_{moment:%Y%m%d%H%M%S}.png")


@dataclass(frozen=True)
class Format:
    put: Callable[[Path], None]
    num_recordings: int
    right_name: str  # of one more file

    def find(self, name: str, folder: Path) -> Found:
        return READERS[name].find(folder, Wanted(SIZE))


FORMATS = {
    "fmi": Format(put_fmi, 1, "201806010900_fmi.radar.composite.lowest_FIN_SUOMI1.pgm.gz"),
    "bom": Format(put_bom, 1, "bom_66_20180603_10min.npz"),
    "meteonet": Format(put_meteonet, 1, "rainfall_NW_2018_06.2.npz"),
    "sevir": Format(put_sevir, 1, "SEVIR_VIL_STORMEVENTS_2018_0701_1231.h5"),
    "cikm": Format(put_cikm, 4, "testA.txt"),
    "radar_pictures": Format(put_pictures, 1, "hko_20180603080000.png"),
}

every_reader = pytest.mark.parametrize("name", FORMATS)


def check(name: str, folder: Path, *named: str) -> Found:
    """The good files are read, and so many others are named."""
    found = FORMATS[name].find(name, folder)
    frames, faults = [], []
    for recording in found.recordings:
        try:
            frames.append(recording.load())
        except UnusableFile as fault:
            faults.append(str(fault))
    assert all(any(Path(one).name in fault for one in named) for fault in faults)
    assert len(frames) == FORMATS[name].num_recordings
    assert all(one.dtype == np.uint8 and one.max() < 255 and one.min() > 0 for one in frames)
    assert {one.file for one in found.skipped} <= set(named)
    return found


@pytest.fixture
def folder(tmp_path: Path, name: str) -> Path:
    (tmp_path / "in").mkdir()
    FORMATS[name].put(tmp_path / "in")
    return tmp_path / "in"


@every_reader
def test_good_files_alone_leave_nothing_to_name(folder: Path, name: str) -> None:
    found = check(name, folder)
    assert found.encoding is not None
    assert found.frame_size[0] == SIZE
    assert int(found.provenance["step_s"]) in (300, 360)


def bad_contents() -> dict[str, bytes]:
    rng = np.random.default_rng(0)
    return {
        "empty": b"",
        "text": b"<html>404 Not Found</html>",
        "random": rng.bytes(5000),
        "zeros": bytes(5000),
        "gz of nothing": gzip.compress(b""),
        "empty zip": b"PK\x05\x06" + bytes(18),
        "hdf5 begin": b"\x89HDF\r\n\x1a\n" + bytes(100),
        "png begin": b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(30),
        "gz bomb": gzip.compress(b"P5\n8 8\n255\n" + bytes(30 << 20)),
        "zlib": zlib.compress(bytes(1000)),
    }


@every_reader
@pytest.mark.parametrize("content", bad_contents().values(), ids=bad_contents())
def test_a_file_named_right_with_other_content_is_named_and_the_rest_is_read(
    folder: Path, name: str, content: bytes
) -> None:
    bad = FORMATS[name].right_name
    (folder / bad).write_bytes(content)
    found = check(name, folder, bad)
    if name != "cikm" or content.strip():  # an empty text has no lines, of which none is wrong
        assert found.skipped or len(found.recordings) > FORMATS[name].num_recordings


@every_reader
@pytest.mark.parametrize("share", [0.02, 0.3, 0.9, 0.99])
def test_a_file_that_is_cut_off_never_gives_frames_that_were_not_in_it(
    folder: Path, tmp_path: Path, name: str, share: float
) -> None:
    """Alone it is refused, or its recordings are when they are loaded; of a PNG the last bytes say nothing."""
    whole = [recording.load() for recording in FORMATS[name].find(name, folder).recordings]
    for file in folder.iterdir():
        if file.name != "CATALOG.csv":
            os.truncate(file, int(file.stat().st_size * share))
    found, faults = [], []
    try:
        found = list(FORMATS[name].find(name, folder).recordings)
    except UserError as refusal:
        faults.append(str(refusal))
    for recording in found:
        try:
            assert np.array_equal(recording.load(), whole[0])
            assert name == "radar_pictures"
        except UnusableFile as fault:
            faults.append(str(fault))
    assert all("again" in fault for fault in faults)
    assert name == "radar_pictures" or len(faults) >= 1


@every_reader
def test_links_out_of_the_folder_nowhere_and_round_are_named_and_not_read(folder: Path, name: str) -> None:
    elsewhere = folder.parent / "elsewhere"
    elsewhere.mkdir()
    FORMATS[name].put(elsewhere)
    (elsewhere / FORMATS[name].right_name).write_bytes(b"secret")
    (folder / "round").symlink_to(folder)
    (folder / "out").symlink_to(elsewhere)
    (folder / FORMATS[name].right_name).symlink_to(elsewhere / FORMATS[name].right_name)
    (folder / "sub").mkdir()
    (folder / "sub" / FORMATS[name].right_name).symlink_to(FORMATS[name].right_name)
    found = check(name, folder, "round", "out", FORMATS[name].right_name, f"sub/{FORMATS[name].right_name}")
    assert len(found.skipped) >= 4


@every_reader
def test_a_pipe_and_a_folder_that_are_called_like_files_do_not_stop_it(folder: Path, name: str) -> None:
    os.mkfifo(folder / FORMATS[name].right_name)
    (folder / "sub" / FORMATS[name].right_name).mkdir(parents=True)
    assert "pipe" in check(name, folder, FORMATS[name].right_name).skipped[0].reason


@every_reader
def test_the_same_files_in_two_folders_are_read_once(folder: Path, name: str) -> None:
    (folder / "copy").mkdir()
    FORMATS[name].put(folder / "copy")
    assert check(name, folder, *(f"{sub}{file.name}" for file in folder.iterdir() for sub in ("", "copy/")))


@every_reader
def test_a_name_that_is_no_utf_8_reaches_manifest_and_keys(tmp_path: Path, name: str) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    folder.mkdir()
    FORMATS[name].put(folder)
    (folder / FORMATS[name].right_name).write_bytes(b"x")
    found = check(name, folder, FORMATS[name].right_name)
    for text in (*found.provenance.values(), *(one.name + one.key + one.category for one in found.recordings)):
        text.encode()


@every_reader
def test_nothing_usable_and_no_folder_say_what_to_give(tmp_path: Path, name: str) -> None:
    (tmp_path / "readme.md").write_text("x")
    with pytest.raises(UserError, match=r"(Give|Put|Name) .*"):
        FORMATS[name].find(name, tmp_path)
    with pytest.raises(UserError, match=r"no folder .*gone"):
        FORMATS[name].find(name, tmp_path / "gone")


@every_reader
def test_the_stand_in_is_prepared_under_its_name(tmp_path: Path, name: str) -> None:
    store = prepare_dataset(name, None, tmp_path, Wanted(16, num_clips=NumClips(2, 1, 1)))
    assert store.manifest.synthetic
    assert len(store.videos) == 4
    real = FORMATS[name]
    (tmp_path / "in").mkdir()
    real.put(tmp_path / "in")
    assert store.manifest.encoding == real.find(name, tmp_path / "in").encoding

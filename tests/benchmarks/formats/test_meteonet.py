"""MeteoNet's rain: hundredths of a millimetre with pickled dates, a third of a month a file."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from platform.benchmarks.encoding import MISSING, RAIN
from platform.benchmarks.formats.meteonet import find_meteonet
from platform.benchmarks.recording import Found, Recording, Wanted
from platform.benchmarks.store_writer import write_store
from platform.config.errors import UserError

NAME = "rainfall_NW_2016_08.3.npz"
SHAPE = (6, 8)


def dates(count: int = 6, begin: datetime = datetime(2016, 8, 21, 23, 45)) -> np.ndarray:
    return np.array([begin + timedelta(minutes=5 * number) for number in range(count)], object)


def put(folder: Path, name: str = NAME, **arrays: Any) -> Path:
    held = {"data": np.full((6, *SHAPE), 50, np.int16), "dates": dates(), "miss_dates": dates(0), **arrays}
    folder.mkdir(exist_ok=True)
    np.savez_compressed(
        folder / name, allow_pickle=True, **{name: held[name] for name in held if held[name] is not None}
    )
    return folder


def find(folder: Path) -> Found:
    return find_meteonet(folder, Wanted(6))


def recordings(folder: Path) -> list[Recording]:
    return list(find(folder).recordings)


def refusal(folder: Path) -> str:
    with pytest.raises(UserError) as caught:
        find(folder)
    return str(caught.value)


def test_frames_are_dated_by_their_pickled_dates_and_cut_at_midnight(tmp_path: Path) -> None:
    held = [(one.name, one.group, one.category, one.num_frames) for one in recordings(put(tmp_path))]
    assert held == [("20160821T2345", "2016-08-21", "NW", 3), ("20160822T0000", "2016-08-22", "NW", 3)]


def test_values_are_hundredths_of_a_millimetre_in_five_minutes_and_minus_one_is_missing(tmp_path: Path) -> None:
    data = np.zeros((6, *SHAPE), np.int16)
    data[0, 0, :4] = [-1, 0, 50, 500]
    levels = recordings(put(tmp_path, data=data))[0].load()[0, 0, :4, 0]
    assert levels[:2].tolist() == [MISSING, 0]
    assert RAIN.values(levels[2:]) == pytest.approx([6.0, 60.0], rel=0.02)


def test_a_missing_date_ends_a_recording(tmp_path: Path) -> None:
    moments = dates(7, datetime(2016, 8, 21))
    put(tmp_path, dates=np.delete(moments, 3), miss_dates=moments[3:4])
    assert [one.num_frames for one in recordings(tmp_path)] == [3, 3]


def test_a_day_may_lie_in_two_files_and_a_quarter_is_a_category(tmp_path: Path) -> None:
    put(tmp_path, "rainfall_SE_2016_08.2.npz", dates=dates(6, datetime(2016, 8, 20)))
    put(tmp_path, "rainfall_SE_2016_08.3.npz", dates=dates(6, datetime(2016, 8, 20, 0, 30)))
    put(tmp_path)
    assert {(one.category, one.num_frames) for one in recordings(tmp_path)} == {("SE", 12), ("NW", 3)}


def test_dates_that_somebody_saved_again_as_numpys_are_read(tmp_path: Path) -> None:
    put(tmp_path, dates=dates().astype("datetime64[us]"))
    assert len(recordings(tmp_path)) == 2


def test_a_store_of_them_is_written(tmp_path: Path) -> None:
    found = find(put(tmp_path / "files"))
    store = write_store(tmp_path / "store", found, dataset="meteonet", synthetic=False, reader_version="1")
    assert store.manifest.skipped == ()
    assert len(store.videos) == 2


class Runs:
    """Pickles as a call that makes a file."""

    def __init__(self, proof: Path) -> None:
        self.proof = proof

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.proof,)


def test_a_program_in_the_dates_is_refused_and_not_run(tmp_path: Path) -> None:
    evil = np.empty(6, object)
    evil[:] = [Runs(tmp_path / "ran")] * 6
    assert "which no date needs; they were not opened" in refusal(put(tmp_path / "files", dates=evil))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ({"data": None}, "no array 'data' but dates, miss_dates"),
        ({"dates": None}, "no array 'dates' but data, miss_dates"),
        ({"data": np.zeros((6, *SHAPE))}, "data has values of float64, not int16"),
        ({"data": np.zeros((6, *SHAPE), np.uint16)}, "data has values of uint16, not int16"),
        ({"data": np.zeros((*SHAPE, 7), np.int16), "dates": dates(7)}, "data is 6x8x7 but there are 7 dates"),
        ({"data": np.zeros((7, *SHAPE), np.int16)}, "data is 7x6x8 but there are 6 dates; frames come first"),
        ({"data": np.zeros((5, *SHAPE), np.int16)}, "data is 5x6x8 but there are 6 dates"),
        ({"data": np.zeros((6, 48), np.int16)}, "data is 6x48, not frames x rows x columns"),
        ({"data": np.asfortranarray(np.zeros((6, *SHAPE), np.int16))}, "data is stored by columns"),
        ({"dates": np.array(["2016-08-21 23:45"] * 6)}, "dates are <U16, not datetimes"),
        ({"dates": dates()[:, None]}, "dates are 6x1, not one for each frame"),
        ({"dates": dates(6, datetime(2017, 3, 1))}, "its frames are of 2017-03-01T00:00:00 and later"),
        ({"dates": np.full(6, "NaT", "datetime64[s]")}, "none of its 6 dates is a time"),
    ],
)
def test_arrays_of_another_kind_order_or_time_are_refused_with_what_they_are(
    tmp_path: Path, arrays: dict[str, Any], says: str
) -> None:
    assert says in refusal(put(tmp_path, **arrays))


@pytest.mark.parametrize("kept", [0, 40, 300, -40])
def test_an_empty_or_cut_off_file_is_named_and_the_others_used(tmp_path: Path, kept: int) -> None:
    put(tmp_path)
    content = (tmp_path / NAME).read_bytes()
    (tmp_path / "rainfall_NW_2016_08.2.npz").write_bytes(content[:kept])
    found = find(tmp_path)
    assert len(found.recordings) == 2
    (skipped,) = found.skipped
    assert skipped.file == "rainfall_NW_2016_08.2.npz"
    assert "cut off" in skipped.reason


def test_files_of_other_products_are_named_and_passed_over(tmp_path: Path) -> None:
    put(put(tmp_path), "reflectivity_old_NW_2016_08.3.npz")
    put(tmp_path, "radar_coords_NW.npz")
    assert len(find(tmp_path).recordings) == 2
    assert [one.file for one in find(tmp_path).skipped] == ["radar_coords_NW.npz", "reflectivity_old_NW_2016_08.3.npz"]


def test_the_quarters_have_other_sizes_and_the_smaller_part_is_named(tmp_path: Path) -> None:
    put(tmp_path)
    put(tmp_path, "rainfall_SE_2016_08.3.npz", data=np.zeros((5, 7, 9), np.int16), dates=dates(5))
    assert {one.category for one in recordings(tmp_path)} == {"NW"}
    assert (
        "its frames are 7x9, most here are 6x8; prepare them from a folder of their own"
        in find(tmp_path).skipped[0].reason
    )


def test_archives_are_to_be_unpacked(tmp_path: Path) -> None:
    (tmp_path / "NW_rainfall_2016.tar.gz").write_bytes(b"x")
    assert "Unpack NW_rainfall_2016.tar.gz first." in refusal(tmp_path)


def test_a_link_out_of_the_folder_is_named_and_not_read(tmp_path: Path) -> None:
    put(tmp_path / "elsewhere", "rainfall_NW_2016_08.2.npz")
    put(tmp_path / "files")
    (tmp_path / "files" / "rainfall_NW_2016_08.2.npz").symlink_to(tmp_path / "elsewhere" / "rainfall_NW_2016_08.2.npz")
    assert [one.file for one in find(tmp_path / "files").skipped] == ["rainfall_NW_2016_08.2.npz"]

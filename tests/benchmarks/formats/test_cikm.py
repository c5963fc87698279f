"""CIKM's text files: one line a sample, found once, read alone, and refused where a number is none."""

from pathlib import Path

import numpy as np
import pytest

from platform.benchmarks.encoding import MISSING, RAIN, dbz_of_rain
from platform.benchmarks.formats.cikm import CHUNK, NUM_VALUES, find_cikm
from platform.benchmarks.recording import Recording, UnusableFile, Wanted
from platform.config.datasets import CIKM_HEIGHTS
from platform.config.errors import UserError
from platform.config.splits import SPLIT_PRESETS, SplitConfig, matching

WANTED = Wanted(64)


def a_sample(name: str, value: int = 20, values: str = "") -> str:
    return f"{name},12.3,{values or ' '.join([str(value)] * NUM_VALUES)}"


def write(folder: Path, *lines: str, name: str = "train.txt", end: str = "\n") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(end.join(lines), newline="")
    return folder


def skipped(folder: Path) -> dict[str, str]:
    return {one.file: one.reason for one in find_cikm(folder, WANTED).skipped}


def load(folder: Path) -> np.ndarray:
    return find_cikm(folder, WANTED).recordings[0].load()


def heights(folder: Path, size: int = 101) -> list[Recording]:
    return list(find_cikm(folder, Wanted(size)).recordings)


def test_time_comes_first_then_height_then_rows(tmp_path: Path) -> None:
    values = np.zeros((15, 4, 101, 101), int)
    values[3, 2, 50, 7] = 255
    write(tmp_path, a_sample("train_1", values=" ".join(map(str, values.ravel()))))
    places = [np.argwhere(recording.load()[..., 0] > 0).tolist() for recording in heights(tmp_path)]
    assert places == [[], [], [[3, 50, 7]], []]
    assert [recording.category for recording in heights(tmp_path)] == list(CIKM_HEIGHTS)


def test_numbers_are_decibels_and_minus_one_was_never_measured(tmp_path: Path) -> None:
    values = [-1, 0, 26, 134, 255] + [0] * (NUM_VALUES - 5)
    write(tmp_path, a_sample("train_1", values=" ".join(map(str, values))))
    levels = heights(tmp_path)[0].load()[0, 0, :5, 0]
    assert levels[0] == MISSING
    assert levels[1] == levels[2] == 0  # -10 and -0.3 dBZ
    assert dbz_of_rain(RAIN.values(levels[3:4])) == pytest.approx(134 * 95 / 255 - 10, abs=0.12)
    assert levels[4] == 254


def test_groups_are_thousands_of_training_samples_and_the_test_files(tmp_path: Path) -> None:
    names = ("train_1", "train_1000", "train_1001", "train_10000")
    write(tmp_path, *(a_sample(name, values="1") for name in names))
    write(tmp_path, a_sample("testA_1", values="1"), name="testA.txt")
    write(tmp_path, a_sample("testB_1", values="1"), name="testB.txt")
    groups = [recording.group for recording in find_cikm(tmp_path, WANTED).recordings]
    assert groups[::4] == ["train_1", "train_1", "train_2", "train_10", "testA", "testB"]
    split = SplitConfig(**SPLIT_PRESETS["cikm_files"])
    assert matching(split.groups("validation"), groups) == ("train_10",)
    assert matching(split.groups("test"), groups) == ("testA", "testB")


def test_frames_are_stored_at_the_asked_size_and_never_enlarged(tmp_path: Path) -> None:
    write(tmp_path, a_sample("train_1"))
    assert load(tmp_path).shape == (15, 64, 64, 1)
    with pytest.raises(UserError, match="Give --size 101 or less"):
        find_cikm(tmp_path, Wanted(128))


@pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n"])
def test_ends_of_lines_may_vary_and_the_last_may_have_none(tmp_path: Path, end: str) -> None:
    write(tmp_path, a_sample("train_1", 20), a_sample("train_2", 100), end=end)
    first, second = (find_cikm(tmp_path, WANTED).recordings[number].load() for number in (0, 4))
    assert len(np.unique(first)) == len(np.unique(second)) == 1
    assert first.max() < second.max()


def test_lines_are_found_where_the_file_is_read_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [a_sample(f"train_{number}", values="7 " * number) for number in range(1, 40)]
    write(tmp_path, *lines)
    whole = [recording.key for recording in find_cikm(tmp_path, WANTED).recordings]
    for piece in (1, 7, 64, 100):
        monkeypatch.setattr("platform.benchmarks.formats.cikm.CHUNK", piece)
        assert [recording.key for recording in find_cikm(tmp_path, WANTED).recordings] == whole


def test_files_may_lie_in_folders_of_their_own(tmp_path: Path) -> None:
    write(tmp_path / "CIKM2017_train", a_sample("train_1", values="1"))
    write(tmp_path / "CIKM2017_testA", a_sample("testA_1", values="1"), name="testA.txt")
    assert len(find_cikm(tmp_path, WANTED).recordings) == 8


def test_a_sample_that_is_there_twice_is_read_once_and_named(tmp_path: Path) -> None:
    write(tmp_path, a_sample("train_1", 20), a_sample("train_1", 200), a_sample("train_2", 30))
    assert len(find_cikm(tmp_path, WANTED).recordings) == 8
    assert "found before: train_1" in skipped(tmp_path)["train.txt"]


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ("20 " * (NUM_VALUES - 1), f"has {NUM_VALUES - 1} numbers, not 15x4x101x101; it is cut off"),
        ("20 " * (NUM_VALUES + 1), f"has {NUM_VALUES + 1} numbers"),
        ("20,5 " + "20 " * (NUM_VALUES - 1), "'20,5 20 20 2' begins with no whole number"),
        ("1.024 " + "20 " * (NUM_VALUES - 1), "begins with no whole number"),
        ("nan " + "20 " * (NUM_VALUES - 1), "'nan 20 20 20' begins with no whole number"),
        ("300 " + "20 " * (NUM_VALUES - 1), "numbers from 20 to 300, not from -1 to 255"),
        ("-2 " + "20 " * (NUM_VALUES - 1), "numbers from -2 to 20"),
        ("1" * 50, "begins with no whole number"),
        ("20 2-0 " + "20 " * (NUM_VALUES - 2), "begins with no whole number"),
        ("", "has 0 numbers"),
    ],
    ids=["cut off", "one too many", "decimal comma", "thousands", "nan", "high", "low", "huge", "dash", "none"],
)
def test_a_sample_of_other_numbers_is_unusable_and_says_where(tmp_path: Path, values: str, says: str) -> None:
    write(tmp_path, f"train_1,0.5,{values}")
    with pytest.raises(UnusableFile, match=r"train\.txt, sample train_1") as caught:
        load(tmp_path)
    assert says in str(caught.value)


def test_lines_that_are_no_samples_are_named_and_the_others_used(tmp_path: Path) -> None:
    write(tmp_path, "id,label,values", a_sample("train_1", values="1"), "testA_1,2,3", "train_2;1;2", "\x00" * 90)
    assert len(find_cikm(tmp_path, WANTED).recordings) == 4
    reason = skipped(tmp_path)["train.txt"]
    assert "are not train_NUMBER,RAIN, and 15x4x101x101 numbers" in reason
    assert all(f"line {number} " in reason for number in (1, 3, 4, 5))


def test_a_line_without_an_end_is_never_read_whole(tmp_path: Path) -> None:
    with (tmp_path / "train.txt").open("wb") as handle:
        handle.write(b"train_1,0.5,")
        handle.truncate(3 * CHUNK)  # zeros that take no place on disk
        handle.seek(3 * CHUNK)
        handle.write(b"\n" + a_sample("train_2", values="1").encode())
    assert [recording.name for recording in find_cikm(tmp_path, WANTED).recordings][:1] == ["train_2-height_1"]
    assert f"line 1 of {3 * CHUNK} bytes" in skipped(tmp_path)["train.txt"]


def test_a_file_that_changed_since_it_was_listed_is_not_read_at_the_old_places(tmp_path: Path) -> None:
    write(tmp_path, a_sample("train_1"), a_sample("train_2"))
    recording = find_cikm(tmp_path, WANTED).recordings[4]
    write(tmp_path, a_sample("train_1", values="1"))
    with pytest.raises(UnusableFile, match=r"train\.txt has changed since its lines were found; prepare it again"):
        recording.load()


def test_archives_are_to_be_unpacked(tmp_path: Path) -> None:
    (tmp_path / "CIKM2017_train.tar.gz").write_bytes(b"x")
    with pytest.raises(UserError, match=r"Unpack CIKM2017_train.tar.gz first"):
        find_cikm(tmp_path, WANTED)

"""Anyone's own data: what groups and categories are taken from, what is coloured, what is refused and how to go on."""

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.lib import format as npy
from PIL import Image

from platform.benchmarks.formats.own import find_own
from platform.benchmarks.recording import Found, Wanted
from platform.benchmarks.store_writer import write_store
from platform.config.errors import UserError

MakeAvi = Callable[..., Path]


def put_pictures(folder: Path, names: list[str], size: tuple[int, int] = (20, 20), colour: bool = False) -> None:
    """Each picture as bright as its place in the list; of a coloured one, the blue is 200."""
    folder.mkdir(parents=True, exist_ok=True)
    for value, name in enumerate(names):
        picture = np.full(size, value, np.uint8)
        coloured = np.stack([picture, picture, np.full(size, 200, np.uint8)], -1)
        Image.fromarray(coloured if colour else picture).save(folder / name)


def put_array(file: Path, array: np.ndarray) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    np.save(file, array, allow_pickle=array.dtype.hasobject)
    return file


def clips(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def who(found: Found) -> list[tuple[str, str, str]]:
    return [(one.name, one.group, one.category) for one in found.recordings]


def told(found: Found) -> dict[str, str]:
    return {skip.file: skip.reason for skip in found.skipped}


def test_videos_in_no_sub_folder_each_stand_for_themselves(tmp_path: Path, make_avi: MakeAvi) -> None:
    for name in ("b.avi", "a.AVI"):
        make_avi(tmp_path / name, num_frames=5)
    found = find_own(tmp_path, Wanted(16))
    assert who(found) == [("a.AVI", "a", "video"), ("b.avi", "b", "video")]
    assert [one.num_frames for one in found.recordings] == [5, 5]
    assert found.recordings[0].load().shape == (5, 16, 16, 3)


def test_the_top_sub_folder_is_group_and_category(tmp_path: Path, make_avi: MakeAvi) -> None:
    make_avi(tmp_path / "cage1" / "monday" / "a.avi")
    put_pictures(tmp_path / "cage2" / "tuesday", ["1.png", "2.png"])
    assert who(find_own(tmp_path, Wanted(8))) == [
        ("cage1/monday/a.avi", "cage1", "cage1"),
        ("cage2/tuesday", "cage2", "cage2"),
    ]


def test_group_by_names_the_unit_from_the_path_and_what_has_none_is_named(tmp_path: Path, make_avi: MakeAvi) -> None:
    for name in ("day1/mouse7_a.avi", "day2/mouse7_b.avi", "day2/empty_cage.avi"):
        make_avi(tmp_path / name)
    found = find_own(tmp_path, Wanted(8, group_by="(mouse[0-9]+)"))
    assert who(found) == [("day1/mouse7_a.avi", "mouse7", "day1"), ("day2/mouse7_b.avi", "mouse7", "day2")]
    assert "finds no group in its path; widen it" in told(found)["day2/empty_cage.avi"]


def test_the_path_above_the_folder_names_no_unit(tmp_path: Path, make_avi: MakeAvi) -> None:
    make_avi(tmp_path / "mouse1" / "a.avi")
    with pytest.raises(UserError, match="finds no group in its path"):
        find_own(tmp_path / "mouse1", Wanted(8, group_by="(mouse[0-9]+)"))


def test_numbered_pictures_are_in_the_order_of_their_last_digits(tmp_path: Path) -> None:
    put_pictures(tmp_path / "run2", [f"cam1_{number}.png" for number in (8, 9, 10, 11)])
    (one,) = find_own(tmp_path, Wanted(8)).recordings
    assert (one.name, one.group, one.category, one.num_frames) == ("run2", "run2", "video", 4)
    assert one.load()[:, 0, 0, 0].tolist() == [0, 1, 2, 3]


def test_pictures_without_numbers_are_in_the_order_of_their_names(tmp_path: Path) -> None:
    put_pictures(tmp_path / "run", ["alpha.png", "beta.png", "gamma.png"])
    (one,) = find_own(tmp_path, Wanted(8)).recordings
    assert one.ranges == ((0, 3),)
    assert one.load()[:, 0, 0, 0].tolist() == [0, 1, 2]


def test_a_missing_picture_ends_a_stretch_and_is_named(tmp_path: Path) -> None:
    put_pictures(tmp_path / "run", [f"{number}.png" for number in (1, 2, 3, 5, 6)])
    found = find_own(tmp_path, Wanted(8))
    assert found.recordings[0].ranges == ((0, 3), (3, 5))
    assert "run goes from 3 to 5" in told(found)["numbered pictures"]


def test_pictures_that_do_not_belong_are_named(tmp_path: Path, make_avi: MakeAvi) -> None:
    put_pictures(tmp_path / "run", ["1.png", "2.png", "cover.png", "x_2.png"])
    put_pictures(tmp_path / "alone", ["1.png"])
    make_avi(tmp_path / "films" / "a.avi")
    put_pictures(tmp_path / "films", ["a.png", "b.png"])
    found = find_own(tmp_path, Wanted(8))
    assert [name for name, _, _ in who(found)] == ["films/a.avi", "run"]
    assert told(found) == {
        "run/cover.png": "it has no number, the pictures beside it have",
        "run/x_2.png": "another picture here has the same number",
        "alone": "it holds one picture; a video has more",
        "films": "2 pictures beside videos or arrays are left out; give frames a folder of their own",
    }


def test_a_folder_of_pictures_may_itself_be_given(tmp_path: Path) -> None:
    put_pictures(tmp_path / "run", ["1.png", "2.png"])
    assert who(find_own(tmp_path / "run", Wanted(8))) == [("run", "run", "video")]


def test_all_is_grey_only_where_nothing_is_coloured_or_grey_is_asked_for(tmp_path: Path) -> None:
    put_pictures(tmp_path / "grey", ["1.png", "2.png"])
    assert find_own(tmp_path, Wanted(8)).channels == 1
    put_pictures(tmp_path / "red", ["1.png", "2.png"], colour=True)
    found = find_own(tmp_path, Wanted(8))
    assert found.channels == 3
    assert [one.load().shape for one in found.recordings] == [(2, 8, 8, 3)] * 2
    assert found.recordings[1].load()[0, 0, 0].tolist() == [0, 0, 200]
    grey = find_own(tmp_path, Wanted(8, grey=True))
    assert grey.channels == 1
    assert [one.load().shape for one in grey.recordings] == [(2, 8, 8, 1)] * 2


def test_grey_after_colour_is_another_store(tmp_path: Path) -> None:
    put_pictures(tmp_path / "own" / "red", ["1.png", "2.png"], colour=True)

    def stored(*, grey: bool, replace: bool = False) -> int:
        found = find_own(tmp_path / "own", Wanted(8, grey=grey))
        store = write_store(
            tmp_path / "s", found, dataset="own_lab", synthetic=False, reader_version="1", replace=replace
        )
        return store.manifest.channels

    assert stored(grey=False) == 3
    with pytest.raises(UserError, match="--replace"):
        stored(grey=True)
    assert stored(grey=True, replace=True) == 1
    assert stored(grey=True) == 1


def test_the_largest_square_in_the_middle_is_seen(tmp_path: Path) -> None:
    video = np.zeros((1, 2, 10, 30), np.uint8)
    video[..., 10:20] = 90
    put_array(tmp_path / "a.npy", video)
    assert (find_own(tmp_path, Wanted(5)).recordings[0].load() == 90).all()


def test_every_sample_of_an_array_stands_for_itself_unless_group_by_is_given(tmp_path: Path) -> None:
    array = clips(2, 5, 8, 8)
    put_array(tmp_path / "a.npy", array)
    put_array(tmp_path / "lab" / "mouse3.npy", array)
    found = find_own(tmp_path, Wanted(8))
    assert who(found) == [
        ("a.npy[0]", "a_0", "video"),
        ("a.npy[1]", "a_1", "video"),
        ("lab/mouse3.npy[0]", "lab/mouse3_0", "lab"),
        ("lab/mouse3.npy[1]", "lab/mouse3_1", "lab"),
    ]
    assert np.array_equal(found.recordings[1].load()[..., 0], array[1])
    named = find_own(tmp_path, Wanted(8, group_by="(mouse[0-9])"))
    assert [one.group for one in named.recordings] == ["mouse3", "mouse3"]
    assert "finds no group in its path; widen it" in told(named)["a.npy"]


@pytest.mark.parametrize("kind", ["<f4", ">f8", "<f2"])
def test_floats_from_0_to_1_are_stored_as_their_nearest_level(tmp_path: Path, kind: str) -> None:
    array = clips(1, 4, 8, 8)
    put_array(tmp_path / "a.npy", (array / 255).astype(kind))
    assert np.array_equal(find_own(tmp_path, Wanted(8)).recordings[0].load()[..., 0], array[0])


@pytest.mark.parametrize(("colours", "stored"), [(1, 1), (3, 3), (4, 3)])
def test_colours_come_last_and_transparency_is_dropped(tmp_path: Path, colours: int, stored: int) -> None:
    array = clips(1, 4, 8, 8, colours)
    put_array(tmp_path / "a.npy", array)
    found = find_own(tmp_path, Wanted(8))
    assert found.channels == stored
    assert np.array_equal(found.recordings[0].load(), array[0, ..., :stored])


def test_arrays_stored_by_columns_are_read_alike(tmp_path: Path) -> None:
    array = clips(2, 4, 8, 8)
    put_array(tmp_path / "a.npy", np.asfortranarray(array))
    assert np.array_equal(find_own(tmp_path, Wanted(8)).recordings[1].load()[..., 0], array[1])


@pytest.mark.parametrize(
    ("array", "repair"),
    [
        (clips(2, 5, 3, 16, 16), r"save numpy\.moveaxis\(array, 2, -1\)"),
        (clips(2, 3, 5, 16, 16), r"save numpy\.moveaxis\(array, 1, -1\)"),
        (clips(2, 5, 16, 16, 7), r"choose 1, 3 or 4 of its last axis"),
        (clips(5, 16, 16, 3), r"of one coloured video save array\[None\]"),
        (clips(5, 1, 16, 16), r"if the second axis is colour, save array\[:, 0\]\[None\]"),
        (clips(5, 16, 16), r"of one grey video save array\[None\]"),
        (clips(0, 5, 16, 16), r"there is nothing in it"),
        (clips(1, 5, 8, 8).astype(np.int16), r"values of int16; save uint8 from 0 to 255"),
        (clips(1, 5, 8, 8) > 7, r"values of bool"),
        (clips(1, 5, 8, 8).astype(np.float32), r"frame 0 has values from 0 to 248; save floats from 0 to 1"),
        (np.full((1, 5, 8, 8), np.nan), r"has values from nan to nan"),
        (np.array([[1], "a"], object), r"holds objects .*numpy\.save"),
    ],
)
def test_what_an_array_means_is_not_guessed(tmp_path: Path, array: np.ndarray, repair: str) -> None:
    put_array(tmp_path / "a.npy", array)
    with pytest.raises(UserError, match=rf"a\.npy: .*{repair}"):
        find_own(tmp_path, Wanted(8))


def header(shape: tuple[int, ...], kind: str = "|u1") -> bytes:
    return (
        npy.magic(1, 0)
        + (text := f"{{'descr': {kind!r}, 'fortran_order': False, 'shape': {shape}, }}\n")
        .__len__()
        .to_bytes(2, "little")
        + text.encode()
    )


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "cut off"),
        (b"not an array" * 50, "holds objects or is no npy file"),
        (pickle.dumps([1, 2, 3]), "holds objects or is no npy file"),
        (header((1, 5, 8, 8)), "cut off"),
        (header((1, 5, 8, 8)) + bytes(319), "cut off"),
        (header((1 << 40, 1 << 40, 8, 8)) + bytes(320), "cut off"),
        (header((1 << 70, 2, 8, 8)) + bytes(320), "cut off"),
        (header((-1, 5, 8, 8)) + bytes(320), "cut off"),
        (header((1, 5, 8, 8), "|O") + bytes(320), "holds objects or is no npy file"),
        (header((1, 5, 8, 8))[:20], "cut off"),
    ],
)
def test_a_damaged_array_is_named_and_the_rest_is_used(tmp_path: Path, content: bytes, says: str) -> None:
    (tmp_path / "bad.npy").write_bytes(content)
    put_array(tmp_path / "good.npy", clips(1, 5, 8, 8))
    found = find_own(tmp_path, Wanted(8))
    assert [name for name, _, _ in who(found)] == ["good.npy[0]"]
    assert says in told(found)["bad.npy"]


def test_an_npz_under_another_name_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", clips(1, 5, 8, 8))
    (tmp_path / "a.npz").rename(tmp_path / "a.npy")
    with pytest.raises(UserError, match=r"a\.npy: it .* is no npy file .*save it with numpy\.save"):
        find_own(tmp_path, Wanted(8))


def test_one_sample_out_of_range_is_skipped_and_damaged_videos_are_named(tmp_path: Path, make_avi: MakeAvi) -> None:
    source = tmp_path / "own"
    samples = np.zeros((3, 4, 8, 8))
    samples[1, 2] = 9
    put_array(source / "a.npy", samples)
    make_avi(source / "b.avi", num_frames=4)
    (source / "c.avi").write_bytes((source / "b.avi").read_bytes()[:700])
    (source / "d.mp4").write_bytes(b"")
    put_pictures(source / "e", ["1.png", "2.png"])
    put_pictures(source / "e", ["3.png"], size=(9, 9))
    found = find_own(source, Wanted(8))
    store = write_store(tmp_path / "s", found, dataset="own_lab", synthetic=False, reader_version="1")
    assert [video.name for video in store.videos] == ["b.avi", "a.npy[0]", "a.npy[2]"]
    reasons = {skip.file: skip.reason for skip in store.manifest.skipped}
    assert "save floats from 0 to 1" in reasons["a.npy[1]"]
    assert "cut off" in reasons["c.avi"]
    assert "cannot be decoded" in reasons["d.mp4"]
    assert "3.png is 9x9, 1.png is 20x20" in reasons["e"]


def test_files_of_other_kinds_are_counted_and_hidden_ones_passed_over(tmp_path: Path) -> None:
    put_array(tmp_path / "a.npy", clips(1, 5, 8, 8))
    for name in ("notes.txt", "more.txt", "._a.npy", "b.npz"):
        (tmp_path / name).write_bytes(b"x")
    assert told(find_own(tmp_path, Wanted(8))) == {
        "b.npz": "no video, picture or .npy array: 1 such files; save each of their arrays with numpy.save",
        "*.txt": "no video, picture or .npy array: 2 such files",
    }


def test_a_link_that_leads_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    outside = put_array(tmp_path / "secret.npy", clips(1, 5, 8, 8))
    put_array(tmp_path / "own" / "a.npy", clips(1, 5, 8, 8))
    (tmp_path / "own" / "b.npy").symlink_to(outside)
    found = find_own(tmp_path / "own", Wanted(8))
    assert len(found.recordings) == 1
    assert "leads out of the folder" in told(found)["b.npy"]


def test_nothing_at_all_says_what_is_looked_for_and_names_archives(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no usable videos, folders of frames or \.npy arrays .*to --from"):
        find_own(tmp_path, Wanted(8))
    (tmp_path / "all.zip").write_bytes(b"")
    with pytest.raises(UserError, match=r"Unpack all\.zip first"):
        find_own(tmp_path, Wanted(8))


def test_the_same_files_have_the_same_keys_and_changed_ones_others(tmp_path: Path) -> None:
    put_array(tmp_path / "a.npy", clips(1, 5, 8, 8))
    put_pictures(tmp_path / "run", ["1.png", "2.png"])
    keys = [one.key for one in find_own(tmp_path, Wanted(8)).recordings]
    assert keys == [one.key for one in find_own(tmp_path, Wanted(8)).recordings]
    put_pictures(tmp_path / "run", ["1.png", "2.png"], size=(30, 31))
    put_array(tmp_path / "a.npy", clips(1, 6, 8, 8))
    assert not set(keys) & {one.key for one in find_own(tmp_path, Wanted(8)).recordings}

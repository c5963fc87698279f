"""Weizmann's videos: who and what come from the name, and a tenth video of an action belongs to it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from platform.benchmarks.formats.weizmann import find_weizmann
from platform.benchmarks.recording import Wanted
from platform.benchmarks.store_writer import write_store
from platform.config.errors import UserError

MakeAvi = Callable[..., Path]


def test_actor_action_and_a_counted_second_video(tmp_path: Path, make_avi: MakeAvi) -> None:
    for name in ("daria_walk", "lena_run1", "lena_run2", "shahar_wave2"):
        make_avi(tmp_path / "all" / f"{name}.avi", num_frames=5)
    found = find_weizmann(tmp_path, Wanted(16))
    assert [(one.name, one.group, one.category) for one in found.recordings] == [
        ("daria_walk", "daria", "walk"),
        ("lena_run1", "lena", "run"),
        ("lena_run2", "lena", "run"),
        ("shahar_wave2", "shahar", "wave2"),
    ]
    assert found.recordings[0].load().shape == (5, 16, 16, 1)


def test_other_names_copies_and_damaged_videos_are_named_and_the_rest_is_stored(
    tmp_path: Path, make_avi: MakeAvi
) -> None:
    source = tmp_path / "w"
    make_avi(source / "daria_walk.avi", num_frames=5)
    make_avi(source / "copy" / "daria_walk.avi", num_frames=5)
    make_avi(source / "peter_walk.avi", num_frames=5)
    (source / "ido_jack.avi").write_bytes(b"")
    (source / "eli_bend.avi").write_bytes((source / "daria_walk.avi").read_bytes()[:700])
    store = write_store(
        tmp_path / "s", find_weizmann(source, Wanted(16)), dataset="weizmann", synthetic=False, reader_version="1"
    )
    assert [video.name for video in store.videos] == ["daria_walk"]
    told = {skip.file: skip.reason for skip in store.manifest.skipped}
    assert told["peter_walk.avi"] == "its name is not ACTOR_ACTION.avi, as daria_walk.avi"
    assert "found in another folder" in told["daria_walk.avi"]
    assert "cannot be decoded" in told["ido_jack"]
    assert "cut off" in told["eli_bend"]


def test_nothing_usable_names_what_is_looked_for(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no usable ACTOR_ACTION\.avi .*daria_walk\.avi, \.\.\. to --from"):
        find_weizmann(tmp_path, Wanted(16))


def test_archives_not_yet_unpacked_and_links_out_of_the_folder_are_named(tmp_path: Path, make_avi: MakeAvi) -> None:
    source = tmp_path / "w"
    source.mkdir()
    (source / "walk.zip").write_bytes(b"")
    (source / "round").symlink_to(source)
    (source / "daria_walk.avi").symlink_to(make_avi(tmp_path / "daria_walk.avi"))
    with pytest.raises(UserError, match=r"daria_walk\.avi: it is a link that leads out.*Unpack walk\.zip first"):
        find_weizmann(source, Wanted(16))


@pytest.mark.real_data
def test_videos_of_any_size_are_stored_grey_at_the_size_asked_for(data_root: Path, tmp_path: Path) -> None:
    source = tmp_path / "w"
    source.mkdir()
    (source / "ira_skip.AVI").write_bytes((data_root / "natural" / "carphone_pristine.mp4").read_bytes())
    (one,) = find_weizmann(source, Wanted(32)).recordings
    assert one.load().shape == (120, 32, 32, 1)

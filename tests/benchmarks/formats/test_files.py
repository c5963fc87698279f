"""Files of a folder that a user named: all of them, once, and nothing from elsewhere."""

import os
import subprocess
from pathlib import Path

import pytest

from platform.benchmarks.formats.fields import require_folder
from platform.benchmarks.formats.files import files_below
from platform.config.errors import UserError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("data/b/two.avi", "data/a/one.AVI", "data/notes.txt", "elsewhere/secret.avi"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    return tmp_path / "data"


def names(folder: Path, *patterns: str) -> list[str]:
    return [str(file.relative_to(folder)) for file in files_below(folder, *patterns)[0]]


def reasons(folder: Path) -> dict[str, str]:
    return {skip.file: skip.reason for skip in files_below(folder, "*.avi")[1]}


def test_files_come_by_name_whatever_the_case_of_their_ending(folder: Path) -> None:
    assert names(folder, "*.avi") == ["a/one.AVI", "b/two.avi"]
    assert names(folder, "*.avi", "*.txt") == ["notes.txt", "a/one.AVI", "b/two.avi"]


def test_the_folder_itself_may_be_a_link(folder: Path) -> None:
    link = folder.parent / "link"
    link.symlink_to(folder)
    assert names(link, "*.avi") == ["a/one.AVI", "b/two.avi"]


def test_a_link_within_the_folder_is_followed_once(folder: Path) -> None:
    (folder / "zz").symlink_to(folder / "b")
    assert names(folder, "*.avi") == ["a/one.AVI", "b/two.avi"]
    assert "read already" in reasons(folder)["zz"]


def test_links_that_leave_the_folder_are_named_and_not_read(folder: Path) -> None:
    (folder / "out").symlink_to(folder.parent / "elsewhere")
    (folder / "out.avi").symlink_to(folder.parent / "elsewhere" / "secret.avi")
    assert names(folder, "*.avi") == ["a/one.AVI", "b/two.avi"]
    assert set(reasons(folder)) == {"out", "out.avi"}
    assert all("copy the file there" in reason for reason in reasons(folder).values())


def test_links_that_go_round_or_nowhere_end(folder: Path) -> None:
    (folder / "a" / "up").symlink_to(folder)
    (folder / "self.avi").symlink_to(folder / "self.avi")
    (folder / "gone.avi").symlink_to(folder / "was.avi")
    assert names(folder, "*.avi") == ["a/one.AVI", "b/two.avi"]
    assert set(reasons(folder)) == {"a/up", "self.avi", "gone.avi"}


def test_a_folder_beside_it_whose_name_begins_alike_is_outside(folder: Path) -> None:
    beside = folder.with_name("data2")
    beside.mkdir()
    (beside / "d.avi").touch()
    (folder / "d.avi").symlink_to(beside / "d.avi")
    assert "leads out" in reasons(folder)["d.avi"]


def test_a_file_with_a_link_to_it_is_listed_once_under_its_own_name(folder: Path) -> None:
    (folder / "another.avi").symlink_to("b/two.avi")
    assert names(folder, "*.avi") == ["a/one.AVI", "b/two.avi"]
    assert "link to two.avi, which is read already" in reasons(folder)["another.avi"]


def test_a_link_gives_a_hidden_file_its_name(folder: Path) -> None:
    """As git-annex and DVC keep large files: under a hash, in a hidden folder."""
    (folder / ".store").mkdir()
    (folder / "b" / "two.avi").rename(folder / ".store" / "5e1f.avi")
    (folder / "b" / "two.avi").symlink_to("../.store/5e1f.avi")
    assert names(folder, "*.avi") == ["a/one.AVI", "b/two.avi"]
    assert reasons(folder) == {}


def test_a_pipe_is_named_and_never_opened(folder: Path) -> None:
    os.mkfifo(folder / "c.avi")
    assert "pipe" in reasons(folder)["c.avi"]


def test_a_folder_called_like_a_file_is_looked_into(folder: Path) -> None:
    (folder / "c.avi").mkdir()
    (folder / "c.avi" / "d.avi").touch()
    assert "c.avi/d.avi" in names(folder, "*.avi")


def test_a_name_that_is_no_utf_8_can_be_written_down(folder: Path) -> None:
    os.symlink("gone", os.fsencode(folder) + b"/\xff.avi")
    assert list(reasons(folder)) == ["?.avi"]


def test_folders_deeper_than_pythons_stack_are_looked_into(tmp_path: Path) -> None:
    deep = tmp_path
    for _ in range(12):
        deep = deep / "/".join("d" * 90)
        os.makedirs(deep)
    (deep / "a.avi").touch()
    try:
        assert len(files_below(tmp_path, "*.avi")[0]) == 1
    finally:  # pytest's own cleaning recurses, and would leave it for every later run to fail on
        subprocess.run(["rm", "-rf", str(tmp_path / "d")], check=True)


def test_a_file_in_place_of_a_folder_is_told_with_its_folder(tmp_path: Path) -> None:
    (tmp_path / "bikes.mp4").touch()
    with pytest.raises(UserError, match=rf"{tmp_path}/bikes\.mp4 is a file, .*to --from: {tmp_path}\."):
        require_folder(tmp_path / "bikes.mp4", "videos")
    with pytest.raises(UserError, match=rf"no folder {tmp_path}/gone\. Give the one with videos to --from"):
        require_folder(tmp_path / "gone", "videos")


def test_a_folder_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    files, skipped = files_below(tmp_path / "gone", "*")
    assert files == []
    assert "cannot be read" in skipped[0].reason

"""Files of a folder that a user named: all of them, once, and nothing from elsewhere."""

from pathlib import Path

import pytest

from platform.benchmarks.formats.files import files_below


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

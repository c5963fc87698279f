"""Preparing survives kills, never shows half a store, and holds one video at a time."""

import signal
import subprocess
import sys
import textwrap
import weakref
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from platform.benchmarks.encoding import Encoding
from platform.benchmarks.recording import Found, Recording, UnusableFile, usable_ranges
from platform.benchmarks.store import FrameStore
from platform.benchmarks.store_writer import write_store
from platform.config.errors import UserError

RAIN = Encoding(unit="mm/h", scale="rain", lowest=0, highest=60)
Recordings = Callable[..., list[Recording]]

# A process of its own that stores ten videos, a shard each, and does something drastic when it loads the fourth.
DRASTIC = """
import os, resource, signal, sys
from pathlib import Path
import numpy as np
from platform.benchmarks.recording import Found, Recording
from platform.benchmarks.store_writer import write_store
from platform.config.errors import UserError

def load(number):
    if number == 3:
        {drastic}
    return np.full((20, 8, 8, 1), number, np.uint8)

videos = [Recording(f"v{{n}}", "1", "boxing", f"k{{n}}", lambda n=n: load(n)) for n in range(10)]
try:
    write_store(Path(sys.argv[1]), Found(videos, frame_size=(8, 8)), dataset="kth", synthetic=False, reader_version="1",
                shard_bytes=1)
except UserError as fault:
    print(fault)
    sys.exit(2)
"""


def drastic_run(target: Path, drastic: str) -> subprocess.CompletedProcess[str]:
    code = textwrap.dedent(DRASTIC).format(drastic=drastic)
    return subprocess.run([sys.executable, "-c", code, str(target)], capture_output=True, text=True, timeout=120)


def same_videos(loaded: list[int]) -> Found:
    """The inputs of DRASTIC, noting which are loaded."""

    def load(number: int) -> np.ndarray:
        loaded.append(number)
        return np.full((20, 8, 8, 1), number, np.uint8)

    return Found([Recording(f"v{n}", "1", "boxing", f"k{n}", partial(load, n)) for n in range(10)], frame_size=(8, 8))


def store(target: Path, found: Found, **options: object) -> FrameStore:
    settings: dict = {
        "dataset": "kth",
        "synthetic": False,
        "reader_version": "1",
        "shard_bytes": 1,
    }
    return write_store(target, found, **(settings | options))


def test_a_killed_writer_leaves_no_store_and_the_next_goes_on_where_it_was(tmp_path: Path) -> None:
    target = tmp_path / "kth-8"
    killed = drastic_run(target, "os.kill(os.getpid(), signal.SIGKILL)")
    assert killed.returncode == -signal.SIGKILL
    assert not target.exists()
    loaded: list[int] = []
    prepared = store(target, same_videos(loaded))
    assert loaded == list(range(3, 10))
    prepared.verify()
    assert [int(prepared.frames(video)[0, 0, 0, 0]) for video in range(10)] == list(range(10))
    assert prepared.manifest.fingerprint == store(tmp_path / "at-once", same_videos([])).manifest.fingerprint


def test_ctrl_c_leaves_no_store_and_the_next_goes_on_where_it_was(tmp_path: Path) -> None:
    target = tmp_path / "kth-8"
    interrupted = drastic_run(target, "os.kill(os.getpid(), signal.SIGINT)")
    assert interrupted.returncode == -signal.SIGINT
    assert sorted(file.name for file in tmp_path.iterdir() if file.is_dir()) == ["kth-8.partial"]
    assert not list((tmp_path / "kth-8.partial").glob("writing*"))
    loaded: list[int] = []
    store(target, same_videos(loaded))
    assert loaded == list(range(3, 10))
    assert sorted(file.name for file in tmp_path.iterdir() if file.is_dir()) == ["kth-8"]


@pytest.mark.parametrize(
    "kill_at",
    [
        "Path.replace = lambda f, to: os.kill(os.getpid(), 9) if f.suffix == '.partial' else os.replace(f, to)",
        "Path.unlink = lambda f, missing_ok=False: f.suffix == '.json' and os.kill(os.getpid(), 9)",
    ],
    ids=["before the rename", "after the rename"],
)
def test_a_kill_while_the_store_is_named_costs_no_video(tmp_path: Path, kill_at: str) -> None:
    target = tmp_path / "kth-8"
    killed = drastic_run(target, kill_at)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    loaded: list[int] = []
    prepared = store(target, same_videos(loaded))
    assert loaded == []
    assert prepared.manifest.fingerprint == store(tmp_path / "at-once", same_videos([])).manifest.fingerprint
    assert [file.name for file in tmp_path.iterdir() if file.is_dir() and file != tmp_path / "at-once"] == ["kth-8"]


def test_a_disk_that_fills_up_is_named_with_free_and_needed_space(tmp_path: Path) -> None:
    # From the fourth video on the process may not write files above 600 bytes: the system refuses as a full disk does.
    full = drastic_run(
        tmp_path / "kth-8",
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (600, 600))",
    )
    assert full.returncode == 2, full.stderr
    assert "MB free, about" in full.stdout
    assert "--to or TMU_HOME" in full.stdout
    assert not (tmp_path / "kth-8").exists()
    assert not list(tmp_path.rglob("*.tmp"))
    assert not list(tmp_path.rglob("writing*"))
    loaded: list[int] = []
    store(tmp_path / "kth-8", same_videos(loaded)).verify()
    assert loaded == list(range(3, 10))


def test_a_disk_too_small_is_found_before_anything_is_loaded(tmp_path: Path) -> None:
    loaded: list[int] = []
    found = same_videos(loaded)
    huge = replace(found, recordings=[replace(video, num_frames=10**15) for video in found.recordings])
    with pytest.raises(UserError, match=r"MB free, about \d+ MB needed.*run the same command again"):
        store(tmp_path / "kth-8", huge)
    assert loaded == []
    assert not [file for file in tmp_path.iterdir() if file.is_dir()]


def test_finished_shards_of_other_inputs_are_not_taken_over(tmp_path: Path) -> None:
    drastic_run(tmp_path / "kth-8", "os._exit(1)")
    loaded: list[int] = []
    found = same_videos(loaded)
    videos = list(found.recordings)
    videos[1] = replace(videos[1], key="the file was changed")
    store(tmp_path / "kth-8", replace(found, recordings=videos))
    assert loaded == list(range(1, 10))


def in_colour(loaded: list[int]) -> Found:
    found = same_videos(loaded)
    videos = [replace(video, load=partial(_three_times, video.load)) for video in found.recordings]
    return replace(found, recordings=videos, channels=3)


def _three_times(load: Callable[[], np.ndarray]) -> np.ndarray:
    return np.repeat(load(), 3, axis=-1)


def test_finished_shards_of_other_channels_are_not_taken_over(tmp_path: Path) -> None:
    drastic_run(tmp_path / "kth-8", "os._exit(1)")
    loaded: list[int] = []
    assert store(tmp_path / "kth-8", in_colour(loaded)).manifest.channels == 3
    assert loaded == list(range(10))


@pytest.mark.parametrize(
    "changed",
    [
        lambda found: in_colour([]),
        lambda found: replace(found, fit="the middle half"),
        lambda found: replace(found, encoding=RAIN),
    ],
    ids=["channels", "fit", "encoding"],
)
def test_the_same_files_stored_otherwise_are_something_else(tmp_path: Path, changed: Callable[[Found], Found]) -> None:
    first, other = same_videos([]), changed(same_videos([]))
    store(tmp_path / "kth-8", first)
    with pytest.raises(UserError, match=r"already holds 10 videos.*--replace"):
        store(tmp_path / "kth-8", other)
    made = store(tmp_path / "kth-8", other, replace=True).manifest
    assert (made.channels, made.encoding) == (other.channels, other.encoding)


def test_the_fingerprint_is_of_the_content_alone(tmp_path: Path) -> None:
    """Results refer to it: what was prepared by an earlier version keeps its own, and fit and keys do not count."""
    before = "37c7498f1a022d1f720fa89d682bc4fa7da1123b374ee66a26801e5f82004679"
    for number, fit in enumerate(("", "the middle half")):
        found = replace(same_videos([]), fit=fit)
        assert store(tmp_path / f"s{number}", found).manifest.fingerprint == before


def test_the_same_inputs_are_not_stored_twice(tmp_path: Path) -> None:
    store(tmp_path / "kth-8", same_videos([]))
    loaded: list[int] = []
    store(tmp_path / "kth-8", same_videos(loaded))
    assert loaded == []


def test_a_store_of_something_else_is_kept_unless_replaced(tmp_path: Path, recordings: Recordings) -> None:
    target = tmp_path / "kth-8"
    first = store(target, Found(recordings(2), frame_size=(8, 8))).manifest.fingerprint
    with pytest.raises(UserError, match=r"already holds 2 videos.*--replace"):
        store(target, Found(recordings(3), frame_size=(8, 8)))
    assert FrameStore.open(target).manifest.fingerprint == first
    assert len(store(target, Found(recordings(3), frame_size=(8, 8)), replace=True).videos) == 3
    assert sorted(file.name for file in tmp_path.iterdir() if file.is_dir()) == ["kth-8"]


def test_a_damaged_store_is_made_anew_with_replace(tmp_path: Path, recordings: Recordings) -> None:
    target = tmp_path / "kth-8"
    store(target, Found(recordings(2), frame_size=(8, 8)))
    (target / "frames-00000.arrow").write_bytes(b"")
    with pytest.raises(UserError, match="cut off"):
        store(target, Found(recordings(2), frame_size=(8, 8)))
    store(target, Found(recordings(2), frame_size=(8, 8)), replace=True).verify()


def test_an_unusable_video_is_skipped_and_named_and_the_rest_is_stored(tmp_path: Path, recordings: Recordings) -> None:
    def refuse() -> np.ndarray:
        raise UnusableFile("it is cut off")

    videos = recordings(3)
    videos[1] = replace(videos[1], load=refuse)
    written = store(tmp_path / "kth-8", Found(videos, frame_size=(8, 8)))
    assert [video.name for video in written.videos] == ["video0", "video2"]
    assert [(skip.file, skip.reason) for skip in written.manifest.skipped] == [("video1", "it is cut off")]


def test_a_video_without_frames_is_skipped(tmp_path: Path, recordings: Recordings) -> None:
    videos = recordings(2)
    videos[0] = replace(videos[0], load=lambda: np.empty((0, 8, 8, 1), np.uint8))
    assert store(tmp_path / "kth-8", Found(videos, frame_size=(8, 8))).manifest.skipped[0].reason == "it has no frames"


def test_nothing_usable_is_an_error_that_names_the_reasons(tmp_path: Path, recordings: Recordings) -> None:
    def refuse() -> np.ndarray:
        raise UnusableFile("it is cut off")

    videos = [replace(video, load=refuse) for video in recordings(2)]
    with pytest.raises(UserError, match=r"no usable file for kth .video0: it is cut off; video1"):
        store(tmp_path / "kth-8", Found(videos, frame_size=(8, 8)))
    assert not [file for file in tmp_path.iterdir() if file.is_dir()]


def test_no_more_than_one_video_is_held(tmp_path: Path, recordings: Recordings) -> None:
    held: list[weakref.ref[np.ndarray]] = []

    def watched(video: Recording) -> Callable[[], np.ndarray]:
        def load() -> np.ndarray:
            assert all(frames() is None for frames in held), "the video before is still in memory"
            frames = video.load()
            held.append(weakref.ref(frames))
            return frames

        return load

    videos = [replace(video, load=watched(video)) for video in recordings(6)]
    store(tmp_path / "kth-8", Found(videos, frame_size=(8, 8)), shard_bytes=1 << 30)
    assert len(held) == 6


def test_two_processes_make_one_store(tmp_path: Path) -> None:
    target = tmp_path / "kth-8"
    code = textwrap.dedent(DRASTIC).format(drastic="__import__('time').sleep(0.5)")
    runs = [subprocess.Popen([sys.executable, "-c", code, str(target)]) for _ in range(2)]
    assert [run.wait(timeout=120) for run in runs] == [0, 0]
    FrameStore.open(target).verify()


def test_a_folder_that_is_a_file_is_named_with_the_repair(tmp_path: Path, recordings: Recordings) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot write in .*--to or TMU_HOME"):
        store(tmp_path / "file" / "kth-8", Found(recordings(1), frame_size=(8, 8)))


@pytest.mark.parametrize(
    ("listed", "usable"),
    [
        (((0, 10), (20, 30)), ((0, 10), (20, 25))),
        (((30, 40),), ((0, 25),)),
        ((), ((0, 25),)),
        (None, ((0, 25),)),
    ],
)
def test_ranges_are_clipped_to_the_real_length(listed: tuple | None, usable: tuple) -> None:
    assert usable_ranges(listed, 25) == usable

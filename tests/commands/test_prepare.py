"""`python -m platform.prepare` as a user types it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from platform.benchmarks.store import FrameStore


def prepare(*arguments: str | Path, home: Path, expect: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "platform.prepare", *map(str, arguments)],
        env={**os.environ, "TMU_HOME": str(home), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == expect, done.stderr
    assert "Traceback" not in done.stderr
    return done


def test_a_stand_in_is_made_and_listed(tmp_path: Path) -> None:
    done = prepare("flying_digits", "--synthetic", "--digits", "1", "--clips", "8,4,4", home=tmp_path)
    store = FrameStore.open(tmp_path / "benchmarks" / "flying_digits_1-64-synthetic")
    assert "flying_digits_1 (synthetic): 16 videos" in done.stdout
    assert store.manifest.fingerprint in done.stdout
    assert "flying_digits_1-64-synthetic" in prepare("--list", home=tmp_path).stdout


def test_an_empty_list_names_the_first_command(tmp_path: Path) -> None:
    assert "python -m platform.prepare kth --from DIR" in prepare("--list", home=tmp_path).stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "which benchmark? Name one of kth, weizmann, human36m, flying_digits"),
        (("kht", "--synthetic"), "did you mean 'kth'?"),
        (("kht",), "did you mean 'kth'?"),
        (("own_",), "own_NAME for your own data"),
        (("kth",), "Add --from DIR, DIR being the folder with KTH's AVI files"),
        (("weizmann", "--synthetic"), "weizmann has no stand-in"),
        (("own_lab", "--from", ".", "--group-by", "mouse[0-9]+"), "put the part that names the unit in parentheses"),
        (("own_lab", "--from", ".", "--group-by", "(mouse"), "is no regular expression"),
        (("kth", "--from", ".", "--grey"), "are for your own data, own_NAME"),
        (("kth", "--look", "--from", "."), "--look prepares nothing, so that --from would change nothing"),
        (("kth", "--look", "--to", "."), "set that instead of --to"),
        (("kth", "--look", "--set", "frame_sise=32"), "no such key (did you mean 'frame_size'?)"),
        (("kth", "--look"), "Run `python -m platform.prepare kth --from DIR`"),
        (("kth", "--set", "frame_size=32"), "Add --look."),
        (("kth", "--publish"), "Set TMU_REMOTE to storage that all machines reach"),
        (("kth", "--from", ".", "--event-hours", "2"), "--event-hours is for radars"),
        (("kth", "--from", "/no/such/folder"), "no folder /no/such/folder"),
        (("kth", "--synthetic", "--from", "."), "give one of them"),
        (("flying_digits", "--synthetic", "--digits", "4"), "give some of 1,2,3"),
        (("flying_digits", "--synthetic", "--clips", "many"), "give three numbers"),
        (("kth", "--synthetic", "--clips", "1,1,1"), "--clips is for flying_digits"),
        (("kth", "--synthetic", "--size", "4"), "--size"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_mistake_is_answered_with_the_repair(tmp_path: Path, arguments: tuple[str, ...], says: str) -> None:
    assert says in prepare(*arguments, home=tmp_path, expect=2).stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("place", ["/proc/nope", "/etc/passwd", "/etc/passwd/below"])
def test_a_folder_that_cannot_be_made_is_told_with_the_repair(tmp_path: Path, place: str) -> None:
    command = ("flying_digits", "--synthetic", "--digits", "1", "--clips", "2,2,2")
    for done in (
        prepare(*command, home=Path(place), expect=2),
        prepare(*command, "--to", place, home=tmp_path, expect=2),
    ):
        assert f"cannot write in {place}" in done.stderr
        assert "Choose another folder with --to or TMU_HOME." in done.stderr


def test_no_usable_file_is_an_error_that_names_them(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "person01_boxing_d1_uncomp.avi").write_bytes(b"nothing")
    done = prepare("kth", "--from", source, home=tmp_path / "home", expect=2)
    assert "no usable file for kth" in done.stderr
    assert "person01_boxing_d1: it cannot be decoded" in done.stderr
    assert not [file for file in (tmp_path / "home" / "benchmarks").iterdir() if file.is_dir()]


def test_ctrl_c_ends_with_one_line_and_the_same_command_goes_on(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "platform.prepare", "kth", "--synthetic"]
    running = subprocess.Popen(
        command, env={**os.environ, "TMU_HOME": str(tmp_path)}, stderr=subprocess.PIPE, text=True
    )
    partial = tmp_path / "benchmarks" / "kth-64-synthetic.partial"
    deadline = time.monotonic() + 120
    while not list(partial.glob("*.arrow.json")):
        assert time.monotonic() < deadline
        assert running.poll() is None
        time.sleep(0.05)
    running.send_signal(signal.SIGINT)
    _, errors = running.communicate(timeout=30)
    assert running.returncode == 130
    assert errors.strip() == "interrupted. Run the same command again to go on; what is finished is kept."
    assert not (tmp_path / "benchmarks" / "kth-64-synthetic").exists()
    assert "600 videos" in prepare("kth", "--synthetic", home=tmp_path).stdout
    assert not partial.exists()


@pytest.mark.real_data
def test_real_kth_is_stored_and_a_truncated_file_named(tmp_path: Path, data_root: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for file in [*(data_root / "kth").glob("*ing/person0[39]_running_d1_uncomp.avi")]:
        (source / file.name).write_bytes(file.read_bytes())
    cut = source / "person03_running_d1_uncomp.avi"
    cut.write_bytes(cut.read_bytes()[:100_000])
    done = prepare("kth", "--from", source, "--to", tmp_path / "to", home=tmp_path / "home")
    assert "kth: 1 videos, 325 frames of 64x64" in done.stdout
    assert "person03_running_d1: it is cut off: 100000 of 1614500 bytes" in done.stdout
    assert "Searches look in" in done.stdout
    FrameStore.open(tmp_path / "to" / "kth-64").verify()


@pytest.mark.real_data
def test_real_mnist_is_stored(tmp_path: Path, data_root: Path) -> None:
    source = data_root / "mnist"
    done = prepare("flying_digits", "--from", source, "--digits", "2,3", "--clips", "9,3,3", home=tmp_path)
    assert "flying_digits_2: 15 videos" in done.stdout
    assert "flying_digits_3: 15 videos" in done.stdout

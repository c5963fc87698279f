"""`python -m platform.bench` as a user types it; what it measures is tested in `tests/measure`."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--hidden", "abc"), "'abc': Input should be a valid integer"),
        (("--hidden", "8,-8"), "'-8': Input should be greater than 0"),
        (("--hidden", ""), "for example --hidden 64,64"),
        (("--hidden", "8,8.5"), "for example --hidden 64,64"),
        (("--json", "/no/such/folder/bench.json"), "there is no folder /no/such/folder. Make it first."),
        (("--repeats", "0"), "--repeats"),
        (("sorting",), "sorting"),
        (("nodes", "--nodes", "1,0"), "for example --nodes 1,2,4"),
        (("nodes", "--nodes", "some"), "for example --nodes 1,2,4"),
        (("nodes", "--yaml", "kht"), "kth"),
        (("nodes", "--yaml", "kth", "--profile", "desk"), "use laptop, full or auto"),
        (("step", "--yaml", "kth"), "platform.bench nodes --yaml kth"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_mistake_is_answered_with_the_repair_before_anything_is_timed(
    tmp_path: Path, arguments: tuple[str, ...], says: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "platform.bench", *arguments],
        env={**os.environ, "TMU_HOME": str(tmp_path), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert says in done.stderr
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.timeout(900)
def test_the_step_section_ends_in_its_part_of_the_table(tmp_path: Path) -> None:
    """Slow: the stand-in is made, and every alternative of a step is run."""
    figures = tmp_path / "figures.json"
    (tmp_path / "tmp").mkdir()
    command = [
        sys.executable,
        "-m",
        "platform.bench",
        "step",
        "--hidden",
        "4",
        "--repeats",
        "1",
        "--json",
        str(figures),
    ]
    done = subprocess.run(
        command,
        env={**os.environ, "TMPDIR": str(tmp_path / "tmp"), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    told = json.loads(figures.read_text())
    assert [row["what"] for row in told["table"]] == [
        "training step, 2 sources, CPU",
        "training step, 4 sources, CPU",
        "a CPU step that is not convolution",
        "training step, 2 sources, one GPU",
    ]
    for row in told["table"]:
        assert row["what"] in done.stdout
        assert row["met"] is None  # of the released sizes something is promised, not of these
    assert {"date", "hardware", "versions", "step"} <= told.keys()
    left = [path for path in (tmp_path / "tmp").rglob("*") if not path.name.startswith("torchinductor_")]
    assert left == []  # torch makes that folder, empty, whenever it is imported


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """Ray's sockets find room in it, which they do not below pytest's `tmp_path`."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        yield Path(folder)


@pytest.mark.timeout(900)
def test_ctrl_c_leaves_nothing_in_the_temporary_folder(short_folder: Path) -> None:
    """Slow: it is pressed when trials run on a raylet, which starts after the stand-in was made."""
    process = subprocess.Popen(
        [sys.executable, "-m", "platform.bench", "nodes", "--hidden", "4"],
        env={**os.environ, "TMPDIR": str(short_folder), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C goes to the whole group, as in a terminal
    )
    with process:
        try:
            while not list(short_folder.glob("tmu-bench-*/run/trials/*/events*")):
                assert process.poll() is None, process.stderr.read() if process.stderr else ""
                time.sleep(0.2)
            started = psutil.Process(process.pid).children(recursive=True)
            os.killpg(process.pid, signal.SIGINT)
            _, said = process.communicate(timeout=120)
        finally:
            process.kill()
    assert process.returncode == 130, said
    assert "Traceback" not in said
    assert list(short_folder.glob("tmu*")) == []  # PyTorch keeps its own cache beside them
    assert psutil.wait_procs(started, timeout=30)[1] == []

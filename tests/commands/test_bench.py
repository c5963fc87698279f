"""`python -m platform.bench` as a user types it; what it measures is tested in `tests/measure`."""

import os
import subprocess
import sys
from pathlib import Path

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
        timeout=60,
    )
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert says in done.stderr
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []

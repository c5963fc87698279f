"""`python -m platform.sources`: checkpoints come in, cards come out, and a ranking needs its sources."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from platform.bank.bank import Bank
from platform.config.home import Home
from tmu_models.released import ReleasedTMUCell

REFERENCE = Path(__file__).parents[1] / "fixtures" / "reference"
TINY = Path(__file__).parents[1] / "fixtures" / "tiny.yaml"


def sources(home: Home, *arguments: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "platform.sources", *arguments],
        capture_output=True,
        text=True,
        timeout=100,
        env={**os.environ, "TMU_HOME": str(home.root)},
    )
    assert "Traceback" not in done.stdout + done.stderr, done.stderr
    return done.returncode, done.stdout, done.stderr


def import_arguments(name: str, family: str, *more: str) -> list[str]:
    path = str(REFERENCE / name / "model.ckpt-20")
    return ["import", path, "--family", family, "--patch-size", "4", "--name", "mine", *more]


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("predrnn", "predrnn"),
        ("predrnn_layer_norm", "predrnn"),
        ("convlstm_source_a", "convlstm"),
        ("tmu_released", "tmu"),
    ],
)
def test_a_published_checkpoint_becomes_a_source(tmp_path: Path, name: str, family: str) -> None:
    home = Home(tmp_path)
    code, _, err = sources(home, *import_arguments(name, family))
    assert code == 0, err
    network = Bank(home.bank).load("mine")
    assert network.frame_size == ((16, 16) if name in ("predrnn_layer_norm", "tmu_released") else None)
    assert isinstance(network.cells[0], ReleasedTMUCell) == (family == "tmu")
    code, out, _ = sources(home, "show", "mine")
    assert code == 0
    assert "memories: cell/0, cell/1, cell/2" in " ".join(out.split())
    listed = " ".join(sources(home, "list")[1].split())
    assert "mine" in listed
    assert ("TMU of 2 sources, convlstm [8, 8, 8]" in listed) == (family == "tmu")


@pytest.mark.parametrize(
    ("arguments", "repair"),
    [
        (import_arguments("predrnn", "convlstm", "--frame-size", "16"), "holds a predrnn, not a convlstm"),
        (import_arguments("predrnn_layer_norm", "predrnn", "--frame-size", "32"), "leave --frame-size out"),
        (import_arguments("predrnn", "predrnn", "--frame-size", "18"), "does not divide"),
        (import_arguments("absent", "predrnn"), "does not exist"),
        (["show", "nobody"], "no source 'nobody'"),
        (["rank", str(TINY), "--set", "benchmark.digits=3"], "python -m platform.prepare flying_digits"),
    ],
)
def test_what_cannot_be_done_is_one_message_with_its_repair(tmp_path: Path, arguments: list[str], repair: str) -> None:
    code, _, err = sources(Home(tmp_path), *arguments)
    assert code == 2
    assert repair in " ".join(err.split())
    assert not list(tmp_path.glob("bank/*"))


def test_a_name_that_is_taken_is_kept_unless_told_otherwise(tmp_path: Path) -> None:
    arguments = import_arguments("predrnn", "predrnn", "--frame-size", "16")
    assert sources(Home(tmp_path), *arguments)[0] == 0
    code, _, err = sources(Home(tmp_path), *arguments)
    assert (code, "give --replace" in err) == (2, True)
    assert sources(Home(tmp_path), *arguments, "--replace")[0] == 0


@pytest.mark.timeout(150)  # pretrains two tiny sources
def test_sources_are_ranked_once_they_are_pretrained(tiny_home: Home, tmp_path: Path) -> None:
    home = Home(tmp_path)
    (home.root / "benchmarks").symlink_to(tiny_home.benchmarks)
    code, _, err = sources(home, "rank", str(TINY))
    assert (code, f"python -m platform.pretrain {TINY}" in err) == (2, True)
    command = [sys.executable, "-m", "platform.pretrain", str(TINY)]
    subprocess.run(
        command, env={**os.environ, "TMU_HOME": str(home.root)}, check=True, capture_output=True, timeout=100
    )
    code, out, _ = sources(home, "rank", str(TINY))
    assert code == 0
    assert "LogME" in out
    assert {line.split()[0] for line in out.splitlines() if "cell/0" in line} == {"one", "two"}

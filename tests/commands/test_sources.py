"""`python -m platform.sources`: checkpoints come in, cards come out, a ranking needs its sources, memories can go."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from platform.bank.bank import Bank
from platform.config.home import Home
from platform.memory.blocks import BlockStore
from platform.memory.request import MemoryIdentity, Request
from tests.given import REFERENCE, TINY
from tmu_models.released import ReleasedTMUCell


def sources(home: Home, *arguments: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "platform.sources", *arguments],
        capture_output=True,
        text=True,
        timeout=400,
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


@pytest.mark.timeout(900)  # pretrains two tiny sources
def test_sources_are_ranked_once_they_are_pretrained(tiny_home: Home, tmp_path: Path) -> None:
    home = Home(tmp_path)
    (home.root / "benchmarks").symlink_to(tiny_home.benchmarks)
    code, _, err = sources(home, "rank", str(TINY))
    assert (code, f"python -m platform.pretrain {TINY}" in err) == (2, True)
    command = [sys.executable, "-m", "platform.pretrain", str(TINY)]
    subprocess.run(
        command, env={**os.environ, "TMU_HOME": str(home.root)}, check=True, capture_output=True, timeout=400
    )
    code, out, _ = sources(home, "rank", str(TINY))
    assert code == 0
    assert "LogME" in out
    assert {line.split()[0] for line in out.splitlines() if "cell/0" in line} == {"one", "two"}


def store_memories(home: Home, name: str, blocks: int = 2) -> BlockStore:
    """Blocks of a source of the bank, stored through an object that uses them until it is closed."""
    store = BlockStore(home.memory)
    identity = MemoryIdentity(name, "c0ffee11aa", 3, (2, 2), entry=f"{name}-1a2b", clips="kth (synthetic)")
    for block in range(blocks):
        assert store.write(identity, Request(name, block, "reverse"), np.zeros((4, 5, 8, 2, 2), np.float16))
    return store


def blocks_of(home: Home) -> int:
    return len(list(home.memory.rglob("*.arrow")))


def test_an_empty_store_is_one_line(tmp_path: Path) -> None:
    for arguments in ((), ("--clear", "--source", "flow")):
        code, out, _ = sources(Home(tmp_path), "cache", *arguments)
        assert (code, len(out.splitlines())) == (0, 1)
        assert out.startswith(f"no memories are stored below {tmp_path}/memory")
    assert not list(tmp_path.iterdir())


def test_what_is_stored_is_a_table_with_what_is_in_use(tmp_path: Path) -> None:
    home = Home(tmp_path)
    store_memories(home, "flow").close()
    using = store_memories(home, "walk", blocks=3)
    code, out, _ = sources(home, "cache")
    assert code == 0
    walk, flow = (line.split() for line in out.splitlines() if "1a2b" in line)
    assert flow[:7] == ["flow-1a2b", "cell/0", "reverse", "own", "kth", "(synthetic)", "c0ffee11"]
    assert (flow[7:9], walk[7:9]) == (["float16", "2"], ["float16", "3"])
    assert (flow[-2:] == ["in", "use"], walk[-2:] == ["in", "use"]) == (False, True)
    assert "resources.memory_budget" in out
    using.close()


def test_memories_are_cleared_whole_or_of_one_source_and_never_while_they_are_used(tmp_path: Path) -> None:
    home = Home(tmp_path)
    store_memories(home, "flow").close()
    store_memories(home, "digits").close()
    using = store_memories(home, "walk", blocks=3)
    code, out, _ = sources(home, "cache", "--clear", "--source", "flow-1a2b", "--yes")
    assert (code, "removed" in out, "left" in out, blocks_of(home)) == (0, True, False, 5)
    code, out, _ = sources(home, "cache", "--clear", "--yes")
    assert (code, "that a process uses now" in out, blocks_of(home)) == (0, True, 3)
    assert int((home.memory / "ledger").read_text()) == sum(
        file.stat().st_size for file in home.memory.rglob("*.arrow")
    )
    using.close()


@pytest.mark.parametrize(
    ("arguments", "repair"),
    [
        (("--clear",), "nobody is there to be asked. Give --yes"),
        (("--clear", "--source", "nobody", "--yes"), "there are some of flow-1a2b"),
    ],
)
def test_what_is_not_meant_for_sure_removes_nothing(tmp_path: Path, arguments: tuple[str, ...], repair: str) -> None:
    home = Home(tmp_path)
    store_memories(home, "flow").close()
    code, _, err = sources(home, "cache", *arguments)
    assert (code, repair in err, blocks_of(home)) == (2, True, 2)


@pytest.mark.parametrize(("answer", "left"), [("y", 0), ("n", 2)])
def test_clearing_asks_first(tmp_path: Path, answer: str, left: int) -> None:
    home = Home(tmp_path)
    store_memories(home, "flow").close()
    keyboard, terminal = pty.openpty()
    os.write(keyboard, f"{answer}\n".encode())
    done = subprocess.run(
        [sys.executable, "-m", "platform.sources", "cache", "--clear"],
        stdin=terminal,
        capture_output=True,
        text=True,
        timeout=400,
        env={**os.environ, "TMU_HOME": str(home.root)},
    )
    os.close(keyboard)
    os.close(terminal)
    assert (done.returncode, blocks_of(home)) == (0, left), done.stderr
    assert ("nothing was removed" in done.stdout) == (left == 2)


def test_sources_are_published_and_fetched_where_machines_share_storage(
    tmp_path: Path, remote: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = Home(tmp_path / "one"), Home(tmp_path / "other")
    code, _, err = sources(one, "publish")
    assert code == 2
    assert "Set TMU_REMOTE" in err
    assert sources(one, *import_arguments("convlstm_source_a", "convlstm"))[0] == 0

    monkeypatch.setenv("TMU_REMOTE", remote)
    assert sources(one, "list")[1].splitlines()[1].rstrip().endswith(" here")
    assert sources(one, "publish", "mine")[1] == "mine: copied\n"
    assert sources(one, "publish")[1] == "mine: there already\n"
    assert sources(other, "list")[1].splitlines()[1].rstrip().endswith(" published")
    assert sources(other, "fetch", "mine")[1] == "mine: copied\n"
    assert sources(other, "fetch")[1] == "mine: here already\n"
    assert sources(other, "list")[1].splitlines()[1].rstrip().endswith(" here, published")
    code, _, err = sources(other, "fetch", "mien")
    assert code == 2
    assert "Did you mean 'mine'?" in err


def test_what_is_imported_is_published_at_once(tmp_path: Path, remote: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMU_REMOTE", remote)
    assert sources(Home(tmp_path / "one"), *import_arguments("convlstm_source_a", "convlstm"))[0] == 0
    code, out, err = sources(Home(tmp_path / "other"), "show", "mine")
    assert code == 0, err
    assert "memories: cell/0" in " ".join(out.split())

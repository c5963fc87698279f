"""The command as its user meets it: real processes, real files, and every fault one message without a traceback."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import optuna
import pytest

from platform.bank.bank import Bank
from platform.config.home import Home
from platform.results.record import read_results
from platform.training.checkpoint import newest_saved
from tests.given import TINY


def start(home: Home, *arguments: str, command: str = "search") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", f"platform.{command}", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMU_HOME": str(home.root)},
        # A shell that started the tests in the background has Ctrl-C ignored, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def search(home: Home, *arguments: str, timeout: float = 400) -> tuple[int, str, str]:
    process = start(home, *arguments)
    out, err = process.communicate(timeout=timeout)
    assert "Traceback" not in out + err, out + err
    return process.returncode, out, err


@pytest.mark.parametrize(
    ("arguments", "repair"),
    [
        (["khm.yaml"], "did you mean 'kth.yaml'"),
        (["missing/folder.yaml"], "or give the path of your own YAML file"),
        ([str(TINY), "--set", "search.trails=3"], "did you mean 'trials'"),
        ([str(TINY), "--set", "search.trials=0"], "greater than 0"),
        ([str(TINY), "--set", "search.trials"], "expected KEY=VALUE"),
        ([str(TINY), "--set", "benchmark.name=kht"], "did you mean 'kth'"),
        ([str(TINY), "--set", "trial.start=too"], "no source 'too' (did you mean 'two'?)"),
        ([str(TINY), "--set", "network.patch_size=5"], "does not divide frame_size 16"),
        ([str(TINY), "--set", "benchmark.input_length=6"], "set total_length to at least 7"),
        ([str(TINY), "--profile", "laptob"], "use laptop, full or auto"),
        ([str(TINY), "--dry-run", "--set", "benchmark.digits=3"], "python -m platform.prepare flying_digits"),
        ([str(TINY), "--profil", "laptop"], "--profile"),
        ([str(TINY), "--run-dir", "/proc/nowhere/r"], "cannot be made"),
        ([str(TINY), "--run-dir", __file__], "is not empty"),
        ([str(TINY), "--run-dir", "what?"], "Rename --run-dir"),
        ([str(TINY), "--set", "sources.one.network.hidden=[4]"], "Take it out of `start`"),
    ],
)
def test_bad_input_is_one_message_with_its_repair(tiny_home: Home, arguments: list[str], repair: str) -> None:
    code, _, err = search(tiny_home, *arguments)
    assert code == 2
    assert repair in " ".join(err.split())


def test_a_dry_run_prints_the_plan_and_touches_nothing(tiny_home: Home, tmp_path: Path) -> None:
    home = Home(tmp_path / "home")  # with an empty bank, whatever other tests pretrained
    home.root.mkdir()
    (home.root / "benchmarks").symlink_to(tiny_home.benchmarks)
    code, out, _ = search(home, str(TINY), "--dry-run", "--run-dir", str(tmp_path / "r"))
    assert code == 0
    for part in ("flying_digits_2", "20", "must be pretrained", "mean | softmax | sum", "one step takes"):
        assert part in out
    assert [path.name for path in home.root.iterdir()] == ["benchmarks"]
    assert not (tmp_path / "r").exists()


def test_help_teaches_by_example() -> None:
    code, out, _ = search(Home.from_environment(), "--help")
    assert code == 0
    assert "python -m platform.search kth.yaml" in out
    assert "--dry-run" in out


def test_a_run_folder_in_use_is_not_overwritten(tiny_home: Home, tmp_path: Path) -> None:
    (tmp_path / "something").touch()
    code, _, err = search(tiny_home, str(TINY), "--run-dir", str(tmp_path))
    assert code == 2
    assert "is not empty" in err


def test_no_ray_at_the_address_is_told_with_the_repair(tiny_home: Home, tmp_path: Path) -> None:
    code, _, err = search(tiny_home, str(TINY), "--address", "127.0.0.1:1", "--run-dir", str(tmp_path / "r"))
    assert code == 2
    assert "ray start --head" in err


@pytest.mark.timeout(900)  # pretrains, runs two trials, writes the report, in a Ray of its own
def test_a_search_ends_with_its_best_setting_its_test_score_and_a_report(
    tiny_home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "r"
    with tempfile.TemporaryDirectory(prefix="tmu-", dir="/tmp") as temporary:  # Ray's sockets need a short path
        monkeypatch.setenv("TMPDIR", temporary)
        code, out, err = search(tiny_home, str(TINY), "--run-dir", str(folder), "--set", "search.trials=2", timeout=600)
        assert list(Path(temporary).glob("tmu-ray-*")) == []
    assert code == 0, err
    assert "copying the last frame" in out
    assert str(folder / "report.html") in out
    assert (folder / "report.html").stat().st_size > 100_000
    assert len(read_results(folder / "results.parquet")) == 2


@pytest.mark.timeout(900)
def test_ctrl_c_ends_within_seconds_and_keeps_what_finished(tiny_home: Home, tmp_path: Path) -> None:
    folder = tmp_path / "r"
    process = start(tiny_home, str(TINY), "--run-dir", str(folder), "--set", "search.trials=500")
    deadline = time.monotonic() + 150
    while not (folder / "results.parquet").exists() and time.monotonic() < deadline:
        time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    pressed = time.monotonic()
    out, err = process.communicate(timeout=60)
    assert time.monotonic() - pressed < 30
    assert process.returncode == 130, out + err
    assert "Traceback" not in out + err
    records = read_results(folder / "results.parquet")
    assert records
    ended = [record for record in records if record.state != "interrupted"]
    assert f"{len(ended)} trials had ended and are kept" in err
    assert (folder / "report.html").is_file()
    study = optuna.load_study(study_name="search", storage=f"sqlite:///{folder / 'study.db'}")
    told = {trial.number: trial.state.name for trial in study.get_trials()}
    # What was interrupted is gone on with by --resume, and runs for the study until then.
    wanted = {"finished": "COMPLETE", "stopped": "PRUNED", "failed": "FAIL", "interrupted": "RUNNING"}
    assert {record.trial: wanted[record.state] for record in records}.items() <= told.items()


@pytest.mark.timeout(900)
@pytest.mark.parametrize("command", ["search", "pretrain"])
def test_ctrl_c_while_pretraining_leaves_no_entry_and_can_be_gone_on_with(
    tiny_home: Home, tmp_path: Path, command: str
) -> None:
    home = Home(tmp_path / "home")
    home.root.mkdir()
    (home.root / "benchmarks").symlink_to(tiny_home.benchmarks)
    arguments = [
        str(TINY),
        "--set",
        "sources.one.pretraining.epochs=5000",
        "--set",
        "sources.two.pretraining.epochs=5000",
    ]
    if command == "search":
        arguments += ["--run-dir", str(tmp_path / "r")]
    process = start(home, *arguments, command=command)
    deadline = time.monotonic() + 60
    while not list(home.bank.glob(".*.lock")) and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=40)
    assert process.returncode == 130, out + err
    assert "interrupted" in err
    assert "Traceback" not in out + err
    assert list(home.bank.glob("[!.]*")) == []
    assert Bank(home.bank).entries() == []
    if command == "search":  # it can be gone on with
        assert (tmp_path / "r" / "config.yaml").is_file()
    for training in home.bank.glob(".*.training"):  # after its last epoch
        assert newest_saved(training.iterdir()) is not None


def test_a_source_whose_weights_were_changed_is_refused(tiny_home: Home, tmp_path: Path) -> None:
    """The bank of another home, so that the damage stays here."""
    import shutil

    home = Home(tmp_path / "home")
    shutil.copytree(tiny_home.root, home.root)
    weights = next(home.bank.glob("one-*/weights.safetensors"), None)
    if weights is None:
        subprocess.run(
            [sys.executable, "-m", "platform.pretrain", str(TINY)],
            env={**os.environ, "TMU_HOME": str(home.root)},
            check=True,
            capture_output=True,
        )
        weights = next(home.bank.glob("one-*/weights.safetensors"))
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(bytes(data))
    code, _, err = search(home, str(TINY), "--run-dir", str(tmp_path / "r"))
    assert code == 2
    assert "its card says" in err
    assert not (tmp_path / "r").exists()

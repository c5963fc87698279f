"""A recorded trial comes out again alone, to the last bit; and a search, one trial at a time, repeats itself."""

import io
import json
import math
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import optuna
import pytest
from rich.console import Console

from platform import console as terminal
from platform.config.errors import UserError
from platform.config.home import Home
from platform.config.load import load_run
from platform.config.run import RunConfig
from platform.results.progress import Running, RunningTrial, write_running
from platform.results.record import TrialRecord, read_results, write_results
from platform.results.run_folder import RunFolder
from platform.search import search
from platform.tuning.keeping.recorded import Recorded
from platform.tuning.replay import Outcome, replay, run_replay
from platform.tuning.search_run import run_search
from tests.given import TINY

QUIET = Console(quiet=True)
KINDS = (
    "search.trials=5",
    "search.startup_trials=5",
    "search.space.feed={choice: [own, truth, scheduled]}",
    "search.space.transfer={choice: [tmu, knowledge_flow]}",
    "search.space.l2_sp={choice: [0.0, 0.1]}",
    "search.space.learning_rate={choice: [1e30, 1e-3, 1e-2]}",  # with the first no training comes to an end
)

# Two sources are pretrained, two workers started, five trials run: 10 s on a quiet machine for each precision.
pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def run_in(tiny_home: Home, tmp_path_factory: pytest.TempPathFactory, local_ray: None) -> Callable[[str], RunFolder]:
    """A search in that precision: five trials, two at a time, under ASHA."""

    @cache
    def run(precision: str) -> RunFolder:
        overrides = [*KINDS, f"training.precision={precision}", f"search.seed={len(precision)}"]
        config = load_run(str(TINY), profile="laptop", overrides=overrides)
        folder = RunFolder(tmp_path_factory.mktemp(precision) / "r")
        run_search(config, folder, tiny_home, QUIET)
        return folder

    return run


@pytest.fixture
def run(run_in: Callable[[str], RunFolder]) -> RunFolder:
    return run_in("float32")


@pytest.fixture
def bare_home(tiny_home: Home, tmp_path: Path) -> Home:
    """The same benchmarks and bank, and nothing in the store of memories."""
    home = Home(tmp_path / "home")
    home.root.mkdir()
    home.benchmarks.symlink_to(tiny_home.benchmarks)
    home.bank.symlink_to(tiny_home.bank)
    return home


def copied(run: RunFolder, to: Path) -> RunFolder:
    shutil.copytree(run.path, to, ignore=shutil.ignore_patterns("trials", "best"))
    return RunFolder(to)


def replayed(folder: RunFolder, number: int, home: Home) -> Outcome:
    return replay(Recorded.read(f"{folder.path}/{number}"), home)


def noted(folder: RunFolder, **changes: Any) -> None:
    """Change what the run noted of itself."""
    provenance = json.loads(folder.provenance.read_text())
    folder.provenance.write_text(json.dumps({**provenance, **changes}))


def of_state(run: RunFolder, state: str) -> TrialRecord:
    return next(record for record in read_results(run.results) if record.state == state)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_every_trial_comes_out_again_bit_for_bit(
    precision: str, run_in: Callable[[str], RunFolder], tiny_home: Home, bare_home: Home
) -> None:
    """With its memories found stored, and computed now."""
    run = run_in(precision)
    records = read_results(run.results)
    assert {record.state for record in records} >= {"finished", "failed"}
    assert len({record.settings["feed"] for record in records if record.sources}) > 1
    for home in (tiny_home, bare_home):
        for record in records:
            outcome = replayed(run, record.trial, home)
            assert outcome.is_equal, (outcome.differences, outcome.failure, record.reason)
            assert (outcome.failure is None) == (record.state != "failed")
            assert len(outcome.pairs) >= 6 * record.epochs
    assert any(bare_home.memory.rglob("*.arrow"))


def test_a_trial_that_was_broken_off_is_replayed_as_far_as_it_came(
    run: RunFolder, bare_home: Home, tmp_path: Path
) -> None:
    """Where the search was killed, too: then only `running.json` knows of it."""
    whole, copy = of_state(run, "finished"), copied(run, tmp_path / "r")
    ended = whole.model_copy(update={"state": "interrupted", "curve": whole.curve[:2], "epochs": 2, "metrics": {}})
    killed = RunningTrial(trial=40, id="00040", seed=whole.seed, settings=whole.settings, curve=whole.curve[:1])
    write_results(copy.results, [ended])
    write_running(copy.running, Running(trials=(killed,)))
    for number, epochs in ((whole.trial, 2), (40, 1)):
        outcome = replayed(copy, number, bare_home)
        assert outcome.is_equal
        assert {pair.epoch for pair in outcome.pairs} >= set(range(1, epochs + 1))
        assert not {pair.epoch for pair in outcome.pairs} & {epochs + 1}


def test_a_number_that_is_another_in_its_last_bit_is_told_and_ends_with_code_1(
    run: RunFolder, bare_home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    right, copy = of_state(run, "finished"), copied(run, tmp_path / "r")
    almost = math.nextafter(right.metrics["ssim"], 1)
    changed = {**right.metrics, "ssim": almost, "seconds_per_clip": 5.0}
    wrong = right.model_copy(update={"trial": 40, "metrics": changed})
    write_results(copy.results, [right, wrong])
    monkeypatch.setenv("TMU_HOME", str(bare_home.root))

    def replays(number: int) -> tuple[Any, str]:
        monkeypatch.setattr(sys, "argv", ["search", "--replay", f"{copy.path}/{number}"])
        with pytest.raises(SystemExit) as left:
            terminal.run(search)
        return left.value.code, capsys.readouterr().out

    code, said = replays(right.trial)
    assert code == 0
    assert "equal bit for bit in" in said
    code, said = replays(40)
    assert code == 1
    assert "not equal: 1 of" in said
    score, *told = next(line for line in said.splitlines() if line.startswith("ssim")).split()
    assert (score, told[:3]) == ("ssim", ["1", "of", str(right.epochs + 1)])
    assert told[-3:-1] == [repr(almost), repr(right.metrics["ssim"])]
    assert 0 < float(told[-1]) < 1e-15


def test_a_trial_that_fails_otherwise_or_not_at_all_is_not_equal(
    run: RunFolder, bare_home: Home, tmp_path: Path
) -> None:
    copy, failed, finished = copied(run, tmp_path / "r"), of_state(run, "failed"), of_state(run, "finished")
    otherwise = failed.model_copy(update={"reason": "its process died (killed, or out of memory)"})
    not_at_all = finished.model_copy(update={"state": "failed", "reason": "an epoch took longer than allowed"})
    write_results(copy.results, [otherwise, not_at_all])
    for number, told in ((failed.trial, "it had failed otherwise"), (finished.trial, "by nothing of its own")):
        said = io.StringIO()
        console = Console(file=said, width=200)
        assert not run_replay(Recorded.read(f"{copy.path}/{number}"), bare_home, console)
        assert told in said.getvalue()
        assert "but not in how it ended" in said.getvalue()


def test_what_is_not_as_it_was_is_told_by_name(run: RunFolder, tiny_home: Home, tmp_path: Path) -> None:
    copy = copied(run, tmp_path / "r")
    told = json.loads(copy.provenance.read_text())
    assert {"code", "versions", "hardware", "device", "precision", "threads", "config_sha256"} <= told.keys()
    assert {"version", "sha256"} <= told["code"].keys()
    assert {"python", "torch", "onednn"} <= told["versions"].keys()
    noted(
        copy,
        code={**told["code"], "sha256": "0" * 64, "version": "0.0.1"},
        versions={**told["versions"], "torch": "1.0.0", "tinygrad": "0.1"},
        hardware={**told["hardware"], "cpu": "MOS 6502"},
        threads=told["threads"] + 1,
        resumed=[{"started": "2026-01-02", "versions": {**told["versions"], "numpy": "1.26.4"}, "threads": 7}],
    )
    copy.config.write_text("# mine\n" + copy.config.read_text())
    recorded = Recorded.read(f"{copy.path}/0")
    assert recorded.threads == told["threads"] + 1
    lines = "\n".join(recorded.unlike(tiny_home))
    for part in (
        "code: 0.0.1",
        "sources 000000000000) when the run began",
        "torch: 1.0.0 when the run began, 2.",
        "tinygrad: 0.1 when the run began, missing here",
        "cpu: MOS 6502 when the run began",
        f"threads: {recorded.threads} when the run began, {told['threads']} here",
        "numpy: 1.26.4 when it went on (2026-01-02)",
        "config: config.yaml was changed",
    ):
        assert part in lines

    scored = recorded.record.model_copy(update={"metrics": {"lpips": 0.1}})
    told_last = replace(recorded, record=scored).unlike(tiny_home)[-1]
    assert told_last.startswith("lpips: scored when the trial ran, not here, where it needs ")


def test_a_run_of_an_earlier_release_is_replayed_without_what_it_did_not_note(
    run: RunFolder, tiny_home: Home, tmp_path: Path
) -> None:
    copy = copied(run, tmp_path / "r")
    provenance = json.loads(copy.provenance.read_text())
    for name in ("code", "device", "precision", "threads", "config_sha256"):
        del provenance[name]
    provenance["hardware"] = {"cpu_cores": provenance["hardware"]["cpu_cores"], "gpu": "none"}
    copy.provenance.write_text(json.dumps(provenance))
    recorded = Recorded.read(f"{copy.path}/0")
    assert recorded.unlike(tiny_home) == []
    assert (recorded.threads, recorded.device) == (1, "cpu")


def test_other_clips_or_other_sources_are_refused(
    run: RunFolder, tiny_home: Home, bare_home: Home, tmp_path: Path
) -> None:
    copy = copied(run, tmp_path / "r")
    number = next(record.trial for record in read_results(run.results) if record.sources)
    provenance = json.loads(copy.provenance.read_text())
    noted(copy, fingerprints={**provenance["fingerprints"], "validation": "0" * 64})
    with pytest.raises(UserError, match=r"the validation clips .* 000000000000: .* Set TMU_HOME to where those lie"):
        replayed(copy, number, tiny_home)

    sources = {name: {**source, "weights_sha256": "0" * 64} for name, source in provenance["sources"].items()}
    noted(copy, fingerprints=provenance["fingerprints"], sources=sources)
    with pytest.raises(UserError, match=r"weights 000000000000, which has others there .* Copy one-\w+ into"):
        replayed(copy, number, tiny_home)

    bare_home.bank.unlink()
    with pytest.raises(UserError, match=r"which is not in the bank: .* Copy one-\w+ into"):
        replayed(run, number, bare_home)

    noted(copy, sources={})
    with pytest.raises(UserError, match="does not tell the weights of source"):
        replayed(copy, number, tiny_home)


def test_a_trial_is_named_by_its_number_in_a_run_folder(run: RunFolder, tmp_path: Path) -> None:
    for name in ("3", "00003", "trials/00003"):
        assert Recorded.read(f"{run.path}/{name}").record.trial == 3
    for name, repair in (
        ("5", r"has no trial 5; it has trials 0-4\."),
        ("six", r"names no trial of .*/r, which has trials 0-4\. Give its number: .*/r/0"),
        ("trials", r"which has trials 0-4"),
        ("", r"which has trials 0-4"),
        ("-1", r"which has trials 0-4"),
    ):
        with pytest.raises(UserError, match=repair):
            Recorded.read(f"{run.path}/{name}")
    for name, repair in (
        ("nowhere/3", "there is no run .*/nowhere. Give RUN/TRIAL"),
        ("nowhere", "is no RUN/TRIAL. Give a run folder and a trial's number"),
        ("3", "is no run folder"),
    ):
        with pytest.raises(UserError, match=repair):
            Recorded.read(str(tmp_path / name))
    (lost := copied(run, tmp_path / "r")).provenance.unlink()
    with pytest.raises(UserError, match=r"has no provenance\.json"):
        Recorded.read(f"{lost.path}/3")


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({}, "trial 40 of .* has no settings on record"),
        ({"tmu": {"merge": "max"}}, r"settings of trial 40 in .* \(tmu\.merge: .*\)\. Replay it with the release that"),
    ],
    ids=["none", "unknown"],
)
def test_settings_that_no_trial_could_have_are_refused(
    settings: dict[str, Any], told: str, run: RunFolder, tmp_path: Path
) -> None:
    copy = copied(run, tmp_path / "r")
    write_results(copy.results, [of_state(run, "finished").model_copy(update={"trial": 40, "settings": settings})])
    with pytest.raises(UserError, match=told):
        Recorded.read(f"{copy.path}/40")


def test_a_damaged_record_is_refused_with_its_file(run: RunFolder, tmp_path: Path) -> None:
    copy = copied(run, tmp_path / "r")
    copy.provenance.write_text(copy.provenance.read_text()[:-20])
    with pytest.raises(UserError, match=r"provenance\.json cannot be read \(is damaged .* Copy it again from where"):
        Recorded.read(f"{copy.path}/0")
    copy.results.write_bytes(copy.results.read_bytes()[:-20])
    with pytest.raises(UserError, match=r"results\.parquet cannot be read as a table of trials.* Copy it again"):
        Recorded.read(f"{copy.path}/0")


@pytest.mark.usefixtures("local_ray")  # two searches of four trials: 10 s
def test_a_search_of_one_trial_at_a_time_repeats_itself(
    tiny_home: Home, tiny_config: Callable[..., RunConfig], tmp_path: Path
) -> None:
    """What it suggests, too. The second finds in the store what the first put there."""
    config = tiny_config("resources.trials_at_once=1", "search.trials=4", "training.epochs=2")
    told = []
    for name in ("once", "again"):
        folder = RunFolder(tmp_path / name)
        run_search(config, folder, tiny_home, QUIET)
        study = optuna.load_study(study_name="search", storage=f"sqlite:///{folder.study}")
        records = [
            record.model_dump(exclude={"started", "duration_s", "memory"}) for record in read_results(folder.results)
        ]
        for record in records:
            record["metrics"].pop("seconds_per_clip")
        told.append((records, [(trial.params, trial.values, trial.state) for trial in study.get_trials()]))
    assert told[0] == told[1]
    assert len(told[0][0]) == 4

"""A search that is confirmed, on a real Ray; and the test split, which nobody but a confirmation sees."""

import ast
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file

from platform.benchmarks.blocks import ClipBlocks, Sealed
from platform.benchmarks.catalog import open_benchmark
from platform.config.errors import UserError
from platform.config.home import Home
from platform.config.resolved import load_resolved
from platform.config.run import RunConfig
from platform.config.trial import TrialSettings
from platform.memory.in_process import InProcessMemory
from platform.reporting.confirmed_verdict import confirmed_verdict
from platform.results import open_run
from platform.results.confirmed import read_confirmed
from platform.results.record import read_results
from platform.results.run_folder import RunFolder
from platform.results.summary import RunSummary
from platform.results.tested import read_tested
from platform.training.evaluation import evaluate
from platform.tuning.confirmation import prepare_confirmation, run_confirmation
from platform.tuning.keeping.made_with import read_provenance
from platform.tuning.search_run import run_search
from platform.tuning.trials.target import Target, TargetPlan

Begin = Callable[..., Any]  # see conftest.py
Config = Callable[..., RunConfig]
PLATFORM = Path(sys.modules["platform"].__path__[0])
SEES_TEST = {"tuning/trials/testing.py", "benchmarks/contact_sheet.py"}  # the second is for people, before a search


@pytest.fixture(scope="module")
def searched(
    local_ray: None, tiny_home: Home, tiny_config: Config, tmp_path_factory: pytest.TempPathFactory
) -> RunFolder:
    folder = RunFolder(tmp_path_factory.mktemp("searched") / "r")
    space = "search.space={sources: {subset: [one, two]}, learning_rate: {float: [1e-3, 1e-2]}}"
    config = tiny_config(
        "search.trials=5", "search.asha=null", "training.epochs=1", "confirm={seeds: 2, settings: 1}", space
    )
    run_search(config, folder, tiny_home, Console(quiet=True))
    return folder


def test_nobody_asks_for_the_frames_of_the_test_split_but_a_confirmation() -> None:
    asking = set()
    for path in PLATFORM.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and node.attr in ("unsealed", "sealed"):
                asking.add(path.relative_to(PLATFORM).as_posix())
    assert asking - {"benchmarks/blocks.py"} == SEES_TEST
    tested = set()
    for path in PLATFORM.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module == "platform.tuning.trials.testing":
                tested.add(path.relative_to(PLATFORM).as_posix())
    assert tested == {"tuning/confirmation.py"}


def test_sealed_clips_are_counted_and_compared_and_not_seen(searched: RunFolder, tiny_home: Home) -> None:
    clips = open_benchmark(load_resolved(searched.config).benchmark, tiny_home).blocks("test")
    with pytest.raises(Sealed):
        clips.frames(0)
    assert clips.num_clips == len(clips.clips)
    opened = clips.unsealed()
    assert opened.fingerprint == clips.fingerprint
    assert opened.frames(0).any()
    with pytest.raises(Sealed):
        clips.frames(0)


def test_a_search_leaves_no_word_of_the_test_split(searched: RunFolder, tiny_home: Home) -> None:
    assert not list(searched.path.rglob("test.json"))
    shown = open_run(searched.path).predictions.clips
    benchmark = open_benchmark(load_resolved(searched.config).benchmark, tiny_home)
    validation = benchmark.blocks("validation").frames(0)
    assert all(any((clip == other).all() for other in validation) for clip in shown)


@pytest.mark.usefixtures("local_ray")
def test_a_confirmation_trains_and_tests_each_setting_with_each_seed(searched: RunFolder, tiny_home: Home) -> None:
    config = load_resolved(searched.config)
    confirmation = prepare_confirmation(searched, config, tiny_home)
    assert not confirmation.has_begun
    names = [planned.name for planned in confirmation.plan.settings]
    roles = [planned.role for planned in confirmation.plan.settings]  # the best of five trials may be from scratch
    assert {"best", "scratch", "finetune", "control"} <= set(roles)
    assert roles.count("finetune") == 2
    assert run_confirmation(confirmation, tiny_home, Console(quiet=True)) == "whole"

    folder = confirmation.folder
    records = read_results(folder.results)
    assert [(record.state, record.seed) for record in records] == [
        ("finished", seed) for seed in range(2) for _ in names
    ]
    confirmed = read_confirmed(RunSummary.read(searched.path))
    assert confirmed is not None
    assert confirmed.is_whole
    assert confirmed.chosen is not None
    assert confirmed.chosen.sources
    assert len(confirmed.contrasts) == len(names) - 1
    table = pq.read_table(searched.confirmed).to_pandas()
    assert len(table) == len(names) * 2 * 6
    for setting in confirmed.settings:
        rows = table[table.setting == setting.name]
        assert setting.scores["mse"].mean == pytest.approx(rows.mse.mean())

    seeds = confirmed.chosen.trials
    best = min(seeds, key=lambda record: record.metrics["mse"])
    target, (checkpoint,) = open_run(searched.path).network(), folder.trial(best.id).glob("checkpoint_*")
    weights = load_file(checkpoint / "target.safetensors")
    assert target.state_dict().keys() <= weights.keys()
    assert all(torch.equal(value, weights[name]) for name, value in target.state_dict().items())

    trained = folder.path / "trials" / records[1].id
    assert list(trained.glob("checkpoint_*/target.safetensors"))
    assert prepare_confirmation(searched, config, tiny_home).has_begun


@pytest.mark.usefixtures("local_ray")
def test_what_was_tested_is_what_its_checkpoint_scores(searched: RunFolder, tiny_home: Home) -> None:

    folder = RunFolder(searched.confirm)
    config, record = load_resolved(folder.config), read_results(folder.results)[0]
    entries = {name: used.entry for name, used in read_provenance(searched).sources.items()}
    plan = TargetPlan(config, tiny_home, entries)
    network, _ = plan.build(TrialSettings.model_validate(record.settings), 123, 1)
    (checkpoint,) = (folder.trial(record.id)).glob("checkpoint_*")
    network.load_state_dict(load_file(checkpoint / "target.safetensors"))
    clips: ClipBlocks = plan.benchmark().blocks("test").unsealed()
    with torch.autocast("cpu", torch.bfloat16, enabled=config.training.precision == "bfloat16"):
        expected = evaluate(network, clips, config.benchmark.input_length)
    tested = read_tested(folder.tested(record.id))
    assert tested is not None
    np.testing.assert_allclose(tested.values("mse"), expected.per_clip["mse"], rtol=1e-4)
    assert len(set(tested.clips)) == clips.num_clips


def test_seeds_differ_in_the_order_of_clips_and_settings_of_one_seed_do_not(
    searched: RunFolder, tiny_home: Home
) -> None:
    def order(folder: RunFolder, seed: int, learning_rate: float = 1e-3) -> int:
        plan = TargetPlan(load_resolved(folder.config), tiny_home, {})
        target = Target(plan, TrialSettings(learning_rate=learning_rate), seed=seed, memory=InProcessMemory({}))
        return target.run.stream.order_seed

    assert order(searched, 1) == order(searched, 2)
    folder = RunFolder(searched.confirm)
    assert order(folder, 1) == order(folder, 1, learning_rate=1e-2) != order(folder, 2)


def test_other_weights_than_the_searchs_are_refused(searched: RunFolder, tiny_home: Home, tmp_path: Path) -> None:
    other = RunFolder(tmp_path / "r")
    shutil.copytree(searched.path, other.path, ignore=shutil.ignore_patterns("confirm"))
    provenance = json.loads(other.provenance.read_text())
    provenance["sources"]["one"]["weights_sha256"] = "0" * 64
    other.provenance.write_text(json.dumps(provenance))
    confirmation = prepare_confirmation(other, load_resolved(other.config), tiny_home)
    with pytest.raises(UserError, match="source 'one' of this run"):
        run_confirmation(confirmation, tiny_home, Console(quiet=True))


def test_a_search_without_a_finished_trial_has_nothing_to_confirm(searched: RunFolder, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "r")
    folder.path.mkdir()
    folder.config.write_bytes(searched.config.read_bytes())
    folder.provenance.write_bytes(searched.provenance.read_bytes())
    command = [sys.executable, "-m", "platform.confirm", str(folder.path)]
    told = subprocess.run(command, capture_output=True, text=True, timeout=400)
    assert told.returncode == 2
    assert "no trial of" in told.stderr
    assert "--resume" in told.stderr


@pytest.mark.timeout(900)
def test_a_confirmation_that_is_killed_goes_on_with_the_search_that_began_it(begin: Begin) -> None:
    space = "search.space={sources: {subset: [one, two]}}"
    few = ("search.trials=3", "search.asha=null", "training.epochs=1", "confirm={seeds: 2, settings: 1}", space)
    search = begin(*few)
    folder = RunFolder(search.run.confirm)
    search.wait_until(lambda: folder.results.is_file() and len(read_results(folder.results)) >= 2)
    search.kill()
    assert not list(folder.path.rglob("test.json"))
    before = {record.trial: record for record in read_results(folder.results)}

    search = begin(resume=True)
    code, out, err = search.end()
    assert code == 0, err
    assert "verdict" in out
    records = {record.trial: record for record in read_results(folder.results)}
    assert {number: records[number] for number in before} == before
    confirmed = read_confirmed(RunSummary.read(search.run.path))
    assert confirmed is not None
    assert confirmed.is_whole
    assert confirmed_verdict(confirmed) in search.run.report.read_text()

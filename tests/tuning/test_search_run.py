"""A whole search on a real Ray: every stage, in the order a user gets it."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import optuna
import pytest
import torch
from rich.console import Console

from platform.bank.bank import Bank
from platform.config.home import Home
from platform.config.run import RunConfig
from platform.results import open_run
from platform.results.nodes_file import NodeNow, Nodes, read_nodes, write_nodes
from platform.results.record import TrialRecord, read_results
from platform.results.run_folder import RunFolder
from platform.tuning.comparison import GivenTrials
from platform.tuning.search_run import SearchOutcome, run_search, run_trials
from platform.tuning.stage import stage
from tests.given import TINY

Config = Callable[..., RunConfig]
pytestmark = [pytest.mark.usefixtures("local_ray"), pytest.mark.timeout(900)]  # a search of four trials takes 15 s


def run(config: RunConfig, path: Path, home: Home) -> tuple[SearchOutcome, list[TrialRecord], RunFolder]:
    folder = RunFolder(path)
    outcome = run_search(config, folder, home, Console(quiet=True))
    return outcome, read_results(folder.results), folder


def states(folder: RunFolder) -> list[str]:
    study = optuna.load_study(study_name="search", storage=f"sqlite:///{folder.study}")
    return [trial.state.name for trial in study.get_trials()]


@pytest.fixture(scope="module")
def new_home(tiny_home: Home, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """With the prepared benchmarks, and neither sources nor memory that another test left."""
    home = Home(tmp_path_factory.mktemp("home"))
    (home.root / "benchmarks").symlink_to(tiny_home.benchmarks)
    return home


@pytest.fixture(scope="module")
def finished(
    new_home: Home, tmp_path_factory: pytest.TempPathFactory, local_ray: None
) -> tuple[SearchOutcome, list[TrialRecord], RunFolder]:
    from platform.config.load import load_run

    config = load_run(str(TINY), profile="laptop", overrides=["search.trials=6"])
    return run(config, tmp_path_factory.mktemp("run") / "r", new_home)


def test_there_are_exactly_as_many_rows_as_trials(finished: tuple) -> None:
    _, records, folder = finished
    assert [record.trial for record in records] == list(range(6))
    assert len(states(folder)) == 6
    assert "RUNNING" not in states(folder)


def test_stopped_and_finished_are_told_apart(finished: tuple) -> None:
    _, records, folder = finished
    wanted = {"finished": "COMPLETE", "stopped": "PRUNED"}
    assert [wanted[record.state] for record in records] == states(folder)
    for record in records:
        assert (record.epochs == 3) == (record.state == "finished")
        assert len(record.curve) == record.epochs
        assert {"mse", "ssim", "psnr", "parameters"} <= set(record.metrics)


def test_the_search_begins_with_its_baselines(finished: tuple) -> None:
    _, records, _ = finished
    assert records[0].sources == ()
    assert records[0].memory["ready"] + records[0].memory["computed"] == 0
    assert records[1].sources == ("one", "two")
    assert records[1].memory["ready"] + records[1].memory["computed"] > 0


def test_every_block_was_computed_once(finished: tuple) -> None:
    """Of six trials, two at a time, that ask for it again in every epoch."""
    _, records, folder = finished
    blocks, sources, directions = 3, 2, 2
    totals = json.loads(folder.memory.read_text())
    assert totals["passes"] == blocks * sources * directions
    assert totals["unstored"] == totals["restarts"] == 0
    asked = sum(record.memory["ready"] + record.memory["computed"] for record in records)
    moments = sum(len(record.sources) for record in records)  # block 0 once more, for the scale of each memory
    assert asked == moments + sum(blocks * directions * len(record.sources) * record.epochs for record in records)


def test_the_sources_are_in_the_bank_with_their_scores(finished: tuple, new_home: Home) -> None:
    bank = Bank(new_home.bank)
    cards = [bank.card(entry) for entry in bank.entries()]
    assert sorted(card.name for card in cards) == ["one", "two"]
    assert all("mse" in card.score and card.recipe is not None for card in cards)


def test_the_best_target_is_written_out_with_what_it_predicts(finished: tuple) -> None:
    outcome, records, folder = finished
    best = min((r for r in records if r.state == "finished"), key=lambda r: r.metrics["mse"])
    assert outcome.best is not None
    assert outcome.best.trial == best.trial
    assert (folder.best / "weights.safetensors").is_file()
    looks = open_run(folder.path).looks
    assert [look.facts.trial for look in looks][:1] == [best.trial]
    assert len({look.facts.kept for look in looks}) == 1
    assert 1 < len(looks) <= 4
    assert {bool(look.facts.sources) for look in looks} == {True, False}  # what a reader wants beside each other
    for look in looks:
        record = records[look.facts.trial]
        assert np.mean(look.facts.mse) == pytest.approx(record.metrics["mse"], rel=2e-2)  # as it trained, in bfloat16
        assert set(look.facts.sources) == set(record.sources)


def test_checkpoints_of_losers_are_gone(finished: tuple) -> None:
    _, records, folder = finished
    kept = {path.parent.name for path in folder.trials.glob("*/checkpoint_*")}
    assert len(kept) == 4 < len(records)


def test_every_trial_has_its_tensorboard_log(finished: tuple) -> None:
    _, records, folder = finished
    for record in records:
        assert list(folder.trial(record.id).glob("events.out.tfevents*"))


def test_a_trial_without_numbers_fails_with_its_reason_and_the_search_goes_on(
    tiny_home: Home, tiny_config: Config, tmp_path: Path
) -> None:
    config = tiny_config("search.trials=4", "search.space.learning_rate={choice: [1e30, 1e-3]}", "search.asha=null")
    outcome, records, folder = run(config, tmp_path / "r", tiny_home)
    failed = [record for record in records if record.state == "failed"]
    assert failed
    assert len(records) == 4
    assert all("lower learning_rate" in (record.reason or "") for record in failed)
    assert states(folder).count("FAIL") == len(failed)
    assert outcome.best is not None
    assert outcome.best.settings["learning_rate"] == 1e-3


def test_several_objectives_keep_their_pareto_set(tiny_home: Home, tiny_config: Config, tmp_path: Path) -> None:
    config = tiny_config("search.trials=3", "search.objectives=[mse, parameters]", "search.asha=null")
    _, records, folder = run(config, tmp_path / "r", tiny_home)
    study = optuna.load_study(study_name="search", storage=f"sqlite:///{folder.study}")
    front = {trial.number for trial in study.best_trials}
    kept = {int(path.parent.name) for path in folder.trials.glob("*/checkpoint_*")}
    assert front <= kept
    assert len(records) == 3


def test_trials_that_want_every_cpu_run_beside_their_servers(
    tiny_home: Home, tiny_config: Config, tmp_path: Path
) -> None:
    """Two CPUs, trials that ask for both: without the servers' share set aside this would wait for ever."""
    config = tiny_config("search.trials=2", "resources.cpus_per_trial=2", "search.asha=null", "benchmark.block_clips=4")
    _, records, _ = run(config, tmp_path / "r", tiny_home)
    assert [record.state for record in records] == ["finished", "finished"]
    assert records[1].memory["ready"] + records[1].memory["computed"] > 0


def test_the_best_target_lives_without_its_sources(finished: tuple, tiny_home: Home) -> None:
    _, _, folder = finished
    network = open_run(folder.path).network()
    shown = open_run(folder.path).predictions
    frames = torch.from_numpy(shown.clips.copy()).permute(0, 1, 4, 2, 3).float() / 255
    with torch.no_grad():
        predicted = network(frames, input_length=3).frames.clamp(0, 1)
    told = torch.from_numpy(shown.predicted.copy()).permute(0, 1, 4, 2, 3).float() / 255
    torch.testing.assert_close(predicted, told, atol=4 / 255, rtol=0)  # they were computed as in training: in bfloat16


def test_what_an_earlier_driver_ran_is_forgotten_where_nothing_is_left_to_run(
    tiny_home: Home, tiny_config: Config, tmp_path: Path
) -> None:
    folder = RunFolder(tmp_path / "r")
    with stage(tiny_config(), folder, tiny_home, Console(quiet=True)) as begun:
        killed = NodeNow(name="vm", state="takes part", cpus=1, gpus=0, trials=(7,))
        write_nodes(folder.nodes, Nodes(nodes=(killed,)))
        run_trials(begun, folder, Console(quiet=True), searcher=GivenTrials([]), num_trials=0)
    assert read_nodes(folder.nodes) == Nodes()

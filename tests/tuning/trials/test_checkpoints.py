"""The contract of where trials save themselves, for a run folder and for a run in storage (a real S3 server)."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from ray.tune import Checkpoint

from platform.benchmarks.catalog import open_benchmark
from platform.config.home import Home
from platform.config.run import RunConfig
from platform.results.progress import Running, RunningTrial, write_running
from platform.results.run_folder import RunFolder
from platform.results.stored_run import run_at
from platform.training.checkpoint import Progress
from platform.training.run import TrainingRun
from platform.tuning.keeping.mirror import Mirror
from platform.tuning.trials.checkpoints import EARLIER, PAUSED, SavedTrials, newest_of, opened, progress_of
from platform.tuning.trials.resuming import take_over
from tmu_models import VideoPredictor

Config = Callable[..., RunConfig]
TRIAL = "00007"


@pytest.fixture(params=["folder", "storage"])
def saved(request: pytest.FixtureRequest, tmp_path: Path) -> SavedTrials:
    if request.param == "folder":
        return SavedTrials(RunFolder(tmp_path / "run"))
    folder = run_at(request.getfixturevalue("remote").replace("lab", "runs/kth"), Home(tmp_path / "home"))
    folder.path.mkdir(parents=True)
    return SavedTrials(folder)


@pytest.fixture
def training(tiny_home: Home, tiny_config: Config) -> TrainingRun:
    torch.manual_seed(0)
    network = VideoPredictor(channels=1, frame_size=(16, 16), patch_size=4, hidden=(8, 8), kernel_size=3)
    config = tiny_config("training.steps_per_epoch=1")
    clips = open_benchmark(config.benchmark, tiny_home).blocks("train")
    return TrainingRun(network, clips, config.training, input_length=3, learning_rate=1e-3, seed=0)


def save(saved: SavedTrials, name: str, epochs: int) -> Checkpoint:
    """As much of a checkpoint as is looked at here."""
    made = saved.at(f"{saved.root}/trials/{TRIAL}/{name}")
    saved.filesystem.create_dir(made.path, recursive=True)
    for file, content in (
        ("weights", b"w"),
        ("manifest.json", json.dumps({"progress": {"epochs": epochs, "steps": 0}, "files": {"weights": W}}).encode()),
    ):
        with saved.filesystem.open_output_stream(f"{made.path}/{file}") as sink:
            sink.write(content)
    return made


W = "50e721e49c013f00c62cf59f2163542a9d8df02464efeb615d31051b0fddc326"  # sha256 of b"w"


def upload(saved: SavedTrials) -> None:
    if saved.folder.remote is not None:
        Mirror(saved.folder, saved.folder.remote, lambda what: None).upload()


def names(saved: SavedTrials) -> list[str]:
    return [each.path.rpartition("/")[2] for each in saved.of(TRIAL)]


def test_what_was_saved_is_found_in_its_order_and_opened(saved: SavedTrials) -> None:
    assert saved.trial_ids() == set()
    assert saved.of(TRIAL) == []
    for name, epochs in (("checkpoint_000000", 2), ("checkpoint_000001", 3), (EARLIER, 1), (f"{PAUSED}/step_9", 3)):
        save(saved, name, epochs)
    assert saved.trial_ids() == {TRIAL}
    assert names(saved) == [EARLIER, "checkpoint_000000", "checkpoint_000001", "step_9"]
    newest = newest_of(saved.of(TRIAL))
    assert newest is not None
    assert newest[1] == Progress(3, 0)
    with opened(newest[0]) as folder:
        assert (folder / "weights").read_bytes() == b"w"


def test_one_that_is_cut_short_or_gone_counts_for_none(saved: SavedTrials) -> None:
    whole, cut = save(saved, "checkpoint_000000", 1), save(saved, "checkpoint_000001", 2)
    saved.filesystem.delete_file(f"{cut.path}/weights")
    assert progress_of(cut) is None
    assert progress_of(saved.at(f"{saved.root}/trials/{TRIAL}/nothing")) is None
    newest = newest_of(saved.of(TRIAL))
    assert newest is not None
    assert newest[0].path == whole.path


def test_the_one_to_go_on_from_is_laid_aside_alone(saved: SavedTrials) -> None:
    save(saved, EARLIER, 1)
    chosen = save(saved, "checkpoint_000001", 3)
    save(saved, "checkpoint_000002", 4)
    for checkpoint in (chosen, saved.at(f"{saved.root}/trials/{TRIAL}/{EARLIER}")):  # as after another kill
        kept = saved.lay_aside(checkpoint, TRIAL)
        assert names(saved) == [EARLIER]
        assert progress_of(kept) == Progress(3, 0)


def test_what_is_dropped_is_there_until_what_replaces_it_was_uploaded(saved: SavedTrials) -> None:
    made = [save(saved, f"checkpoint_{number:06d}", number) for number in range(4)]
    save(saved, f"{PAUSED}/step_9", 2)
    saved.drop_older(made[-1])
    saved.drop_beside(TRIAL, EARLIER, PAUSED)
    if saved.folder.remote is not None:
        assert len(names(saved)) == 5
    upload(saved)
    assert names(saved) == ["checkpoint_000002", "checkpoint_000003"]
    saved.drop_all(TRIAL)
    upload(saved)
    assert saved.trial_ids() == set()


def test_what_the_uploaded_state_tells_is_kept_however_far_the_trial_is_by_then(saved: SavedTrials) -> None:
    """Epochs end while an upload goes on, and the driver may die right after it."""
    made = [save(saved, f"checkpoint_{number:06d}", number) for number in range(6)]
    saved.drop_older(made[-1])
    for number in range(6, 10):
        save(saved, f"checkpoint_{number:06d}", number)
    upload(saved)
    assert names(saved) == [f"checkpoint_{number:06d}" for number in range(4, 10)]
    saved.drop_older(saved.of(TRIAL)[-1])
    upload(saved)
    assert names(saved) == ["checkpoint_000008", "checkpoint_000009"]


def test_a_trial_sees_the_sign_and_saves_itself_where_it_stands(saved: SavedTrials, training: TrainingRun) -> None:
    assert not saved.winds_down()
    saved.folder.path.mkdir(exist_ok=True)
    saved.folder.winding_down.touch()
    upload(saved)
    assert saved.winds_down()
    save(saved, f"{PAUSED}/step_0", 0)
    training.epoch()
    saved.pause(training, TRIAL)
    (paused,) = saved.paused(TRIAL)
    assert progress_of(paused) == Progress(1, 0)


def test_epochs_that_are_not_on_record_are_trained_again(saved: SavedTrials, tiny_config: Config) -> None:
    """The driver's machine died before it could upload what the last checkpoint belongs to."""
    saved.folder.path.mkdir(exist_ok=True)
    curve = tuple({"epoch": float(epoch), "mse": 1.0} for epoch in (1, 2, 3))
    trial = RunningTrial(trial=7, id=TRIAL, seed=0, settings={}, curve=curve)
    write_running(saved.folder.running, Running(trials=(trial,)))
    save(saved, "checkpoint_000000", 3)
    save(saved, "checkpoint_000001", 5)
    past = take_over(saved.folder, tiny_config("training.epochs=10"))
    assert progress_of(past.checkpoints[7]) == Progress(3, 0)
    assert len(past.unfinished[7].curve) == 3
    assert names(saved) == [EARLIER]

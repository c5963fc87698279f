"""What a checkpoint in a run folder that came from elsewhere can do: count for none, or be refused in a sentence."""

import json
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from platform.benchmarks.catalog import open_benchmark
from platform.config.home import Home
from platform.config.run import RunConfig
from platform.training.checkpoint import load_run, newest_saved, save_run, saved_progress
from platform.training.lpips import BACKBONE, LINEAR, load_lpips
from platform.training.run import TrainingRun
from tests.security.limits import ending_of, refusal
from tests.security.test_bank import Hostile, safetensors, weight
from tests.security.test_results import HOSTILE_JSON
from tmu_models import VideoPredictor

HOSTILE_WEIGHTS = {
    "terabytes": safetensors({"a": weight([1 << 40], 0, 4 << 40)}),
    "a header of an exabyte": b"\xff" * 7 + b"\x0f",
    "lists within lists": safetensors(b'{"a":' + b"[" * 1_000_000),
    "others": safetensors({"a": weight([4], 0, 16)}, bytes(16)),
    "of no parameter": safetensors({"99.exp_avg": weight([4], 0, 16)}, bytes(16)),
    "empty": b"",
}


def start(config: RunConfig, home: Home) -> TrainingRun:
    torch.manual_seed(0)
    network = VideoPredictor(channels=1, frame_size=(16, 16), patch_size=4, hidden=(8, 8), kernel_size=3)
    clips = open_benchmark(config.benchmark, home).blocks("train")
    return TrainingRun(network, clips, config.training, input_length=3, learning_rate=1e-3, seed=0)


@pytest.fixture
def saved(tmp_path: Path, tiny_home: Home, tiny_config: Callable[..., RunConfig]) -> Path:
    (tmp_path / "saved").mkdir()
    run = start(tiny_config("training.steps_per_epoch=1"), tiny_home)
    run.epoch()
    save_run(run, tmp_path / "saved")
    return tmp_path / "saved"


@pytest.fixture
def gone_on(saved: Path, tiny_home: Home, tiny_config: Callable[..., RunConfig]) -> Callable[[], None]:
    return partial(_go_on, tiny_config(), tiny_home, saved)


def _go_on(config: RunConfig, home: Home, saved: Path) -> None:
    load_run(start(config, home), saved)


@pytest.mark.parametrize("kind", HOSTILE_JSON)
def test_a_checkpoint_with_a_hostile_manifest_counts_for_none(saved: Path, kind: str) -> None:
    (saved / "manifest.json").write_bytes(HOSTILE_JSON[kind])
    assert ending_of(partial(_is_none, saved)).error == ""


def _is_none(saved: Path) -> None:
    assert saved_progress(saved) is None
    assert newest_saved([saved]) is None


@pytest.mark.parametrize("name", ["../../secret", "pipe", "nothing", "a\0b", "..", ""])
def test_a_manifest_of_a_checkpoint_names_no_file_elsewhere(saved: Path, name: str) -> None:
    (saved.parent / "secret").write_text("x")
    os.mkfifo(saved / "pipe")
    manifest = json.loads((saved / "manifest.json").read_text())
    manifest["files"][name] = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
    (saved / "manifest.json").write_text(json.dumps(manifest))
    assert ending_of(partial(_is_none, saved)).error == ""


@pytest.mark.parametrize("kind", [*HOSTILE_JSON, "no number"])
def test_a_hostile_state_is_refused_within_bounds(saved: Path, gone_on: Callable[[], None], kind: str) -> None:
    nothing = b'{"epochs_done": -1, "steps_done": 0, "epoch": {}}'
    (saved / "training.json").write_bytes(HOSTILE_JSON.get(kind, nothing))
    assert "Delete it to begin anew" in refusal(gone_on)


@pytest.mark.parametrize("file", ["target.safetensors", "optimizer.safetensors"])
@pytest.mark.parametrize("kind", HOSTILE_WEIGHTS)
def test_hostile_weights_of_a_checkpoint_are_refused(
    saved: Path, gone_on: Callable[[], None], file: str, kind: str
) -> None:
    (saved / file).write_bytes(HOSTILE_WEIGHTS[kind])
    if (file, kind) == ("optimizer.safetensors", "empty"):
        (saved / file).unlink()
    assert "Delete it to begin anew" in refusal(gone_on)


def test_a_good_checkpoint_is_gone_on_from(gone_on: Callable[[], None], saved: Path) -> None:
    gone_on()
    progress = saved_progress(saved)
    assert progress is not None
    assert progress.epochs == 1


@pytest.mark.parametrize("content", ["a program", "nothing", "other weights"])
def test_lpips_weights_are_tensors_or_refused(tmp_path: Path, content: str) -> None:
    contents: dict[str, Any] = {"a program": Hostile(tmp_path / "opened"), "other weights": {"a": torch.zeros(3)}}
    for name in (BACKBONE, LINEAR):
        (tmp_path / name).write_bytes(b"")
        if content in contents:
            torch.save(contents[content], tmp_path / name)
    assert "are not the public ones" in refusal(partial(load_lpips, tmp_path, 64))
    assert not (tmp_path / "opened").exists()

"""The best target: written out to be used, and scored once on the test split."""

import datetime
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from safetensors.torch import load_file

from platform.bank.bank import Bank, count_parameters
from platform.bank.card import Card, TrainingData, Transfer
from platform.benchmarks.blocks import ClipBlocks
from platform.benchmarks.tensors import clips_to_tensors
from platform.config.bounded import Refused, read_json
from platform.config.trial import TrialSettings
from platform.results.record import TrialRecord
from platform.results.replacing import replace_text, replacing
from platform.results.run_folder import RunFolder
from platform.results.scores import shown
from platform.results.summary import TestScores
from platform.training.evaluation import evaluate
from platform.training.lpips import load_lpips, why_no_lpips
from platform.training.versions import package_versions
from platform.tuning.target import TargetPlan
from tmu_models import VideoPredictor

SHOWN_CLIPS = 6


def export_best(plan: TargetPlan, folder: RunFolder, record: TrialRecord, checkpoint: Path) -> None:
    """Write `best/`, an entry like those of the bank: weights and card rebuild the target alone, without its sources.

    `config.yaml` beside them holds the settings of the trial.
    """
    settings, benchmark = TrialSettings.model_validate(record.settings), plan.benchmark()
    network, _ = plan.build(settings, record.seed, benchmark.channels)
    network.load_state_dict(load_file(checkpoint / "target.safetensors"))
    network.drop_teachers()
    transfer = None
    if settings.sources and settings.transfer == "tmu" and settings.distil.what == "memory":
        transfer = Transfer(gates=settings.tmu, sources=plan.memory_channels(settings))
    config = plan.config.benchmark
    card = Card(
        name=f"{plan.config.name} trial {record.trial}",
        network=plan.config.network,
        transfer=transfer,
        channels=benchmark.channels,
        frame_size=config.frame_size,
        weights_sha256="",
        data=TrainingData(
            label=benchmark.label,
            synthetic=benchmark.synthetic,
            fingerprint=benchmark.blocks("train").fingerprint,
            input_length=config.input_length,
            total_length=config.total_length,
        ),
        score={name: record.metrics[name] for name in shown(record.metrics)},
        last_frame=record.last_frame,
        parameters=count_parameters(network),
        duration_s=record.duration_s,
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        versions=package_versions(),
    )
    shutil.rmtree(folder.best, ignore_errors=True)  # of an earlier driver of this run
    Bank(folder.path).add(folder.best.name, network, card)
    description = {"trial": record.trial, "seed": record.seed, "settings": record.settings}
    (folder.best / "config.yaml").write_text(yaml.safe_dump(description, sort_keys=False))


def load_best(folder: RunFolder) -> VideoPredictor:
    """The exported target, ready to predict. Raises UserError where there is none or it was changed."""
    return Bank(folder.path).load(folder.best.name)


def forget_test_of_others(folder: RunFolder, best: TrialRecord) -> None:
    """Scores and pictures on the test split that an earlier driver left of a target which is the best no more."""
    try:
        if read_json(folder.test, TestScores).trial == best.trial:
            return
    except (OSError, Refused):
        pass  # there is none, or it was cut short
    folder.test.unlink(missing_ok=True)
    folder.predictions.unlink(missing_ok=True)


def test_best(plan: TargetPlan, folder: RunFolder, record: TrialRecord) -> dict[str, Any]:
    """Score the exported target on the test split; writes and returns what `test.json` says.

    A few test clips with their predictions go to `predictions.npz`.
    """
    benchmark, network = plan.benchmark(), load_best(folder)
    clips, input_length = benchmark.blocks("test"), plan.config.benchmark.input_length
    weights, frame_size = plan.home.lpips, plan.config.benchmark.frame_size
    lpips, thresholds = load_lpips(weights, frame_size), plan.config.benchmark.thresholds
    evaluation = evaluate(network, clips, input_length, lpips=lpips, thresholds=thresholds)
    no_lpips = why_no_lpips(weights, frame_size)
    scores = {
        "trial": record.trial,
        "benchmark": benchmark.label,
        "synthetic": benchmark.synthetic,
        **{name: _finite(value) for name, value in evaluation.scores.items()},
        "last_frame": {name: _finite(value) for name, value in evaluation.last_frame.items()},
        "num_clips": clips.num_clips,
        "not_scored": {"lpips": no_lpips} if no_lpips else {},
    }
    _save_predictions(network, clips, input_length, folder.predictions)
    replace_text(folder.test, json.dumps(scores, indent=2))
    return scores


@torch.inference_mode()
def _save_predictions(network: VideoPredictor, clips: ClipBlocks, input_length: int, path: Path) -> None:
    frames, valid = clips_to_tensors(clips.frames(0)[:SHOWN_CLIPS], field=clips.holds_field)
    network.eval()
    predicted = network(frames, input_length=input_length).frames
    arrays: dict[str, Any] = {"clips": _as_pictures(frames), "predicted": _as_pictures(predicted)}
    if valid is not None:
        arrays["valid"] = valid.permute(0, 1, 3, 4, 2).numpy()
    with replacing(path) as unfinished, unfinished.open("wb") as file:
        np.savez_compressed(file, **arrays, input_length=np.array(input_length))


def _as_pictures(frames_NTCHW: torch.Tensor) -> np.ndarray:
    """[0, 1] -> uint8 (N, T, H, W, C)."""
    return (frames_NTCHW.clamp(0, 1) * 255).round().byte().permute(0, 1, 3, 4, 2).numpy()


def _finite(value: float) -> float | None:
    """JSON has no infinity: the psnr of identical frames is left out."""
    return value if np.isfinite(value) else None

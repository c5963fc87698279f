"""The best target: written out to be used, and scored once on the test split."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from safetensors.torch import load_file

from platform.benchmarks.blocks import ClipBlocks
from platform.benchmarks.tensors import clips_to_float
from platform.config.trial import TrialSettings
from platform.results.record import TrialRecord
from platform.results.run_folder import RunFolder
from platform.training.evaluation import evaluate
from platform.tuning.target import TargetPlan
from tmu_models import VideoPredictor

SHOWN_CLIPS = 6


def export_best(plan: TargetPlan, folder: RunFolder, record: TrialRecord, checkpoint: Path) -> None:
    """Write `best/`: the target's weights, and the settings that rebuild it."""
    folder.best.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(checkpoint / "target.safetensors", folder.best / "target.safetensors")
    description = {
        "trial": record.trial,
        "seed": record.seed,
        "settings": record.settings,
        "network": plan.config.network.model_dump(mode="json"),
        "frame_size": plan.config.benchmark.frame_size,
        "input_length": plan.config.benchmark.input_length,
        "validation": record.metrics,
    }
    (folder.best / "config.yaml").write_text(yaml.safe_dump(description, sort_keys=False))


def test_best(plan: TargetPlan, folder: RunFolder, record: TrialRecord) -> dict[str, Any]:
    """Score the exported target on the test split; writes and returns what `test.json` says.

    A few test clips with their predictions go to `predictions.npz`.
    """
    benchmark = plan.benchmark()
    network, _ = plan.build(TrialSettings.model_validate(record.settings), record.seed, benchmark.channels)
    network.load_state_dict(load_file(folder.best / "target.safetensors"))
    clips, input_length = benchmark.blocks("test"), plan.config.benchmark.input_length
    evaluation = evaluate(network, clips, input_length)
    scores = {
        "trial": record.trial,
        "benchmark": benchmark.label,
        "synthetic": benchmark.synthetic,
        **{name: _finite(value) for name, value in evaluation.scores.items()},
        "last_frame": {name: _finite(value) for name, value in evaluation.last_frame.items()},
        "num_clips": clips.num_clips,
    }
    _save_predictions(network, clips, input_length, folder.predictions)
    folder.test.write_text(json.dumps(scores, indent=2))
    return scores


@torch.inference_mode()
def _save_predictions(network: VideoPredictor, clips: ClipBlocks, input_length: int, path: Path) -> None:
    shown_NTHWC = clips.frames(0)[:SHOWN_CLIPS]
    network.eval()
    predicted = network(clips_to_float(shown_NTHWC, "cpu"), input_length=input_length).frames
    predicted_NTHWC = (predicted.clamp(0, 1) * 255).round().byte().permute(0, 1, 3, 4, 2).numpy()
    np.savez_compressed(path, clips=shown_NTHWC, predicted=predicted_NTHWC, input_length=input_length)


def _finite(value: float) -> float | None:
    """JSON has no infinity: the psnr of identical frames is left out."""
    return value if np.isfinite(value) else None

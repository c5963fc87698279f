"""The test split, scored: the one place where its frames are shown to a network. `platform.confirm` comes here once."""

import math

import torch
from ray.tune import Checkpoint
from safetensors.torch import load_file

from platform.config.trial import TrialSettings
from platform.results.record import TrialRecord
from platform.results.tested import TestedTrial
from platform.training.checkpoint import WEIGHTS
from platform.training.evaluation import evaluate
from platform.training.lpips import load_lpips, why_no_lpips
from platform.training.precision import Computing
from platform.tuning.trials.checkpoints import opened
from platform.tuning.trials.target import TargetPlan


def score_on_test(
    plan: TargetPlan, record: TrialRecord, setting: str, checkpoint: Checkpoint, device: torch.device
) -> TestedTrial:
    """The trained target of `record`, on each clip of the test split; it computes as it did in validation."""
    benchmark, config = plan.benchmark(), plan.config
    network, _ = plan.build(TrialSettings.model_validate(record.settings), record.seed, benchmark.channels)
    with opened(checkpoint) as saved:
        network.load_state_dict(load_file(saved / WEIGHTS))
    network.drop_teachers()
    network.to(device)
    clips, frame_size = benchmark.blocks("test").unsealed(), config.benchmark.frame_size
    with Computing.of(config.training, device, operations=0)():
        evaluation = evaluate(
            network,
            clips,
            config.benchmark.input_length,
            device,
            lpips=load_lpips(plan.home.lpips, frame_size),
            thresholds=config.benchmark.thresholds,
        )
    no_lpips = why_no_lpips(plan.home.lpips, frame_size)
    return TestedTrial(
        trial=record.trial,
        setting=setting,
        seed=record.seed,
        benchmark=benchmark.label,
        synthetic=benchmark.synthetic,
        clips=tuple(name for block in range(clips.num_blocks) for name in clips.clip_names(block)),
        per_clip={name: tuple(map(_finite, values.tolist())) for name, values in evaluation.per_clip.items()},
        scores={name: _finite(value) for name, value in evaluation.scores.items()},
        last_frame={name: _finite(value) for name, value in evaluation.last_frame.items()},
        not_scored={"lpips": no_lpips} if no_lpips else {},
        seconds_per_clip=evaluation.seconds_per_clip,
    )


def _finite(value: float) -> float | None:
    """JSON has no infinity (the psnr of identical frames), and nothing that is no number."""
    return value if math.isfinite(value) else None

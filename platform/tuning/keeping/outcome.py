"""The best target, written out to be used."""

import datetime
import shutil

import yaml
from ray.tune import Checkpoint
from safetensors.torch import load_file

from platform.bank.bank import Bank, count_parameters
from platform.bank.card import Card, TrainingData, Transfer
from platform.config.trial import TrialSettings
from platform.results.record import TrialRecord
from platform.results.run_folder import RunFolder
from platform.results.scores import shown
from platform.training.checkpoint import WEIGHTS
from platform.training.versions import package_versions
from platform.tuning.trials.checkpoints import opened
from platform.tuning.trials.target import TargetPlan


def export_best(plan: TargetPlan, folder: RunFolder, record: TrialRecord, checkpoint: Checkpoint) -> None:
    """Write `best/`, an entry like those of the bank: weights and card rebuild the target alone, without its sources.

    `config.yaml` beside them holds the settings of the trial.
    """
    settings, benchmark = TrialSettings.model_validate(record.settings), plan.benchmark()
    network, _ = plan.build(settings, record.seed, benchmark.channels)
    with opened(checkpoint) as saved:
        network.load_state_dict(load_file(saved / WEIGHTS))
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

"""What TensorBoard shows of a trial: scalars after each epoch, its settings beside its scores, and of the best trials
what they predict and how open their gates are."""

import base64
import math
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from tensorboardX import SummaryWriter
from tensorboardX.proto.summary_pb2 import Summary
from tensorboardX.summary import hparams

from platform.reporting.pictures import Shown, animated_gif, strips
from platform.results.look import Look
from platform.results.record import TrialRecord, flatten
from platform.results.scores import shown

OPENNESS = np.linspace(0, 1, 51)  # edges of a histogram's bins


def add_epoch(writer: SummaryWriter, result: Mapping[str, Any], epoch: int) -> None:
    """Scalars by what they are, and on which clips: `validation/mse`, `train/train_loss`, `memory/waited_s`."""
    named = {f"validation/{name}": result[name] for name in shown(result)}
    named |= {f"train/{name}": result[name] for name in ("train_loss", "distillation_loss") if name in result}
    named |= {f"time/{name}": result[name] for name in ("train_s", "validate_s") if name in result}
    named |= {key.replace(".", "/"): value for key, value in result.items() if key.startswith("memory.")}
    for name, value in named.items():
        if math.isfinite(value):
            writer.add_scalar(name, value, epoch)


def add_settings(writer: SummaryWriter, record: TrialRecord, space: Collection[str]) -> None:
    """The settings that a search draws and, by the names of their scalars, the scores: TensorBoard's HPARAMS tab has
    them side by side, and room for few."""
    settings = {
        name: _plain(value)
        for name, value in flatten(record.settings).items()
        if value is not None and name.startswith(tuple(space))
    }
    metrics = {f"validation/{name}": value for name, value in record.metrics.items() if name in shown(record.metrics)}
    for summary in hparams(settings, metrics):
        writer.file_writer.add_summary(summary)


def _plain(value: Any) -> Any:
    return " ".join(map(str, value)) if isinstance(value, (list, tuple)) else value


def add_look(folder: Path, look: Look, epoch: int) -> None:
    """Into the trial's folder: `clips/...` as strips and as a loop, and `gates/SOURCE/layer_0`, a histogram for each
    frame that the target saw."""
    writer = SummaryWriter(str(folder))
    alone = strips([look])
    order = np.argsort(look.predictions.mse, kind="stable")
    for clip, strip in zip(order, alone, strict=True):
        word = strip.title.split()[0].lower()
        for row in strip.rows:
            _add_encoded(writer, f"clips/{word}/{row.label.lower()}", _bytes(row.uri), epoch)
        gif = animated_gif([Shown.of(look)], int(clip))
        _add_encoded(writer, f"clips/{word}/animation", gif, epoch)
    for layer, of_layer in zip(look.facts.layers, look.openness, strict=True):
        for source, maps in zip(look.facts.sources, of_layer, strict=True):
            for step in range(maps.shape[1]):
                opened = maps[:, step].astype(np.float64).ravel() / 255
                writer.add_histogram(f"gates/{source}/layer_{layer}", opened, step + 1, bins=OPENNESS)
    writer.close()


def _add_encoded(writer: SummaryWriter, tag: str, picture: bytes, epoch: int) -> None:
    """An image as its file has it; the browser shows it."""
    image = Summary.Image(encoded_image_string=picture)
    writer.file_writer.add_summary(Summary(value=[Summary.Value(tag=tag, image=image)]), epoch)


def _bytes(uri: str) -> bytes:
    return base64.b64decode(uri.partition(",")[2])

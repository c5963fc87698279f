"""What TensorBoard is given, read back from its files."""

import io
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tensorboardX import SummaryWriter
from tensorboardX.proto.event_pb2 import Event
from tensorboardX.proto.plugin_hparams_pb2 import HParamsPluginData

from platform.results.findings import Findings
from platform.results.run_folder import RunFolder
from platform.tuning.keeping.board import add_epoch, add_look, add_settings


def values(folder: Path) -> Iterator[tuple[int, object]]:
    """(step, value) of each summary in the event files, whose records are length, check, content, check."""
    for path in sorted(folder.glob("events.out.tfevents*")):
        content = path.read_bytes()
        place = 0
        while place < len(content):
            (length,) = struct.unpack_from("<Q", content, place)
            event = Event.FromString(content[place + 12 : place + 12 + length])
            place += 12 + length + 4
            for value in event.summary.value:
                yield event.step, value


@pytest.fixture(scope="module")
def findings(finished_run: RunFolder) -> Findings:
    return Findings.read(finished_run.path)


def test_scalars_are_named_by_what_they_are_and_on_which_clips(tmp_path: Path) -> None:
    writer = SummaryWriter(str(tmp_path))
    for epoch in (1, 2):
        row = {"mse": 40.0 / epoch, "train_loss": 0.1, "train_s": 3.0, "memory.ready": 5, "psnr": float("inf")}
        add_epoch(writer, row, epoch)
    writer.close()
    told = {(value.tag, step): value.simple_value for step, value in values(tmp_path)}  # type: ignore[attr-defined]
    assert told["validation/mse", 2] == 20.0
    assert {name for name, _ in told} == {"validation/mse", "train/train_loss", "time/train_s", "memory/ready"}


def test_settings_stand_beside_the_scores_that_the_scalars_have(findings: Findings, tmp_path: Path) -> None:
    best = findings.summary.best
    assert best is not None
    writer = SummaryWriter(str(tmp_path))
    add_settings(writer, best, ("sources", "learning_rate"))
    writer.close()
    plugin = {value.tag: value.metadata.plugin_data.content for _, value in values(tmp_path)}  # type: ignore[attr-defined]
    begun = HParamsPluginData.FromString(plugin["_hparams_/session_start_info"]).session_start_info
    assert set(begun.hparams) == {"sources", "learning_rate"}
    assert begun.hparams["learning_rate"].number_value == best.settings["learning_rate"]
    assert begun.hparams["sources"].string_value == " ".join(best.sources)
    experiment = HParamsPluginData.FromString(plugin["_hparams_/experiment"]).experiment
    assert "validation/mse" in {metric.name.tag for metric in experiment.metric_infos}


def test_the_best_have_their_clips_and_a_histogram_of_each_gate_for_each_frame(
    findings: Findings, tmp_path: Path
) -> None:
    look = next(look for look in findings.looks if look.facts.sources)
    add_look(tmp_path, look, epoch=6)
    found = list(values(tmp_path))
    pictures = {value.tag: value.image.encoded_image_string for _, value in found if value.HasField("image")}  # type: ignore[attr-defined]
    assert {tag.split("/")[1] for tag in pictures} == {"best", "median", "worst"}
    moving = Image.open(io.BytesIO(pictures["clips/worst/animation"]))
    assert (moving.format, getattr(moving, "n_frames", 1)) == ("GIF", look.predictions.clips.shape[1])
    strip = np.asarray(Image.open(io.BytesIO(pictures["clips/best/true"])))
    assert strip.shape[0] == look.predictions.clips.shape[2]
    source = next(iter(look.facts.sources))
    steps = [step for step, value in found if value.tag == f"gates/{source}/layer_0"]  # type: ignore[attr-defined]
    assert steps == list(range(1, look.openness.shape[3] + 1))

"""A target of radar looked at: what its bytes mean, and how well events are foretold, the further ahead."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from platform.benchmarks.benchmark import Benchmark
from platform.benchmarks.blocks import ClipBlocks
from platform.benchmarks.catalog import prepare_dataset
from platform.benchmarks.encoding import MISSING, RAIN
from platform.benchmarks.recording import NumClips, Wanted
from platform.benchmarks.store import FrameStore
from platform.benchmarks.tensors import clips_to_tensors
from platform.config.benchmark import BenchmarkConfig
from platform.config.bounded import Refused
from platform.inspection.looking import Looked, best_median_worst, look_at
from platform.results.look import Look, MeasuredField, read_look, write_look
from platform.training.evaluation import evaluate
from platform.training.events import EventScores, level_bounds
from tmu_models import VideoPredictor

INPUT, STEP = 3, 2
THRESHOLDS = (0.5, 5.0, 200.0)  # it never rains as hard as the last


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> FrameStore:
    """The stand-in, of which every fourth radar sees a circle only."""
    return prepare_dataset("fmi", None, tmp_path_factory.mktemp("radar"), Wanted(16, NumClips(1, 7, 1)))


def clips_of(store: FrameStore, total_length: int = 7) -> ClipBlocks:
    config = BenchmarkConfig(
        name="fmi",
        frame_size=16,
        input_length=INPUT,
        total_length=total_length,
        frame_step=STEP,
        split="sevir_dates",  # type: ignore[arg-type]
        thresholds=THRESHOLDS,
        block_clips=4,
    )
    return Benchmark(config, store).blocks("validation")


@pytest.fixture(scope="module")
def target() -> VideoPredictor:
    """Untrained, with weights so large that it foretells all kinds of rain."""
    torch.manual_seed(0)
    network = VideoPredictor(channels=1, frame_size=(16, 16), patch_size=4, hidden=(4,), kernel_size=3)
    with torch.no_grad():
        for weights in network.parameters():
            weights.normal_(0, 0.6)
    return network.eval()


def looked_at(network: VideoPredictor, clips: ClipBlocks, thresholds: tuple[float, ...] = THRESHOLDS) -> Look:
    looked = Looked(network, clips, INPUT, torch.device("cpu"), thresholds=thresholds)
    return look_at(looked, trial=7, benchmark="fmi", kept=best_median_worst(looked.mse()))


@pytest.fixture(scope="module")
def look(target: VideoPredictor, store: FrameStore) -> Look:
    return looked_at(target, clips_of(store))


def test_csi_one_frame_ahead_is_that_of_an_evaluation(target: VideoPredictor, store: FrameStore) -> None:
    clips = clips_of(store, total_length=INPUT + 1)
    facts = looked_at(target, clips).facts
    evaluation = evaluate(target, clips, INPUT, thresholds=THRESHOLDS)
    for name in ("csi_0.5", "csi_5"):
        assert facts.horizon[name] == (evaluation.scores[name],)
        assert facts.floor[name] == (evaluation.last_frame[name],)
    assert facts.floor["csi_200"] == (None,)
    assert 0 < evaluation.scores["csi_0.5"] < evaluation.last_frame["csi_0.5"]


@torch.inference_mode()
def test_csi_of_each_lead_time_pools_the_measured_pixels_of_all_clips(
    look: Look, target: VideoPredictor, store: FrameStore
) -> None:
    clips, bounds = clips_of(store), level_bounds(RAIN, THRESHOLDS)
    levels = np.concatenate([clips.frames(block) for block in range(clips.num_blocks)])
    assert (levels == MISSING).any()
    true, valid = clips_to_tensors(levels, field=True)
    assert valid is not None
    guess = target(true, input_length=INPUT).frames
    for step in range(INPUT, clips.total_length):
        ours, floor = EventScores(THRESHOLDS, bounds), EventScores(THRESHOLDS, bounds)
        for clip in range(len(levels)):
            there = valid[clip, step].numpy()
            ours.add(true[clip, step].numpy(), guess[clip, step - 1].numpy(), there)
            floor.add(true[clip, step].numpy(), true[clip, INPUT - 1].numpy(), there)
        for threshold in THRESHOLDS:
            name = f"csi_{threshold:g}"
            assert look.facts.horizon[name][step - INPUT] == ours.scores()[name]
            assert look.facts.floor[name][step - INPUT] == floor.scores()[name]


def test_bytes_of_a_look_mean_what_was_stored(look: Look, store: FrameStore) -> None:
    field = look.facts.field
    assert field is not None
    assert (field.unit, field.step_s) == ("mm/h", STEP * 300)
    clips = clips_of(store)
    levels = np.concatenate([clips.frames(block) for block in range(clips.num_blocks)])
    names = [name for block in range(clips.num_blocks) for name in clips.clip_names(block)]
    stored = levels[[names.index(name) for name in look.facts.kept]]
    there = stored != MISSING
    shown = np.array(field.values)[look.predictions.clips]
    np.testing.assert_array_equal(shown[there], RAIN.values(stored)[there])
    assert (look.predictions.valid is None) == there.all()


def test_a_look_at_radar_is_read_back_and_so_is_one_of_before(look: Look, tmp_path: Path) -> None:
    path = tmp_path / "look.npz"
    write_look(path, look)
    assert read_look(path).facts == look.facts
    with np.load(path) as archive:
        arrays = dict(archive)
    old = json.loads(arrays["facts"].tobytes())
    del old["field"]
    np.savez(path, **{**arrays, "facts": np.frombuffer(json.dumps(old).encode(), np.uint8)})
    assert read_look(path).facts.field is None


def test_without_thresholds_nothing_is_an_event(target: VideoPredictor, store: FrameStore) -> None:
    facts = looked_at(target, clips_of(store), thresholds=()).facts
    assert set(facts.horizon) == set(facts.floor) == {"mse", "ssim", "psnr"}
    assert facts.field is not None


@pytest.mark.parametrize("values", [range(255), range(256, 0, -1), [0] * 256, [0] * 255 + [1e300]])
def test_a_field_whose_bytes_mean_nothing_is_refused(look: Look, values: list[float], tmp_path: Path) -> None:
    field = MeasuredField.model_construct(unit="mm/h", values=tuple(values), step_s=None)
    path = tmp_path / "look.npz"
    facts = look.facts.model_copy(update={"field": field})
    write_look(path, Look(facts, look.predictions, look.openness, look.steps))
    with pytest.raises(Refused, match=r"damaged \(field.values"):
        read_look(path)

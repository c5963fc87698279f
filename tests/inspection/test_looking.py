"""A target with gates, looked at on prepared clips, written down and read back."""

from pathlib import Path

import numpy as np
import pytest
import torch

from platform.bank.networks import add_gates, build_network
from platform.benchmarks.blocks import ClipBlocks
from platform.benchmarks.catalog import open_benchmark
from platform.config.bounded import Refused
from platform.config.home import Home
from platform.config.network import NetworkConfig
from platform.config.run import RunConfig
from platform.config.trial import GateConfig
from platform.inspection.looking import Looked, best_median_worst, look_at
from platform.results.look import Look, read_look, write_look
from platform.training.evaluation import evaluate
from tmu_models import VideoPredictor
from tmu_models.gate_watch import watch_gates

INPUT = 3


@pytest.fixture
def clips(tiny_home: Home, tiny_config: "object") -> ClipBlocks:
    config: RunConfig = tiny_config()  # type: ignore[operator]
    return open_benchmark(config.benchmark, tiny_home).blocks("validation")


def network(merge: str = "mean", sources: tuple[str, ...] = ("one", "two")) -> VideoPredictor:
    torch.manual_seed(0)
    config = NetworkConfig(family="convlstm", hidden=(8, 8), kernel_size=3, patch_size=4)
    found = build_network(config, channels=1, frame_size=16)
    if sources:
        gates = GateConfig(layers=(0, 1), merge=merge, kernel_size=3)  # type: ignore[arg-type]
        add_gates(found, gates, dict.fromkeys(sources, 8))
    return found.eval()


def looked_at(network: VideoPredictor, clips: ClipBlocks) -> tuple[Looked, Look]:
    looked = Looked(network, clips, INPUT, torch.device("cpu"))
    return looked, look_at(looked, trial=7, benchmark="squares", kept=best_median_worst(looked.mse()))


def test_scores_are_those_of_an_evaluation_and_pictures_those_of_the_network(clips: ClipBlocks) -> None:
    target = network()
    _, look = looked_at(target, clips)
    evaluation = evaluate(target, clips, INPUT)
    np.testing.assert_allclose(look.facts.mse, evaluation.per_clip["mse"], rtol=1e-5)
    horizon = [value for value in look.facts.horizon["mse"] if value is not None]
    assert len(horizon) == clips.total_length - INPUT
    assert np.mean(horizon) == pytest.approx(evaluation.scores["mse"], rel=1e-5)
    floor = [value for value in look.facts.floor["mse"] if value is not None]
    assert np.mean(floor) == pytest.approx(evaluation.last_frame["mse"], rel=1e-5)

    names = clips.clip_names(0)
    kept = [names.index(name) for name in look.facts.kept]
    np.testing.assert_array_equal(look.predictions.clips, clips.frames(0)[kept])
    assert sorted(look.predictions.mse) == pytest.approx(
        [min(look.facts.mse), sorted(look.facts.mse)[len(look.facts.mse) // 2], max(look.facts.mse)], rel=0.05
    )


def test_worth_is_what_shutting_a_gate_costs(clips: ClipBlocks) -> None:
    target = network()
    looked, look = looked_at(target, clips)
    with watch_gates(target, shut=["two"]):
        shut = evaluate(target, clips, INPUT).per_clip["mse"]
    np.testing.assert_allclose(look.facts.sources["two"].worth, shut - looked.mse(), rtol=1e-3, atol=1e-4)
    assert np.abs(look.facts.sources["two"].worth).max() > 0
    assert len(look.facts.all_shut) == clips.num_clips


@torch.inference_mode()
def test_gates_are_told_by_layer_source_step_and_place(clips: ClipBlocks) -> None:
    target = network()
    _, look = looked_at(target, clips)
    steps = clips.total_length - 1
    assert look.openness.shape == (2, 2, 3, steps, 4, 4)
    assert look.steps.shape == (2, 2, 2, steps)
    assert look.facts.layers == (0, 1)
    frames = torch.from_numpy(np.moveaxis(look.predictions.clips, -1, 2).astype(np.float32) / 255)
    with watch_gates(target) as told:
        target(frames, input_length=INPUT)
    np.testing.assert_allclose(look.openness[1, 0, :, 2] / 255, told[1][2].openness["one"], atol=0.5 / 255 + 1e-6)
    assert look.facts.sources["one"].openness[1] == pytest.approx(float(look.steps[0, 1, 0].mean()), rel=1e-5)
    assert 0 < look.facts.sources["one"].drawn[0] < 1


def test_a_target_without_sources_has_pictures_and_no_gates(clips: ClipBlocks, tmp_path: Path) -> None:
    _, look = looked_at(network(sources=()), clips)
    assert look.facts.sources == {}
    assert look.facts.all_shut == ()
    write_look(tmp_path / "look.npz", look)
    assert read_look(tmp_path / "look.npz").facts == look.facts


@pytest.mark.parametrize("merge", ["mean", "softmax", "sum", "released"])
@pytest.mark.filterwarnings("ignore:merge 'released'")
def test_what_is_written_is_read_back(merge: str, clips: ClipBlocks, tmp_path: Path) -> None:
    _, look = looked_at(network(merge), clips)
    path = tmp_path / "trial" / "look.npz"
    write_look(path, look)
    again = read_look(path)
    assert again.facts == look.facts
    np.testing.assert_array_equal(again.openness, look.openness)
    np.testing.assert_array_equal(again.predictions.predicted, look.predictions.predicted)


def test_a_look_whose_parts_do_not_fit_is_refused(clips: ClipBlocks, tmp_path: Path) -> None:
    _, look = looked_at(network(), clips)
    path = tmp_path / "look.npz"
    for facts in (
        look.facts.model_copy(update={"layers": (0,)}),
        look.facts.model_copy(update={"mse": look.facts.mse[1:]}),
        look.facts.model_copy(update={"kept": ("a", "b", "c")}),
        look.facts.model_copy(update={"input_length": 2}),
    ):
        write_look(path, Look(facts, look.predictions, look.openness, look.steps))
        with pytest.raises(Refused, match="does not fit together"):
            read_look(path)
    path.write_bytes(b"PK")
    with pytest.raises(Refused):
        read_look(path)

"""How a run decides to compute, and that it does."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from platform.benchmarks.catalog import open_benchmark
from platform.config.home import Home
from platform.config.run import RunConfig
from platform.config.training import TrainingConfig
from platform.training.evaluation import evaluate
from platform.training.precision import LEAST_COMPILED, Computing, settled_precision, step_operations
from platform.training.run import TrainingRun
from tmu_models import VideoPredictor

Config = Callable[..., RunConfig]
CPU = torch.device("cpu")


def network(**changes: object) -> VideoPredictor:
    torch.manual_seed(0)
    sizes = {"channels": 1, "frame_size": (16, 16), "patch_size": 4, "hidden": (8, 8), "kernel_size": 3}
    return VideoPredictor(**{**sizes, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("capabilities", "wanted"),
    [({"avx512_bf16": True}, "bfloat16"), ({"amx_bf16": True}, "bfloat16"), ({"avx512_f": True}, "float32")],
)
def test_auto_is_half_precision_where_the_processor_computes_in_it(
    capabilities: dict[str, bool], wanted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    assert settled_precision("auto", CPU) == wanted
    assert settled_precision("float32", CPU) == "float32"
    assert settled_precision("bfloat16", CPU) == "bfloat16"


def test_a_short_run_is_not_compiled_unless_asked() -> None:
    assert not Computing.of(TrainingConfig(), CPU, LEAST_COMPILED / 2).compiled
    assert Computing.of(TrainingConfig(), CPU, LEAST_COMPILED).compiled
    assert Computing.of(TrainingConfig(compile=True), CPU, 0.0).compiled
    assert not Computing.of(TrainingConfig(compile=False), CPU, 1e18).compiled


def test_operations_are_those_of_the_convolutions() -> None:
    """Counted by hand: 3 passes of 2 operations a weight, cell, clip and step."""
    weights = 8 * 4 * (16 + 8) * 9 + 8 * 4 * (8 + 8) * 9 + 8 * 16
    assert step_operations(network(), num_clips=2, total_length=6, cells=16) == 3 * 2 * weights * 16 * 2 * 5


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_training_and_evaluation_compute_as_they_were_told(
    precision: str, tiny_home: Home, tiny_config: Config
) -> None:
    config = tiny_config(f"training.precision={precision}")
    clips = open_benchmark(config.benchmark, tiny_home).blocks("train")
    run = TrainingRun(network(), clips, config.training, input_length=3, learning_rate=1e-3, seed=0)
    seen: set[torch.dtype] = set()
    convolution: Any = run.network.cells[1].conv[0]
    share = convolution.part

    def part(number: int, x: torch.Tensor) -> torch.Tensor:
        convolved: torch.Tensor = share(number, x)
        seen.add(convolved.dtype)
        return convolved

    convolution.part = part
    batch = next(run.stream.epoch(0))
    run.step(batch.frames, batch.memories)
    with run.computing():
        evaluate(run.network, clips, 3)
    assert seen == {getattr(torch, precision)}
    assert {parameter.dtype for parameter in run.network.parameters()} == {torch.float32}


def test_half_precision_learns_as_well(tiny_home: Home, tiny_config: Config) -> None:
    def trained(precision: str) -> float:
        config = tiny_config(f"training.precision={precision}", "training.epochs=12")
        clips = open_benchmark(config.benchmark, tiny_home).blocks("train")
        run = TrainingRun(network(), clips, config.training, input_length=3, learning_rate=3e-3, seed=0)
        losses = [run.epoch().train_loss for _ in range(12)]
        assert losses[-1] < 0.7 * losses[0]
        return losses[-1]

    assert trained("bfloat16") == pytest.approx(trained("float32"), rel=0.05)

"""CUDA graphs: a replayed step is the step. On a machine without a GPU only what decides which graph is used."""

import warnings
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from platform.benchmarks.catalog import open_benchmark
from platform.config.home import Home
from platform.config.run import RunConfig
from platform.training.graphs import GraphedStep, StepInputs
from platform.training.run import TrainingRun
from tmu_models import VideoPredictor

Config = Callable[..., RunConfig]
NO_GPU = "no CUDA GPU on this machine"


def inputs(num_clips: int = 2, **changes: object) -> StepInputs:
    made = StepInputs(
        frames=torch.rand(num_clips, 6, 1, 16, 16),
        valid=None,
        mask=torch.zeros(num_clips, 2),
        memories={"one": torch.rand(num_clips, 5, 8, 4, 4)},
        strength=torch.tensor(0.1),
        shown=3,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def test_only_inputs_of_one_shape_share_a_graph() -> None:
    first = inputs()
    assert first.shape == inputs().shape
    others = [
        inputs(num_clips=1),
        inputs(mask=None),
        inputs(memories={}),
        inputs(memories={"two": first.memories["one"]}),
        inputs(shown=1),
        inputs(valid=torch.ones(2, 6, 1, 16, 16, dtype=torch.bool)),
        inputs(memories={"one": first.memories["one"].half()}),
    ]
    assert len({first.shape, *(other.shape for other in others)}) == 1 + len(others)


def test_inputs_of_a_graph_take_over_every_value() -> None:
    kept, new = inputs(), inputs(mask=torch.ones(2, 2), strength=torch.tensor(0.7))
    static = kept.clone()
    static.copy_(new)
    for mine, theirs in ((static.frames, new.frames), (static.mask, new.mask), (static.strength, new.strength)):
        assert mine is not None
        assert theirs is not None
        assert torch.equal(mine, theirs)
    assert torch.equal(static.memories["one"], new.memories["one"])
    assert not torch.equal(kept.frames, new.frames)


def train(config: RunConfig, home: Home, *, graphs: bool) -> tuple[list[float], torch.Tensor]:
    torch.manual_seed(0)
    network = VideoPredictor(channels=1, frame_size=(16, 16), patch_size=4, hidden=(8, 8), kernel_size=3)
    clips = open_benchmark(config.benchmark, home).blocks("train")
    run = TrainingRun(network, clips, config.training, input_length=3, learning_rate=1e-3, seed=0, device="cuda")
    if not graphs:
        run._graphs = GraphedStep(run._compute)
        run._graphs.refused = "not wanted here"
    losses = [run.epoch().train_loss for _ in range(config.training.epochs)]
    return losses, torch.cat([parameter.detach().flatten().cpu() for parameter in network.parameters()])


@pytest.mark.skipif(not torch.cuda.is_available(), reason=NO_GPU)
def test_a_replayed_step_is_the_step(tiny_home: Home, tiny_config: Config) -> None:
    config = tiny_config("training.precision=float32")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        losses, weights = train(config, tiny_home, graphs=True)
    wanted_losses, wanted_weights = train(config, tiny_home, graphs=False)
    assert losses == pytest.approx(wanted_losses, rel=1e-5)
    torch.testing.assert_close(weights, wanted_weights)


class _FakeGraphs:
    """CUDA without a GPU: streams that are none, and a capture that fails as a real one does."""

    def __init__(self) -> None:
        self.captures = 0

    def graph(self, *arguments: object, **options: object) -> "_FakeGraphs":
        assert options["capture_error_mode"] == "thread_local"
        self.captures += 1
        return self

    def __enter__(self) -> None:
        raise RuntimeError("operation not permitted when stream is capturing\nand more")

    def __exit__(self, *failure: object) -> None:
        pass


def test_a_step_that_cannot_be_captured_runs_as_it_is_and_that_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = _FakeGraphs()
    computed: list[StepInputs] = []
    streams: list[object] = []
    for name, value in {
        "graph": fake.graph,
        "CUDAGraph": object,
        "graph_pool_handle": lambda: (0, 1),
        "current_stream": lambda: "the stream",
        "set_stream": streams.append,
    }.items():
        monkeypatch.setattr(torch.cuda, name, value)

    def compute(made: StepInputs) -> tuple[torch.Tensor, torch.Tensor]:
        computed.append(made)
        return made.strength, made.strength

    graphed = GraphedStep(compute)
    monkeypatch.setattr(graphed, "_beside", compute)
    with pytest.warns(UserWarning, match="without a CUDA graph: operation not permitted") as said:
        loss = [graphed(inputs())[0] for _ in range(8)][-1]
    assert loss.item() == pytest.approx(0.1)
    assert (len(computed), fake.captures, len(said)) == (8, 1, 1)
    assert graphed.refused is not None
    assert streams == ["the stream"]  # a capture that failed leaves its own

"""The training loop: it learns, it repeats itself, and a break changes nothing."""

import threading
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from platform.benchmarks.blocks import ClipBlocks
from platform.benchmarks.catalog import open_benchmark
from platform.config.home import Home
from platform.config.run import RunConfig
from platform.memory.request import Counters, Request, Shown
from platform.training.evaluation import evaluate
from platform.training.imitation import Imitation
from platform.training.run import TrainingDiverged, TrainingRun, num_steps
from tmu_models import VideoPredictor, prediction_loss

Config = Callable[..., RunConfig]


class FixedMemory:
    """Memories that tell which clip and direction they belong to: the means of its frames 1 to 5, in every place."""

    def __init__(self, clips: ClipBlocks) -> None:
        self.counters = Counters()
        self.clips = clips
        self.asked: list[Request] = []

    def states(self, request: Request, shown: Shown | None = None) -> np.ndarray:
        self.asked.append(request)
        frames = self.clips.frames(request.block, request.variant)[:, :: -1 if request.direction == "reverse" else 1]
        return np.broadcast_to(means(frames / 255.0)[:, :, None, None, None], (len(frames), 5, 8, 4, 4)).astype("f2")

    def announce(self, requests: Sequence[Request]) -> None:
        """Nothing is computed ahead."""


def means(clips: np.ndarray) -> np.ndarray:
    """(N, T, ...) -> (N, T-1): the mean of each frame after the first."""
    return clips[:, 1:].reshape(len(clips), clips.shape[1] - 1, -1).mean(axis=2)


def fixed_memory(config: RunConfig, home: Home) -> FixedMemory:
    return FixedMemory(open_benchmark(config.benchmark, home).blocks("train"))


def start(config: RunConfig, home: Home, memory: FixedMemory | None = None, lr: float = 3e-3) -> TrainingRun:
    torch.manual_seed(0)
    network = VideoPredictor(channels=1, frame_size=(16, 16), patch_size=4, hidden=(8, 8), kernel_size=3)
    imitation = None
    if memory is not None:
        network.add_transfer((0,), {"one": 8, "three": 8})
        imitation = Imitation(memory, {"one": "cell/0", "three": "cell/0"}, weight=0.1)
    clips = open_benchmark(config.benchmark, home).blocks("train")
    return TrainingRun(
        network, clips, config.training, input_length=3, learning_rate=lr, seed=5, order_seed=1, imitation=imitation
    )


def test_training_brings_the_loss_down(tiny_home: Home, tiny_config: Config) -> None:
    run = start(tiny_config("training.epochs=15", "training.sampling.start=0"), tiny_home)
    losses = [run.epoch().train_loss for _ in range(15)]
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_a_run_that_was_broken_off_ends_as_the_undisturbed_one(
    tiny_home: Home, tiny_config: Config, tmp_path: Path, schedule: str
) -> None:
    config = tiny_config(f"training.schedule={schedule}")
    whole = start(config, tiny_home, fixed_memory(config, tiny_home))
    for _ in range(3):
        whole.epoch()

    first = start(config, tiny_home, fixed_memory(config, tiny_home))
    first.epoch()
    torch.save(first.state(), tmp_path / "state.pt")
    second = start(config, tiny_home, fixed_memory(config, tiny_home))
    second.restore(torch.load(tmp_path / "state.pt", weights_only=True))
    for _ in range(2):
        second.epoch()

    for name, weight in whole.network.state_dict().items():
        assert torch.equal(weight, second.network.state_dict()[name]), name


@pytest.mark.parametrize("readers", [0, 2])
def test_a_run_goes_on_from_a_state_taken_after_any_step_as_if_nothing_had_happened(
    tiny_home: Home, tiny_config: Config, readers: int
) -> None:
    """Weights and reports, bit for bit; with augmented variants, and imitation that ends within the second epoch."""
    config = tiny_config(
        "benchmark.augment=mirror",
        "benchmark.variants=3",
        "training.epochs=2",
        "training.schedule=cosine",
        f"training.readers={readers}",
    )

    def begin() -> TrainingRun:
        run = start(config, tiny_home, fixed_memory(config, tiny_home))
        assert run.imitation is not None
        run.imitation = run.stream.imitation = replace(run.imitation, until=0.7, schedule="linear")
        return run

    states, whole = [], begin()
    reports = [whole.epoch(lambda _: states.append(deepcopy(whole.state()))) for _ in range(2)]
    assert len(states) == whole.total_steps == 20
    for state in states[::3]:
        again = begin()
        again.restore(state)
        ends = [again.epoch() for _ in range(again.epochs_done, 2)]
        for report, end in zip(reports[-len(ends) :], ends, strict=True):
            assert replace(end, seconds=report.seconds) == report
        for name, weight in whole.network.state_dict().items():
            assert torch.equal(weight, again.network.state_dict()[name]), name


def test_an_interrupted_epoch_leaves_no_thread_and_can_go_on(tiny_home: Home, tiny_config: Config) -> None:
    def interrupt(steps_done: int) -> None:
        if steps_done == 3:
            raise KeyboardInterrupt

    run, whole = start(tiny_config(), tiny_home), start(tiny_config(), tiny_home)
    with pytest.raises(KeyboardInterrupt):
        run.epoch(interrupt)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("reader")]
    assert replace(run.epoch(), seconds=0.0) == replace(whole.epoch(), seconds=0.0)


def test_missing_pixels_are_not_learned(tiny_home: Home, tiny_config: Config) -> None:
    """What stands in their place changes no loss and no weight, where nothing of it is shown."""
    weights = []
    for filler in (0.0, 1.0):
        run = start(tiny_config("training.sampling.start=0"), tiny_home)
        frames = torch.rand(2, 6, 1, 16, 16, generator=torch.Generator().manual_seed(1))
        valid = torch.ones_like(frames, dtype=torch.bool)
        valid[:, 4:, :, :8] = False
        run.step(frames.where(valid, filler), {}, valid)
        weights.append(run.network.state_dict())
    for name, weight in weights[0].items():
        assert torch.equal(weight, weights[1][name]), name


def test_every_clip_is_shown_once_an_epoch_in_each_direction(tiny_home: Home, tiny_config: Config) -> None:
    run = start(tiny_config(), tiny_home)
    shown = [batch.frames for batch in run.stream.epoch(0)]
    assert sum(len(frames) for frames in shown) == 2 * 20
    forward = torch.cat(shown[0::2]).flatten(1)
    backward = torch.cat(shown[1::2]).flip(1).flatten(1)
    assert torch.equal(forward, backward)
    assert len(forward.unique(dim=0)) == 20


def test_memories_belong_to_the_clips_they_are_given_with(tiny_home: Home, tiny_config: Config) -> None:
    run = start(tiny_config(), tiny_home, fixed_memory(tiny_config(), tiny_home))
    for batch in run.stream.epoch(0):  # forward and reverse
        np.testing.assert_allclose(batch.memories["one"][:, :, 0, 0, 0], means(batch.frames.numpy()), atol=1e-3)


def test_each_block_is_asked_for_once_an_epoch_source_and_direction(tiny_home: Home, tiny_config: Config) -> None:
    memory = fixed_memory(tiny_config(), tiny_home)
    run = start(tiny_config(), tiny_home, memory)
    run.epoch()
    memory.asked.clear()  # the first epoch also asks for the scale of each source's memory
    run.epoch()
    assert len(memory.asked) == len(set(memory.asked)) == 3 * 2 * 2  # blocks x sources x directions


def test_distillation_is_in_the_loss_with_its_weight(tiny_home: Home, tiny_config: Config) -> None:
    """What a step applies is the gradient of prediction loss + weight x imitation loss, nothing more or less."""
    config = tiny_config("training.sampling.start=0", "training.precision=float32")
    run = start(config, tiny_home, fixed_memory(config, tiny_home))
    assert run.imitation is not None
    batch = next(run.stream.epoch(0))
    frames, memories = batch.frames, batch.memories
    prediction = run.network(frames, input_length=3)
    imitated = run.imitation.loss(run.network, prediction, memories, run.imitation.moments())
    wanted = torch.autograd.grad(prediction_loss(prediction, frames) + 0.1 * imitated, list(run.network.parameters()))
    run.step(frames, memories)
    assert imitated.item() > 0
    for parameter, gradient in zip(run.network.parameters(), wanted, strict=True):
        torch.testing.assert_close(parameter.grad, gradient)


def test_a_loss_that_is_no_number_ends_the_run_with_advice(tiny_home: Home, tiny_config: Config) -> None:
    run = start(tiny_config(), tiny_home, lr=1e30)
    with pytest.raises(TrainingDiverged, match="lower learning_rate"):
        run.epoch()


def test_steps_per_epoch_limits_an_epoch(tiny_home: Home, tiny_config: Config) -> None:
    config = tiny_config("training.steps_per_epoch=2", "training.reverse=false")
    run = start(config, tiny_home)
    assert run.epoch().steps == 2
    assert num_steps(config.training, run.stream.clips) == 3 * 2


def test_scheduled_sampling_shows_less_and_less_of_the_truth(tiny_home: Home, tiny_config: Config) -> None:
    run = start(tiny_config(), tiny_home)
    frames, total = torch.zeros(256, 6, 1, 16, 16), num_steps(run.plan, run.stream.clips)
    shown = []
    for step in (0, total // 3, total):
        run.steps_done = step
        _, mask = run._truth_mask(frames)
        shown.append(0.0 if mask is None else mask.mean().item())
    assert shown[0] == 1.0
    assert 0.3 < shown[1] < 0.6
    assert shown[2] == 0.0


def test_a_predictor_is_scored_beside_copying_the_last_frame(tiny_home: Home, tiny_config: Config) -> None:
    clips = open_benchmark(tiny_config().benchmark, tiny_home).blocks("validation")

    class Copying(torch.nn.Module):
        def forward(self, frames: torch.Tensor, *, input_length: int) -> object:
            copied = frames[:, input_length - 1 : input_length].expand(-1, frames.shape[1] - 1, -1, -1, -1)
            return type("Prediction", (), {"frames": copied})

    result = evaluate(Copying(), clips, input_length=3)  # type: ignore[arg-type]
    assert result.scores == pytest.approx(result.last_frame)
    assert result.per_clip["mse"].shape == (6,)

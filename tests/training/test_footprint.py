"""A GPU's memory, foretold: held against what the same step makes PyTorch's real allocator for the processor set aside.

No GPU had a part in it: what CUDA's context and allocator take besides are named constants.
"""

import contextlib
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from platform.bank.networks import add_sources, build_network
from platform.config.run import RunConfig
from platform.config.trial import TrialSettings
from platform.training.footprint import ALLOCATOR_SLACK, CONTEXT_BYTES, step_bytes, trial_bytes
from platform.training.graphs import StepInputs
from platform.training.imitation import Imitation
from platform.training.losses import Objective
from tmu_models import Moments

Config = Callable[..., RunConfig]
WIDTHS = {"one": 16, "two": 8}
SIZES = ("network.hidden=[16,16]", "training.batch_size=8")


class RealStep:
    """The same training step with numbers, of which only the loss is random."""

    def __init__(self, config: RunConfig, settings: TrialSettings) -> None:
        self.config, benchmark = config, config.benchmark
        self.network = build_network(config.network, channels=1, frame_size=benchmark.frame_size)
        if settings.sources and settings.distil.what == "memory":
            add_sources(self.network, settings, {name: WIDTHS[name] for name in settings.sources})
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.adam = torch.optim.Adam(self.network.parameters(), fused=True)
        way = "knowledge_flow" if settings.transfer == "knowledge_flow" else settings.distil.what
        provider: Any = None  # is asked for nothing
        imitation = Imitation(provider, dict.fromkeys(settings.sources, ""), weight=0.1, way=way)
        moments = dict.fromkeys(settings.sources, Moments(0.0, 1.0))
        self.objective = Objective(imitation if settings.sources else None, lambda: moments, 0.1)
        self.sources, self.of_frames = settings.sources, settings.distil.what == "frames"

    def __call__(self) -> None:
        benchmark, B = self.config.benchmark, self.config.training.batch_size
        T, side = benchmark.total_length, benchmark.frame_size
        sizes = {name: (1, side, side) if self.of_frames else (WIDTHS[name], 4, 4) for name in self.sources}
        inputs = StepInputs(
            frames=torch.rand(B, T, 1, side, side),
            valid=None,
            mask=torch.ones(B, T - 1 - benchmark.input_length),
            memories={name: torch.rand(B, T - 1, *size).half() for name, size in sizes.items()},
            strength=torch.tensor(0.1),
            shown=benchmark.input_length,
        )
        half = self.config.training.precision == "bfloat16"
        with torch.autocast("cpu", torch.bfloat16) if half else contextlib.nullcontext():
            _, _, total = self.objective.of(self.network, inputs)
            self.adam.zero_grad(set_to_none=True)
            total.backward()
        self.adam.step()

    def saved_bytes(self) -> int:
        """Of what is kept for the way back, each storage once."""
        saved: dict[int, torch.UntypedStorage] = {}

        def keep(tensor: torch.Tensor) -> torch.Tensor:
            saved[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            self()
        return sum(storage.nbytes() for storage in saved.values())

    def allocated_bytes(self) -> int:
        """At the most in a step, by the allocator's own record, with weights, gradients and Adam's two states."""
        now = most = 0
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
            self()
        for event in recorded.profiler.kineto_results.events():
            if event.name() == "[memory]":
                now += event.nbytes()
                most = max(most, now)
        return most + 4 * sum(weight.nbytes for weight in self.network.parameters())


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"sources": ["one", "two"], "tmu": {"layers": [0, 1]}},
        {"sources": ["one", "two"], "tmu": {"layers": [0, 1], "merge": "softmax"}},
        {"sources": ["one"], "transfer": "knowledge_flow"},
        {"sources": ["one"], "distil": {"what": "frames"}},
    ],
    ids=["scratch", "mean", "softmax", "knowledge_flow", "frames"],
)
@pytest.mark.parametrize("network", [(), ("network.family=predrnn", "network.decoupling=true")], ids=["lstm", "st"])
def test_a_step_takes_what_was_foretold(
    tiny_config: Config, network: tuple[str, ...], settings: dict[str, Any], precision: str
) -> None:
    """In float32 oneDNN sets aside up to a tenth more for itself."""
    config = tiny_config(*SIZES, *network, f"training.precision={precision}")
    chosen = TrialSettings.model_validate(settings)
    foretold = step_bytes(config, chosen, {name: WIDTHS[name] for name in chosen.sources}, channels=1)
    step = RealStep(config, chosen)
    step()  # makes gradients and Adam's states
    assert step.saved_bytes() < foretold
    assert 0.85 < foretold / step.allocated_bytes() < 1.1


def test_twice_the_clips_take_twice_the_memory_but_for_the_weights(tiny_config: Config) -> None:
    one, two, four = (
        step_bytes(tiny_config("network.hidden=[16,16]", f"training.batch_size={clips}"), TrialSettings(), {}, 1)
        for clips in (2, 4, 8)
    )
    assert four - two == pytest.approx(2 * (two - one), rel=0.02)


def test_a_trial_takes_the_step_with_slack_and_its_process(tiny_config: Config) -> None:
    config, settings = tiny_config(), TrialSettings()
    step = step_bytes(config, settings, {}, 1)
    assert trial_bytes(config, settings, {}, 1) == CONTEXT_BYTES + int(ALLOCATOR_SLACK * step)


def test_weights_that_are_held_to_where_they_began_are_there_twice(tiny_config: Config) -> None:
    held = TrialSettings(start="one", l2_sp=0.1)
    weights = sum(w.nbytes for w in build_network(tiny_config().network, channels=1, frame_size=16).parameters())
    more = step_bytes(tiny_config(), held, {}, 1) - step_bytes(tiny_config(), TrialSettings(), {}, 1)
    assert weights <= more < 3 * weights


def test_nothing_that_a_trial_draws_changes(tiny_config: Config) -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    step_bytes(tiny_config(), TrialSettings(), {}, 1)
    assert torch.equal(torch.get_rng_state(), before)

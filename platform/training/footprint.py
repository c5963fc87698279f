"""How much of a GPU's memory a trial takes, foretold without a GPU: its training step is run on tensors without values.

PyTorch's fake tensors have shapes and types only, so a step takes a second whatever its sizes; every storage is counted
once, from the operation that makes it until nobody holds it: weights, gradients, Adam's state, what is saved for the
way back, and what lives for a moment. Left out: validation, which keeps nothing for a way back. What PyTorch compiles
takes less. A GPU has not been asked whether this is right: searches correct it by what their trials report.
"""

import warnings
import weakref
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from platform.bank.networks import add_sources, build_network
from platform.config.run import RunConfig
from platform.config.trial import SCRATCH, TrialSettings
from platform.memory.in_process import InProcessMemory
from platform.training.graphs import StepInputs
from platform.training.imitation import Imitation
from platform.training.losses import Objective
from platform.training.sampling import truth_mask
from tmu_models import Moments, StartingPoint, VideoPredictor, fused_pointwise

# B clips, T frames, C channels, H W pixels, S memory channels, h w grid cells

CONTEXT_BYTES = 600_000_000  # of a process on a GPU; taken from what others report, not measured
ALLOCATOR_SLACK = 1.25  # what PyTorch reserves beside what lives: rounding, fragments, workspaces; a guess likewise
ADAM_STATES = 2  # tensors that the optimiser keeps of each weight


class LivingBytes(TorchDispatchMode):
    """Counts the storages that are made inside, each once, for as long as they live: `now`, and the `most` so far."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.most = 0
        self._living: dict[int, int] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, torch.Tensor):
                self._count(tensor.untyped_storage())
        return result

    def _count(self, storage: torch.UntypedStorage) -> None:
        key = storage._cdata
        if key not in self._living:
            self._living[key] = storage.nbytes()
            self.now += storage.nbytes()
            self.most = max(self.most, self.now)
            weakref.finalize(storage, self._forget, key)

    def _forget(self, key: int) -> None:
        self.now -= self._living.pop(key)


def trial_bytes(config: RunConfig, settings: TrialSettings, memories: Mapping[str, int], channels: int) -> int:
    """Of a GPU, that a trial takes with its process. `memories`: channels of what each of its sources serves;
    `channels` of the clips. With precision `auto`, which is not settled yet, what float32 takes.

    Raises whatever a network of another package raises that cannot compute without values.
    """
    return CONTEXT_BYTES + int(ALLOCATOR_SLACK * step_bytes(config, settings, memories, channels))


def step_bytes(config: RunConfig, settings: TrialSettings, memories: Mapping[str, int], channels: int) -> int:
    """The most that live at once in a training step, which is not the first: gradients and optimiser are there."""
    half = config.training.precision == "bfloat16"
    counted = LivingBytes()
    no_draw = torch.random.fork_rng(devices=())  # that a trial notices
    with warnings.catch_warnings(), no_draw, FakeTensorMode(), counted, fused_pointwise(False):
        warnings.simplefilter("ignore", UserWarning)  # of fake tensors that are asked where they lie
        _step(config, settings, memories, channels, half=half)
    return counted.most


def _step(
    config: RunConfig, settings: TrialSettings, memories: Mapping[str, int], channels: int, *, half: bool
) -> None:
    network = build_network(config.network, channels=channels, frame_size=config.benchmark.frame_size)
    starting_point = None
    if settings.start != SCRATCH and settings.l2_sp > 0:
        starting_point = StartingPoint(network.parameters())
    if settings.sources and settings.distil.what == "memory":
        add_sources(network, settings, memories)
    weights = list(network.train().parameters())
    for weight in weights:
        if weight.dim() == 4:  # as TrainingRun lays them
            weight.data = weight.data.contiguous(memory_format=torch.channels_last)
    optimiser = [torch.empty_like(weight) for weight in weights for _ in range(ADAM_STATES)]
    for weight in weights:
        weight.grad = torch.empty_like(weight)
    objective = Objective(
        _imitation(settings),
        lambda: dict.fromkeys(settings.sources, Moments(0.0, 1.0)),
        config.training.decoupling_weight,
        starting_point,
        settings.l2_sp,
    )
    inputs = _inputs(config, settings, memories, channels, network)
    read_ahead = inputs.clone()  # the batch that is copied to the GPU meanwhile
    with torch.autocast("cpu", torch.bfloat16) if half else nullcontext():
        _, _, total = objective.of(network, inputs)
        network.zero_grad(set_to_none=True)
        total.backward()
    del optimiser, read_ahead


def _imitation(settings: TrialSettings) -> Imitation | None:
    distil = settings.distil
    if not settings.sources or distil.weight == 0:
        return None
    return Imitation(
        InProcessMemory({}),  # is asked for nothing
        dict.fromkeys(settings.sources, ""),
        weight=distil.weight,
        way="knowledge_flow" if settings.transfer == "knowledge_flow" else distil.what,
        added=distil.added,
    )


def _inputs(
    config: RunConfig, settings: TrialSettings, memories: Mapping[str, int], channels: int, network: VideoPredictor
) -> StepInputs:
    B, T, side = config.training.batch_size, config.benchmark.total_length, config.benchmark.frame_size
    shown, mask = truth_mask(config.training.sampling, 0.0, B, T, config.benchmark.input_length, (0, 0))
    h, w = network.grid
    dtype = torch.float16 if config.resources.memory_dtype == "float16" else torch.float32
    told = {}
    if settings.distil.weight > 0:
        of_frames = settings.distil.what == "frames"
        for name in settings.sources:
            size = (channels, side, side) if of_frames else (memories[name], h, w)
            told[name] = torch.zeros(B, T - 1, *size, dtype=dtype)
    return StepInputs(
        frames=torch.zeros(B, T, channels, side, side),
        valid=None,
        mask=None if mask is None else torch.zeros(mask.shape),
        memories=told,
        strength=torch.zeros(()),
        shown=shown,
    )

"""How a network computes while it trains: in which precision, and whether what lies between convolutions is compiled.

Weights and optimiser stay in float32. With `bfloat16` convolutions compute in it (`torch.autocast`), states are kept in
float32, and so are predicted frames and losses.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import torch

from platform.config.home import Home
from platform.config.training import Precision, TrainingConfig
from tmu_models import VideoPredictor, fused_pointwise

# A process that compiles spends seconds on it; below this many operations of a run it would not win them back.
LEAST_COMPILED = 1e14
BFLOAT16_INSTRUCTIONS = ("avx512_bf16", "amx_bf16", "bf16", "sve_bf16", "arm_bf16")


def settled_precision(precision: Precision, device: torch.device) -> Literal["float32", "bfloat16"]:
    """What `auto` means on this device: bfloat16 where its hardware computes in it."""
    if precision != "auto":
        return precision
    if device.type == "cuda" and torch.cuda.is_available():
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        can = torch.cpu.get_capabilities()
        native = device.type in ("cpu", "cuda") and any(can.get(name, False) for name in BFLOAT16_INSTRUCTIONS)
    return "bfloat16" if native else "float32"


@dataclass(frozen=True)
class Computing:
    """One run's way to compute. Enter it around a training step or an evaluation."""

    device: torch.device
    precision: Literal["float32", "bfloat16"]
    compiled: bool

    @classmethod
    def of(cls, plan: TrainingConfig, device: torch.device, operations: float) -> "Computing":
        """`operations` of the whole run decide whether compiling pays, where the plan leaves it open."""
        compiled = operations >= LEAST_COMPILED if plan.compile == "auto" else plan.compile
        if compiled:  # kept where the next process finds it, and not in the temporary folder
            os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(Home.from_environment().compiled))
        return cls(device, settled_precision(plan.precision, device), compiled)

    @contextmanager
    def __call__(self) -> Iterator[None]:
        half = self.precision == "bfloat16"
        # A cast that is remembered would not be part of a captured CUDA graph.
        remembered = self.device.type != "cuda"
        with (
            fused_pointwise(self.compiled),
            torch.autocast(self.device.type, torch.bfloat16, enabled=half, cache_enabled=remembered),
        ):
            yield


def step_operations(network: VideoPredictor, num_clips: int, total_length: int, cells: int) -> float:
    """Floating-point operations of one training step's convolutions, forward and backward.

    `cells` are the grid's places, h*w.
    """
    weights = sum(module.weight.numel() for module in network.modules() if isinstance(module, torch.nn.Conv2d))
    return 3 * 2.0 * weights * cells * num_clips * (total_length - 1)

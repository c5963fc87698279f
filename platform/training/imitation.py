"""What a target learns from its sources besides the frames themselves: whose memories, how, how strongly, how long."""

import math
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import torch

from platform.memory.request import Direction, Feed, MemoryProvider, Request, Shown
from tmu_models import Moments, Prediction, VideoPredictor, distillation_loss, output_distillation_loss

Way = Literal["memory", "frames", "knowledge_flow"]


@dataclass(frozen=True)
class Imitation:
    """`memories` names the memory that each source serves; `weight` scales the loss, see DistilConfig for the rest."""

    provider: MemoryProvider
    memories: Mapping[str, str]
    weight: float
    way: Way = "memory"
    source_weights: Mapping[str, float] = field(default_factory=dict)
    added: bool = True
    normalise: bool = True
    schedule: Literal["constant", "linear", "cosine"] = "constant"
    until: float = 1.0
    feed: Feed = "own"

    def announce(self, blocks: Iterable[tuple[int, Direction, int]]) -> None:
        """Blocks, as (block, direction, variant), that will be fetched in this order: they may be computed ahead."""
        if self.feed != "scheduled":  # which nobody can know yet
            self.provider.announce([self._request(name, *block) for block in blocks for name in self.memories])

    def fetch(
        self, block: int, direction: Direction, variant: int = 0, shown: Shown | None = None
    ) -> dict[str, np.ndarray]:
        """What the sources remember of a block, by source, (N, T-1, S, h, w), read-only."""
        return {
            name: self.provider.states(self._request(name, block, direction, variant), shown) for name in self.memories
        }

    def moments(self) -> dict[str, Moments]:
        """Of each source's memory over the first block: a pure function, so a continued run has the same.

        A memory that never changes keeps its scale: there is nothing to bring to another. Of feed `scheduled`, which
        is not pure, those of feed `own` are taken.
        """
        if not self.normalise:
            return {}
        own, began = replace(self, feed="own") if self.feed == "scheduled" else self, time.perf_counter()
        blocks = own.fetch(0, "forward")
        self.provider.counters.add(waited_s=time.perf_counter() - began)
        return {name: _moments(block.astype(np.float32)) for name, block in blocks.items()}

    def strength(self, progress: float) -> float:
        """The weight at a fraction of training; 0 from `until` on, and then nothing need be fetched."""
        if progress >= self.until:
            return 0.0
        part = progress / self.until
        factor = {"constant": 1.0, "linear": 1 - part, "cosine": 0.5 * (1 + math.cos(math.pi * part))}[self.schedule]
        return self.weight * factor

    def loss(
        self,
        network: VideoPredictor,
        prediction: Prediction,
        memories: Mapping[str, torch.Tensor],
        moments: Mapping[str, Moments],
        valid_BTCHW: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Before the weight. `valid_BTCHW` is False where a pixel of the clips is missing."""
        if self.way == "knowledge_flow":
            dependence = network.dependence()
            assert dependence is not None, "knowledge flow needs a network with add_knowledge_flow"
            return dependence
        weights = {name: weight for name, weight in self.source_weights.items() if name in self.memories}
        if self.way == "frames":
            return output_distillation_loss(
                prediction, memories, source_weights=weights, moments=moments, valid_BTCHW=valid_BTCHW
            )
        return distillation_loss(prediction, memories, source_weights=weights, moments=moments)

    def _request(self, source: str, block: int, direction: Direction, variant: int = 0) -> Request:
        return Request(source, block, direction, self.feed, self.memories[source], variant)


def _moments(memory: np.ndarray) -> Moments:
    return Moments(float(memory.mean()), float(memory.var()) or 1.0)

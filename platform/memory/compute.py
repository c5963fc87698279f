"""Running a frozen source over a block of clips: the only place where sources compute."""

import numpy as np
import torch

from platform.benchmarks.blocks import ClipBlocks
from platform.benchmarks.tensors import clips_to_float
from platform.memory.blocks import BlockStore
from platform.memory.request import Counters, MemoryIdentity, Request
from tmu_models import VideoPredictor


class SourceRunner:
    """One source over the blocks of one set of clips; answers from the store where it can."""

    def __init__(
        self,
        network: VideoPredictor,
        clips: ClipBlocks,
        identity: MemoryIdentity,
        store: BlockStore,
        device: str = "cpu",
    ) -> None:
        self.network = network.to(device)
        self.clips = clips
        self.identity = identity
        self.store = store
        self.device = device
        self.counters = Counters()

    def states(self, request: Request) -> np.ndarray:
        """Memories of the block, (N, T-1, S, h, w), as stored. Raises OSError where the disk is full."""
        stored = self.store.read(self.identity, request)
        if stored is not None:
            self.counters.ready += 1
            return stored
        self.counters.computed += 1
        return self.store.write(self.identity, request, self.compute(request))

    @torch.inference_mode()
    def compute(self, request: Request) -> np.ndarray:
        """The memories themselves in float32, past the store."""
        frames = clips_to_float(self.clips.frames(request.block), self.device, reverse=request.direction == "reverse")
        input_length = self.identity.input_length if request.feed == "own" else frames.shape[1] - 1
        name = self.identity.memory
        prediction = self.network(frames, input_length=input_length, keep_memories=[name])
        return prediction.memories[name].cpu().numpy()

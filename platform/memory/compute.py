"""Running a frozen source over a block of clips: the only place where sources compute."""

import numpy as np
import torch

from platform.benchmarks.blocks import ClipBlocks
from platform.benchmarks.tensors import clips_to_float
from platform.config.errors import UserError
from platform.memory.blocks import BlockStore
from platform.memory.fit import fit_frames, resize
from platform.memory.request import FRAMES, Counters, MemoryIdentity, Request
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
        self._unstored: tuple[Request, np.ndarray] | None = None  # the last block that found no room

    def states(self, request: Request) -> np.ndarray:
        """Memories of the block, (N, T-1, S, h, w), rounded as they are stored.

        Where there is no room to store it the block is handed out all the same, and computed anew when next asked for.
        """
        stored = self.store.read(self.identity, request)
        if stored is not None:
            self.counters.ready += 1
            return stored
        if self._unstored is not None and self._unstored[0] == request:
            return self._unstored[1]
        self.counters.computed += 1
        computed = self.compute(request)
        memories = self.identity.rounded(computed)
        if not np.isfinite(memories).all():
            raise UserError(
                f"source {request.source!r}: {request.memory} reaches {np.abs(computed).max():.3g}, which "
                f"{memories.dtype} cannot hold. Choose another of its memories, or leave the source out."
            )
        if not self.store.write(self.identity, request, memories):
            self._unstored = (request, memories)
        return memories

    @torch.inference_mode()
    def compute(self, request: Request) -> np.ndarray:
        """The memories themselves in float32, past the store: on the target's grid, frames at the clips' size.

        Raises UserError for a memory that the source does not have.
        """
        stored, reverse = self.clips.frames(request.block, request.variant), request.direction == "reverse"
        clips = clips_to_float(stored, self.device, field=self.clips.holds_field, reverse=reverse)
        network = self.network
        frames = fit_frames(clips, network.channels, network.frame_size or (clips.shape[3], clips.shape[4]))
        input_length = self.identity.input_length if request.feed == "own" else frames.shape[1] - 1
        if request.memory == FRAMES:
            predicted = network(frames, input_length=input_length, keep_memories=()).frames
            return fit_frames(predicted, clips.shape[2], (clips.shape[3], clips.shape[4])).cpu().numpy()
        if request.memory not in network.memory_channels:
            raise no_such_memory(request.source, request.memory, network)
        prediction = network(frames, input_length=input_length, keep_memories=[request.memory])
        return resize(prediction.memories[request.memory], self.identity.grid).cpu().numpy()


def no_such_memory(source: str, memory: str, network: VideoPredictor) -> UserError:
    known = ", ".join(network.memory_channels)
    return UserError(f"source {source!r} has no memory {memory!r}; it has {known}. Set sources.{source}.memory.")

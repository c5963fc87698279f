"""Running a frozen source over a block of clips: the only place where sources compute."""

import contextlib
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch

from platform.benchmarks.blocks import ClipBlocks
from platform.benchmarks.tensors import clips_to_float
from platform.config.errors import UserError
from platform.memory.blocks import BlockStore
from platform.memory.fit import fit_frames, resize
from platform.memory.request import FRAMES, Counters, MemoryIdentity, Request, Shown
from tmu_models import VideoPredictor

# N clips, T frames, S memory channels, h w grid cells

# Blocks without room in the store that are kept at hand: the trials of a run ask for a block at about the same time.
KEPT_UNSTORED = 4


class Answer(NamedTuple):
    """A block of memories, (N, T-1, S, h, w), rounded as it is stored and read-only, and how it was come by."""

    memories: np.ndarray
    was_computed: bool
    is_stored: bool
    evicted_blocks: int = 0  # that made room for it


class SourceRunner:
    """One source over the blocks of one set of clips; answers from the store where it can. One thread at a time."""

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
        self.clips_at_once = clips.block_clips  # fewer once a GPU had no memory for so many
        self._unstored: OrderedDict[Request, np.ndarray] = OrderedDict()

    def is_stored(self, request: Request) -> bool:
        """Told by the file's being there: whether it is whole is seen when it is read."""
        return self.store.path(self.identity, request).is_file()

    def states(self, request: Request, shown: Shown | None = None) -> np.ndarray:
        """The memories of `answer`."""
        return self.answer(request, shown).memories

    def answer(self, request: Request, shown: Shown | None = None) -> Answer:
        """Memories of the block. With `shown` they are computed and not stored: nobody else could use them.

        Where there is no room to store it the block is handed out all the same, and computed anew when next asked for.
        Raises UserError for memories too large for the stored type, or that the source does not have.
        """
        if (shown is not None) != (request.feed == "scheduled"):
            raise ValueError(f"feed {request.feed!r}: what is shown comes with feed 'scheduled', and with no other")
        if shown is not None:
            return Answer(self._computed(request, shown), was_computed=True, is_stored=False)
        if (stored := self.store.read(self.identity, request)) is not None:
            self.counters.ready += 1
            return Answer(stored, was_computed=False, is_stored=True)
        if (at_hand := self._unstored.get(request)) is not None:
            return Answer(at_hand, was_computed=False, is_stored=False)
        memories, evicted = self._computed(request), self.store.evicted_blocks
        is_stored = self.store.write(self.identity, request, memories)
        if not is_stored:
            self._unstored[request] = memories
            if len(self._unstored) > KEPT_UNSTORED:
                self._unstored.popitem(last=False)
        return Answer(memories, True, is_stored, self.store.evicted_blocks - evicted)

    def _computed(self, request: Request, shown: Shown | None = None) -> np.ndarray:
        self.counters.computed += 1
        computed = self.compute(request, shown)
        memories = self.identity.rounded(computed)
        if not np.isfinite(memories).all():
            raise UserError(
                f"source {request.source!r}: {request.memory} reaches {np.abs(computed).max():.3g}, which "
                f"{memories.dtype} cannot hold. Choose another of its memories, or leave the source out."
            )
        return memories

    def compute(self, request: Request, shown: Shown | None = None) -> np.ndarray:
        """The memories themselves in float32, past the store: on the target's grid, frames at the clips' size.

        All clips of the block go through the source at once, or as many as a GPU has memory for. Raises UserError for
        a memory that the source does not have, and where the GPU has none for a single clip.
        """
        if request.memory not in (FRAMES, *self.network.memory_channels):
            raise no_such_memory(request.source, request.memory, self.network)
        stored_NTHWC = self.clips.frames(request.block, request.variant)
        mask = None if shown is None else torch.from_numpy(shown.mask)
        input_length = self.identity.input_length if request.feed == "own" else stored_NTHWC.shape[1] - 1
        if shown is not None:
            input_length = shown.frames
        while True:
            try:
                with strict_float32(self.device), torch.inference_mode():
                    parts = []
                    for first in range(0, len(stored_NTHWC), self.clips_at_once):
                        rows = slice(first, first + self.clips_at_once)
                        part_mask = None if mask is None else mask[rows].to(self.device)
                        parts.append(self._run(request, stored_NTHWC[rows], input_length, part_mask))
                return parts[0] if len(parts) == 1 else np.concatenate(parts)
            except torch.OutOfMemoryError as error:
                if self.clips_at_once == 1:
                    raise UserError(
                        f"source {request.source!r} does not fit into the memory server's share of the GPU: {error}. "
                        "Raise resources.server_gpus, or set it to 0."
                    ) from None
                self.clips_at_once = -(-min(self.clips_at_once, len(stored_NTHWC)) // 2)
            torch.cuda.empty_cache()

    def _run(
        self, request: Request, stored_NTHWC: np.ndarray, input_length: int, mask: torch.Tensor | None
    ) -> np.ndarray:
        network, reverse = self.network, request.direction == "reverse"
        clips = clips_to_float(stored_NTHWC, self.device, field=self.clips.holds_field, reverse=reverse)
        frames = fit_frames(clips, network.channels, network.frame_size or (clips.shape[3], clips.shape[4]))
        kept = () if request.memory == FRAMES else (request.memory,)
        prediction = network(frames, input_length=input_length, truth_mask=mask, keep_memories=kept)
        if request.memory == FRAMES:
            return fit_frames(prediction.frames, clips.shape[2], (clips.shape[3], clips.shape[4])).cpu().numpy()
        return resize(prediction.memories[request.memory], self.identity.grid).cpu().numpy()


@contextlib.contextmanager
def strict_float32(device: str) -> Iterator[None]:
    """Every product in float32, whatever faster form this process takes elsewhere (TF32, bfloat16).

    Memories are stored under a key that says nothing of such a form, so there must be none.
    """
    all_of: Any = torch.backends  # which types do not know whole
    backends = (all_of.cuda.matmul, all_of.cudnn.conv, all_of.mkldnn.matmul, all_of.mkldnn.conv)
    before = [backend.fp32_precision for backend in backends]
    try:
        for backend in backends:
            backend.fp32_precision = "ieee"
        with torch.autocast(torch.device(device).type, enabled=False):
            yield
    finally:
        for backend, precision in zip(backends, before, strict=True):
            backend.fp32_precision = precision


def no_such_memory(source: str, memory: str, network: VideoPredictor) -> UserError:
    known = ", ".join(network.memory_channels)
    return UserError(f"source {source!r} has no memory {memory!r}; it has {known}. Set sources.{source}.memory.")

"""What is asked for when a trial asks for memory, and the key under which the answer is kept."""

import hashlib
from dataclasses import dataclass
from threading import Lock
from typing import Literal, Protocol

import numpy as np

Direction = Literal["forward", "reverse"]
Feed = Literal["own", "truth"]
FRAMES = "frames"  # the name under which a source's own predictions are served like a memory


@dataclass(frozen=True)
class Request:
    """The memories of one source over one block of training clips."""

    source: str
    block: int
    direction: Direction = "forward"
    feed: Feed = "own"
    memory: str = "cell/0"  # or another of the source's, or FRAMES
    variant: int = 0  # of the block: which crops and augmentation its clips are shown with


@dataclass(frozen=True)
class MemoryIdentity:
    """Everything but the request that decides what the numbers are."""

    source_sha256: str  # `Card.function_sha256`: weights, and how the network reads a clip
    clips_fingerprint: str  # frames, lengths, resizing, permutation, block size
    input_length: int
    grid: tuple[int, int]  # of the target, to which memories are resized
    dtype: str = "float16"

    def rounded(self, memories: np.ndarray) -> np.ndarray:
        """The numbers as they are stored, contiguous and read-only: what everybody is given, on first request too."""
        with np.errstate(over="ignore"):  # the caller looks for what became infinite
            rounded = np.ascontiguousarray(memories, dtype=self.dtype)
        rounded.flags.writeable = False
        return rounded

    def folder(self, request: Request) -> str:
        """The folder name that blocks of this source, memory, direction and feed share, whose variant is the same."""
        parts = [self.source_sha256, self.clips_fingerprint, str(self.input_length), str(self.grid), self.dtype]
        parts += [request.memory, request.direction, request.feed, "v3"]
        if request.variant:  # variant 0 is found where it lay before there were variants
            parts.append(f"variant {request.variant}")
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


_ADDING = Lock()  # one for all counters: they are pickled with their provider, which a lock cannot be


@dataclass
class Counters:
    """How a trial's requests were answered. Adds up over trials. Threads count with `add`."""

    ready: int = 0  # found stored
    computed: int = 0  # a source had to run
    waited_s: float = 0.0  # time that training stood still for them; what readers fetch ahead costs it none
    read_bytes: int = 0

    def add(self, *, ready: int = 0, computed: int = 0, waited_s: float = 0.0, read_bytes: int = 0) -> None:
        with _ADDING:
            self.ready += ready
            self.computed += computed
            self.waited_s += waited_s
            self.read_bytes += read_bytes


class MemoryProvider(Protocol):
    """Answers requests, also of several threads at once.

    The array is read-only, (N, T-1, S, h, w) float16, for the N clips of the block.
    """

    counters: Counters

    def states(self, request: Request) -> np.ndarray: ...

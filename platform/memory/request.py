"""What is asked for when a trial asks for memory, and the key under which the answer is kept."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from threading import Lock
from typing import Literal, Protocol

import numpy as np

Direction = Literal["forward", "reverse"]
Feed = Literal["own", "truth", "scheduled"]
FRAMES = "frames"  # the name under which a source's own predictions are served like a memory


@dataclass(frozen=True, slots=True)
class Request:
    """The memories of one source over one block of training clips.

    Feed `scheduled` is not pure: it comes with a `Shown`, and its answer is never stored.
    """

    source: str
    block: int
    direction: Direction = "forward"
    feed: Feed = "own"
    memory: str = "cell/0"  # or another of the source's, or FRAMES
    variant: int = 0  # of the block: which crops and augmentation its clips are shown with


@dataclass(frozen=True)
class Shown:
    """Where a source is shown true frames instead of its own predictions, for feed `scheduled`.

    The first `frames` always; of the inputs after them those where `mask`, float32 (N, T-1-frames), is 1. Frames are
    counted in the request's direction; N are the clips of the block, in its order.
    """

    frames: int
    mask: np.ndarray


@dataclass(frozen=True)
class MemoryIdentity:
    """Everything but the request that decides what the numbers are."""

    source_sha256: str  # `Card.function_sha256`: weights, and how the network reads a clip
    clips_fingerprint: str  # frames, lengths, resizing, permutation, block size
    input_length: int
    grid: tuple[int, int]  # of the target, to which memories are resized
    dtype: str = "float16"
    # How people call the source and the clips; decides nothing.
    entry: str = field(default="", compare=False)  # of the bank
    clips: str = field(default="", compare=False)  # the benchmark

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
    computed: int = 0  # a source had to run, or was running, when they were asked for
    waited_s: float = 0.0  # time that training stood still for them; what readers fetch ahead costs it none
    read_bytes: int = 0
    evicted_blocks: int = 0  # of unused folders, to make room for what was computed

    def add(
        self,
        *,
        ready: int = 0,
        computed: int = 0,
        waited_s: float = 0.0,
        read_bytes: int = 0,
        evicted_blocks: int = 0,
    ) -> None:
        with _ADDING:
            self.ready += ready
            self.computed += computed
            self.waited_s += waited_s
            self.read_bytes += read_bytes
            self.evicted_blocks += evicted_blocks


@dataclass(frozen=True)
class Totals:
    """What memory servers did. Adds up over servers."""

    passes: int = 0  # blocks put through a source
    announced: int = 0  # of these, begun before anybody waited for them
    unstored: int = 0  # of these, without room in the store, or of feed `scheduled`
    evicted_blocks: int = 0  # of unused folders, to make room
    restarts: int = 0  # servers that died: what they had counted by then is not in here

    def __add__(self, other: "Totals") -> "Totals":
        return Totals(**{each.name: getattr(self, each.name) + getattr(other, each.name) for each in fields(Totals)})


class MemoryProvider(Protocol):
    """Answers requests, also of several threads at once.

    The array is read-only, (N, T-1, S, h, w) float16, for the N clips of the block. `shown` comes with feed
    `scheduled`, and with no other.
    """

    counters: Counters

    def states(self, request: Request, shown: Shown | None = None) -> np.ndarray: ...

    def announce(self, requests: Sequence[Request]) -> None:
        """These will be asked for, in this order; whoever can computes them ahead. Returns at once."""

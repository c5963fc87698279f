"""How fast KTH is prepared, and in how much memory: on a few made-up videos of its true dimensions.

Videos are prepared one after the other and independently, so a few tell what 599 would take: that many times the time,
and the same memory.
"""

import time
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from platform.benchmarks.catalog import prepare_dataset
from platform.benchmarks.recording import Wanted
from platform.measure.processes import in_fresh_process, peak_resident_bytes

NUM_VIDEOS, NUM_FRAMES = 599, 289_715  # of KTH, as its 00sequences.txt counts them
WIDTH, HEIGHT, RATE, BITS_A_SECOND = 160, 120, 25, 1_200_000


@dataclass(frozen=True)
class Preparing:
    """What preparing took, in a process of its own, one recording at a time."""

    num_videos: int  # that were made and prepared
    num_frames: int
    cpu_s: float  # of all its threads
    wall_s: float
    peak_bytes: int  # imports included

    @property
    def frames_per_core_s(self) -> float:
        return self.num_frames / self.cpu_s

    @property
    def whole_set_s(self) -> float:
        """All of KTH on one core."""
        return NUM_FRAMES / self.frames_per_core_s


def preparing(folder: Path, num_videos: int) -> Preparing:
    """Makes the AVIs below `folder`, then prepares them at 64x64."""
    for number in range(num_videos):
        name = f"person{number % 25 + 1:02d}_walking_d{number // 25 + 1}_uncomp.avi"
        make_avi(folder / "kth" / "walking" / name, NUM_FRAMES // NUM_VIDEOS, seed=number)
    cpu_s, wall_s, peak, num_frames = in_fresh_process(_prepare, folder)
    return Preparing(num_videos, num_frames, cpu_s, wall_s, peak)


def make_avi(path: Path, num_frames: int, *, seed: int) -> None:
    """A bright figure that walks over a noisy ground, in MPEG-4 as KTH's are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draw = np.random.default_rng(seed)
    ground = draw.integers(100, 160, (HEIGHT, WIDTH, 1), dtype=np.uint8)
    with av.open(str(path), "w", format="avi") as container:
        stream = container.add_stream("mpeg4", rate=RATE)
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = WIDTH, HEIGHT, "yuv420p", BITS_A_SECOND
        for step in range(num_frames):
            picture = ground + draw.integers(0, 8, ground.shape, dtype=np.uint8)
            left = 2 * step % (WIDTH - 24)
            picture[20:110, left : left + 24] = 40 + step % 20
            frame = av.VideoFrame.from_ndarray(np.repeat(picture, 3, axis=2), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _prepare(folder: Path) -> tuple[float, float, int, int]:
    cpu_s, wall_s = time.process_time(), time.perf_counter()
    store = prepare_dataset("kth", folder / "kth", folder / "benchmarks", Wanted(64))
    cpu_s, wall_s = time.process_time() - cpu_s, time.perf_counter() - wall_s
    return cpu_s, wall_s, peak_resident_bytes(), store.manifest.num_frames

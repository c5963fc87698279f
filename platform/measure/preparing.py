"""How fast KTH is prepared, and in how much memory: as many videos as it has, of its true dimensions, made up.

Some are drawn and encoded, the others are copies of them under other names: encoding 599 would take longer than all
else that is measured.
"""

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from platform.benchmarks.catalog import NATIVE_SIZE, store_folder
from platform.benchmarks.loading import default_workers
from platform.benchmarks.store import FrameStore
from platform.config.datasets import KTH_ACTIONS
from platform.measure.processes import run_watched

NUM_VIDEOS, NUM_FRAMES = 599, 289_715  # of KTH, as its 00sequences.txt counts them
DRAWN = 12  # videos that are encoded
WIDTH, HEIGHT, RATE, BITS_A_SECOND = 160, 120, 25, 1_200_000


@dataclass(frozen=True)
class Preparing:
    """What `prepare` took, start and verifying included, with as many processes as there are cores."""

    num_videos: int
    num_frames: int
    workers: int
    wall_s: float
    peak_bytes: int  # of all processes together, files that they map apart

    @property
    def frames_per_core_s(self) -> float:
        return self.num_frames / self.wall_s / self.workers


def preparing(folder: Path, num_videos: int = NUM_VIDEOS) -> Preparing:
    """Makes the AVIs below `folder`, then prepares them at 64x64."""
    files: list[Path] = []
    for number in range(num_videos):
        person, rest = number % 25 + 1, number // 25
        name = f"person{person:02d}_{KTH_ACTIONS[rest % 6]}_d{rest // 6 + 1}_uncomp.avi"
        files.append(folder / "kth" / name)
        if number < DRAWN:
            make_avi(files[number], NUM_FRAMES // NUM_VIDEOS, seed=number)
        else:
            shutil.copyfile(files[number % DRAWN], files[number])
    target = folder / "benchmarks"
    wall_s, peak = run_watched(
        [sys.executable, "-m", "platform.prepare", "kth", "--from", str(folder / "kth"), "--to", str(target)]
    )
    store = FrameStore.open(store_folder(target, "kth", NATIVE_SIZE))
    return Preparing(num_videos, store.manifest.num_frames, default_workers(), wall_s, peak)


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

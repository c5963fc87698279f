"""Small real files: AVI videos encoded on the spot, stores with known frames."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from platform.benchmarks.recording import Found, Recording
from platform.benchmarks.store import FrameStore
from platform.benchmarks.store_writer import write_store


def known_frames(number: int, num_frames: int, size: int) -> np.ndarray:
    """uint8 (T, size, size, 1); every video and every frame looks different."""
    return np.random.default_rng([7, number]).integers(0, 256, (num_frames, size, size, 1), dtype=np.uint8)


@pytest.fixture
def recordings() -> Callable[..., list[Recording]]:
    """`recordings(count, num_frames=30, size=8)`: persons "1", "2", ... boxing and running by turns."""

    def make(count: int, num_frames: int = 30, size: int = 8) -> list[Recording]:
        return [
            Recording(
                name=f"video{number}",
                group=str(number // 2 + 1),
                category=("boxing", "running")[number % 2],
                key=f"key{number}",
                load=partial(known_frames, number, num_frames, size),
                num_frames=num_frames,
            )
            for number in range(count)
        ]

    return make


@pytest.fixture
def make_store(tmp_path: Path, recordings: Callable[..., list[Recording]]) -> Callable[..., FrameStore]:
    """`make_store(count, num_frames=30, size=8, **what write_store takes)`."""

    def make(count: int, num_frames: int = 30, size: int = 8, name: str = "kth-8", **options: Any) -> FrameStore:
        found = Found(recordings(count, num_frames, size), frame_size=(size, size), provenance={"source": "test"})
        return write_store(tmp_path / name, found, dataset="kth", synthetic=False, reader_version="1", **options)

    return make


@pytest.fixture
def make_avi() -> Callable[..., Path]:
    """`make_avi(path, num_frames=12)`: an MPEG-4 AVI of 160x120 at 25 a second, as KTH's are."""

    def make(path: Path, num_frames: int = 12) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        with av.open(str(path), "w", format="avi") as container:
            stream = container.add_stream("mpeg4", rate=25)
            stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
            stream.bit_rate = 2_000_000
            noise = np.random.default_rng(0).integers(0, 60, (120, 160, 1), dtype=np.uint8)
            for step in range(num_frames):
                picture = np.repeat(noise + 60, 3, axis=2)
                picture[30:90, 10 + 4 * step : 40 + 4 * step] = 220
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            container.mux(stream.encode(None))
        return path

    return make

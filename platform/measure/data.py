"""How fast clips come from the Arrow store."""

import statistics
import time

from platform.benchmarks.blocks import ClipBlocks
from platform.benchmarks.tensors import clips_to_float


def clips_per_second(clips: ClipBlocks, *, num_blocks: int = 40) -> tuple[float, float]:
    """Median over blocks: as uint8 from the store, and as float tensors ready for a network. One reader.

    After a first pass, in which the store compares every video with its checksum, once a process.
    """
    as_bytes, as_floats = [], []
    for block in range(min(num_blocks, clips.num_blocks)):
        clips.frames(block)
    for index in range(num_blocks):
        block = index % clips.num_blocks
        began = time.perf_counter()
        frames = clips.frames(block)
        read = time.perf_counter()
        clips_to_float(frames, field=clips.holds_field)
        ended = time.perf_counter()
        as_bytes.append(len(frames) / (read - began))
        as_floats.append(len(frames) / (ended - began))
    return statistics.median(as_bytes), statistics.median(as_floats)

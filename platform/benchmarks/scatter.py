"""Numbers that look random and follow from a clip alone: whatever else is in a split, a clip keeps its own."""

import numpy as np


def clip_keys(fingerprint: str, clips: np.ndarray) -> np.ndarray:
    """A number for each clip: uint64 (N,). `clips` is (N, K) of whole numbers, `fingerprint` that of their store."""
    keys = np.full(len(clips), int(fingerprint[:16], 16), np.uint64)
    for column in clips.T:
        keys = mixed(keys ^ column.astype(np.uint64))
    return keys


def mixed(numbers: np.ndarray) -> np.ndarray:
    """splitmix64, which scatters neighbouring numbers over all 64 bits."""
    numbers = numbers + np.uint64(0x9E3779B97F4A7C15)
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))

"""Ordering sources by how much their memories say about what happens next in a benchmark, without training anything.

A sample is one cell of the grid at one step of one clip: its features are the source's memory there, its targets the
next frame's patch, projected to a few random directions that all sources share. A patch with a missing pixel is none.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from platform.benchmarks.blocks import ClipBlocks
from platform.benchmarks.tensors import clips_to_tensors
from platform.config.errors import UserError
from platform.memory.compute import SourceRunner
from platform.memory.request import Request
from platform.training.relevance import log_me, ridge_probe
from tmu_models import to_patches

MAX_BLOCKS = 8
SAMPLES = 6_000
TARGETS = 16
SEED = 0
FEWEST_CLIPS = 3

# N clips, T frames, S memory channels, h w grid cells


@dataclass(frozen=True)
class Relevance:
    """How relevant one source's memory is; higher is better in both, and LogME decides the order."""

    source: str
    memory: str
    log_me: float
    ridge_r2: float


def rank_sources(runners: Mapping[str, SourceRunner], memories: Mapping[str, str]) -> list[Relevance]:
    """Every source, the most relevant first. Computes and stores blocks of memory that a search will find ready.

    Raises UserError for fewer than three clips that were measured, and for clips in which nothing differs.
    """
    scores = []
    for name, runner in runners.items():
        features, targets, drawn_from = _samples(runner, Request(name, 0, memory=memories[name]))
        if (num_clips := len(np.unique(drawn_from))) < FEWEST_CLIPS:
            raise UserError(
                f"a ranking needs {FEWEST_CLIPS} training clips or more, not {num_clips}: to fit a probe, to choose "
                "its strength and to judge it. Raise benchmark.max_clips.train."
            )
        if np.allclose(targets, targets[0], rtol=0, atol=1e-9):
            raise UserError(
                "the next frames of the training clips never differ: there is nothing to rank sources by. "
                "Look at the benchmark's videos."
            )
        probe = ridge_probe(features, targets, drawn_from)
        scores.append(Relevance(name, memories[name], log_me(features, targets), probe))
    return sorted(scores, key=lambda score: score.log_me, reverse=True)


def _samples(runner: SourceRunner, request: Request) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features (n, S), targets (n, TARGETS) and the clip of each row (n,), in order.

    The same cells are drawn for every source.
    """
    clips, grid = runner.clips, runner.identity.grid
    num_blocks = min(MAX_BLOCKS, clips.num_blocks)
    per_block = SAMPLES // num_blocks
    features, targets, drawn_from = [], [], []
    for block in range(num_blocks):
        states_NTShw = runner.states(Request(request.source, block, memory=request.memory))
        patches_NTPhw, measured_NThw = _next_patches(clips, block, grid)
        N, T, _, h, w = states_NTShw.shape
        cells = np.flatnonzero(measured_NThw)
        rows = np.random.default_rng((SEED, block)).choice(cells, size=min(per_block, len(cells)), replace=False)
        rows.sort()
        features.append(np.moveaxis(states_NTShw, 2, -1).reshape(N * T * h * w, -1)[rows])
        targets.append(np.moveaxis(patches_NTPhw, 2, -1).reshape(N * T * h * w, -1)[rows])
        drawn_from.append(sum(map(clips.block_size, range(block))) + rows // (T * h * w))
    raw = np.concatenate(targets).astype(np.float64)
    projection = np.random.default_rng(SEED).standard_normal((raw.shape[1], min(TARGETS, raw.shape[1])))
    return np.concatenate(features).astype(np.float64), raw @ projection, np.concatenate(drawn_from)


def _next_patches(clips: ClipBlocks, block: int, grid: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Frames 1 to T-1 as patches on the target's grid, (N, T-1, P, h, w), and which are whole, bool (N, T-1, h, w)."""
    frames, valid = clips_to_tensors(clips.frames(block), field=clips.holds_field)
    patches, valid_patches = (
        to_patches(values[:, 1:], frames.shape[-1] // grid[1]).numpy()
        for values in (frames, torch.ones_like(frames, dtype=torch.bool) if valid is None else valid)
    )
    return patches, np.asarray(valid_patches.all(axis=2))

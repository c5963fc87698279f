"""A trained target on validation clips: how it predicts, how open its gates are, what each source is worth to it."""

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import numpy as np
import torch

from platform.benchmarks.blocks import ClipBlocks
from platform.benchmarks.encoding import TOP
from platform.benchmarks.tensors import WHITE, clips_to_tensors
from platform.results.look import Look, LookFacts, MeasuredField, SourceLook
from platform.results.predictions import Predictions
from platform.training.events import EventScores, level_bounds
from platform.training.metrics import mean_of_defined, per_frame_scores
from tmu_models import VideoPredictor
from tmu_models.gate_watch import GateStep, watch_gates

MOST_CLIPS = 256  # that are looked at: each source costs a pass over them
SHOWN = ("mse", "ssim", "psnr")

# B clips of a block, T frames, C channels, H W pixels, h w grid cells


@dataclass(frozen=True)
class Looked:
    """A network and the clips that it is looked at on."""

    network: VideoPredictor
    clips: ClipBlocks
    input_length: int
    device: torch.device
    computing: Callable[[], AbstractContextManager[None]] = nullcontext  # how it computes, e.g. in bfloat16
    thresholds: tuple[float, ...] = ()  # of a measured field, in its unit: what counts as an event to csi

    @property
    def num_blocks(self) -> int:
        """As many whole blocks as hold MOST_CLIPS, at least one."""
        return max(1, min(self.clips.num_blocks, MOST_CLIPS // self.clips.block_clips))

    def names(self) -> list[str]:
        return [name for block in range(self.num_blocks) for name in self.clips.clip_names(block)]

    @torch.inference_mode()
    def frames(self, block: int) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor]:
        """True frames (B, T, C, H, W), which of their pixels are valid, and all predicted ones (B, T-1, C, H, W)."""
        true, valid = clips_to_tensors(self.clips.frames(block), self.device, field=self.clips.holds_field)
        with self.computing():
            predicted = self.network(true, input_length=self.input_length).frames
        return true, valid, predicted.float()

    def mse(self, shut: Collection[str] = ()) -> np.ndarray:
        """Of each clip, (num_clips,), with the gates of some sources shut."""
        found = []
        with watch_gates(self.network, shut) if shut else nullcontext():
            for block in range(self.num_blocks):
                true, guess, mask = self.future(*self.frames(block))
                found.append(mean_of_defined(per_frame_scores(true, guess, valid_BTCHW=mask)["mse"], axis=1))
        return np.nan_to_num(np.concatenate(found))

    def future(
        self, true: torch.Tensor, valid: torch.Tensor | None, predicted: torch.Tensor
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """Of what `frames` gives, the part that was predicted: true and predicted frames, and the valid pixels."""
        begin = self.input_length
        mask = None if valid is None else valid[:, begin:].cpu().numpy()
        return true[:, begin:].cpu().numpy(), predicted[:, begin - 1 :].cpu().numpy(), mask

    @property
    def field(self) -> MeasuredField | None:
        """What the bytes of a look's pictures mean; None where clips are pictures."""
        manifest = self.clips.store.manifest
        if manifest.encoding is None:
            return None
        levels = np.rint(np.arange(WHITE + 1) * TOP / WHITE).astype(np.uint8)
        values = tuple(manifest.encoding.values(levels).tolist())
        step_s = None if manifest.step_s is None else manifest.step_s * self.clips.frame_step
        return MeasuredField(unit=manifest.encoding.unit, values=values, step_s=step_s)


def best_median_worst(mse: np.ndarray) -> list[int]:
    """Which clips are shown: those of the lowest, the middle and the highest error."""
    order = np.argsort(mse, kind="stable")
    return list(dict.fromkeys(int(order[place]) for place in (0, len(order) // 2, len(order) - 1)))


def look_at(looked: Looked, *, trial: int, benchmark: str, kept: Sequence[int]) -> Look:
    """`kept`: the numbers of the clips whose frames are kept. The network is left as it was."""
    was_training = looked.network.training
    looked.network.eval()
    try:
        return _look(looked, trial, benchmark, kept)
    finally:
        looked.network.train(was_training)


def _look(looked: Looked, trial: int, benchmark: str, kept: Sequence[int]) -> Look:
    names, size = looked.names(), looked.clips.block_clips
    mse: list[np.ndarray] = []
    ours, copying = _Horizon(looked), _Horizon(looked)
    pictures: dict[int, tuple[np.ndarray, np.ndarray, np.ndarray | None]] = {}
    gates = _Gates()
    for block in range(looked.num_blocks):
        with watch_gates(looked.network) as told:
            true, valid, predicted = looked.frames(block)
        last = true[:, looked.input_length - 1 : looked.input_length].expand_as(true[:, 1:])
        mse.append(np.nan_to_num(ours.add(*looked.future(true, valid, predicted))))
        copying.add(*looked.future(true, valid, last))
        here = [clip - block * size for clip in sorted(kept) if clip // size == block]
        gates.add(told, here)
        for row in here:
            mask = None if valid is None else _as_pictures(valid[row])
            pictures[row + block * size] = (_as_bytes(true[row]), _as_bytes(predicted[row]), mask)
    order = sorted(pictures)
    base = np.concatenate(mse)
    sources = gates.sources
    worth = {name: looked.mse({name}) - base for name in sources}
    all_shut = looked.mse(set(sources)) - base if len(sources) > 1 else np.empty(0)
    masks = [pictures[clip][2] for clip in order]
    openness, steps = gates.arrays(len(order), len(pictures[order[0]][0]) - 1)
    return Look(
        facts=LookFacts(
            trial=trial,
            benchmark=benchmark,
            input_length=looked.input_length,
            clips=tuple(names),
            kept=tuple(names[clip] for clip in order),
            mse=tuple(base.tolist()),
            horizon=ours.scores,
            floor=copying.scores,
            layers=tuple(gates.layers),
            sources={
                name: SourceLook(
                    openness=tuple(steps[0, :, number].mean(axis=-1).tolist()),
                    drawn=tuple(steps[1, :, number].mean(axis=-1).tolist()),
                    worth=tuple(worth[name].tolist()),
                )
                for number, name in enumerate(sources)
            },
            all_shut=tuple(all_shut.tolist()),
            field=looked.field,
        ),
        predictions=Predictions(
            clips=np.stack([pictures[clip][0] for clip in order]),
            predicted=np.stack([pictures[clip][1] for clip in order]),
            input_length=looked.input_length,
            valid=None if masks[0] is None else np.stack([mask for mask in masks if mask is not None]),
        ),
        openness=openness,
        steps=steps,
    )


class _Horizon:
    """The scores of one way to predict, of each predicted frame over all clips."""

    def __init__(self, looked: Looked) -> None:
        self._parts: dict[str, list[np.ndarray]] = {name: [] for name in SHOWN}
        bounds = level_bounds(looked.clips.store.manifest.encoding, looked.thresholds)
        steps = looked.clips.total_length - looked.input_length if bounds else 0
        self._events = [EventScores(looked.thresholds, bounds) for _ in range(steps)]
        self._csi = [f"csi_{threshold:g}" for threshold in looked.thresholds]

    def add(self, true: np.ndarray, predicted: np.ndarray, valid: np.ndarray | None) -> np.ndarray:
        """The mse of each clip, (B,)."""
        scores = per_frame_scores(true, predicted, valid_BTCHW=valid)
        for name, parts in self._parts.items():
            parts.append(scores[name])
        for step, events in enumerate(self._events):
            events.add(true[:, step], predicted[:, step], None if valid is None else valid[:, step])
        return mean_of_defined(scores["mse"], axis=1)

    @property
    def scores(self) -> dict[str, tuple[float | None, ...]]:
        """Of each predicted frame; csi_T with hits, misses and false alarms pooled over clips."""
        pooled = [events.scores() for events in self._events]
        means = {name: _means(parts) for name, parts in self._parts.items()}
        return {**means, **{name: tuple(scores[name] for scores in pooled) for name in self._csi}}


class _Gates:
    """Gates over blocks: means of each step, and the maps of the clips that are kept."""

    def __init__(self) -> None:
        self.layers: list[int] = []
        self.sources: list[str] = []
        self._openness: list[np.ndarray] = []  # (L, K, B, T-1) of each block, and below
        self._drawn: list[np.ndarray] = []
        self._maps: list[np.ndarray] = []  # (L, K, kept, T-1, h, w)

    def add(self, told: dict[int, list[GateStep]], kept: Sequence[int]) -> None:
        self.layers = list(told)
        self.sources = list(next(iter(told.values()))[0].openness) if told else []
        if not told:
            return
        maps = np.stack([[_over_time([s.openness[k] for s in steps]) for k in self.sources] for steps in told.values()])
        shares = [
            [_over_time([s.drawn[k] for s in steps]).mean((-2, -1)) for k in self.sources] for steps in told.values()
        ]
        carried = [_over_time([s.carried for s in steps]).mean((-2, -1)) for steps in told.values()]
        self._openness.append(maps.mean(axis=(-2, -1)))
        self._drawn.append(np.stack(shares) / np.maximum(np.stack(carried)[:, None], 1e-12))
        self._maps.append(maps[:, :, list(kept)])

    def arrays(self, num_kept: int, num_steps: int) -> tuple[np.ndarray, np.ndarray]:
        """Maps as uint8 (L, K, N, T-1, h, w), and means (2, L, K, T-1); L and K are 0 without gates."""
        if not self._maps:
            return np.empty((0, 0, num_kept, num_steps, 0, 0), np.uint8), np.empty((2, 0, 0, num_steps), np.float32)
        maps = np.concatenate(self._maps, axis=2)
        means = [np.concatenate(parts, axis=2).mean(axis=2) for parts in (self._openness, self._drawn)]
        return (maps.clip(0, 1) * 255).round().astype(np.uint8), np.stack(means).astype(np.float32)


def _over_time(steps_BHW: Sequence[torch.Tensor]) -> np.ndarray:
    """(B, T-1, h, w)"""
    return torch.stack(list(steps_BHW), dim=1).cpu().numpy()


def _means(parts: Sequence[np.ndarray]) -> tuple[float | None, ...]:
    means = mean_of_defined(np.concatenate(parts), axis=0)
    return tuple(float(value) if np.isfinite(value) else None for value in means)


def _as_bytes(frames_TCHW: torch.Tensor) -> np.ndarray:
    """[0, 1] -> uint8 (T, H, W, C)."""
    return _as_pictures((frames_TCHW.clamp(0, 1) * 255).round().byte())


def _as_pictures(frames_TCHW: torch.Tensor) -> np.ndarray:
    return frames_TCHW.permute(0, 2, 3, 1).cpu().numpy()

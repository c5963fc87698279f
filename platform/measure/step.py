"""One training step: the released one, which runs its sources itself, against ours, whose memories are served.

Without Ray: a trial on the node of its servers reads the same stored files, so what is timed here is what it does.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from platform.benchmarks.blocks import ClipBlocks
from platform.benchmarks.tensors import clips_to_float
from platform.config.home import Home
from platform.measure.convolutions import Overhead, convolutions_of, count_flops, overhead, profiled_share
from platform.measure.released_step import ReleasedStep
from platform.measure.setting import Setting, make_provider, make_run
from platform.measure.timing import WARM_UP_ON_GPU, median_seconds
from platform.memory.in_process import InProcessMemory
from platform.memory.request import Request
from platform.training.run import TrainingRun
from platform.training.sampling import truth_mask


@dataclass(frozen=True)
class StepTimes:
    """Median seconds of one training step in three ways, and of fetching what ours needs from stored blocks."""

    num_sources: int
    plain_s: float
    ours_s: float  # with the released merge, as the plain form has it
    ours_mean_s: float  # with the default merge
    fetch_s: float
    plain_flops: int  # of its convolutions, forward and backward, sources included

    @property
    def speedup(self) -> float:
        return self.plain_s / self.ours_s

    @property
    def plain_rate(self) -> float:
        """Operations a second of the plain form, over its whole time."""
        return self.plain_flops / self.plain_s


@dataclass(frozen=True)
class Steps:
    """The same step in both forms, on one batch, from the same weights. Each gives its prediction loss."""

    plain: ReleasedStep
    ours: TrainingRun
    ours_mean: TrainingRun
    frames: torch.Tensor  # the first clips of block 0
    provider: InProcessMemory

    @classmethod
    def make(cls, setting: Setting, num_sources: int, home: Home, clips: ClipBlocks, *, device: str = "cpu") -> "Steps":
        provider = make_provider(setting, num_sources, clips, home, device=device)
        for name in provider.runners:
            provider.states(Request(name, 0))  # computes and stores the block: from here on it is ready
        ours = make_run(setting, clips, provider, merge="released", device=device)
        plain = ReleasedStep(ours.network, [runner.network for runner in provider.runners.values()])
        frames = clips_to_float(clips.frames(0)[: setting.batch_size], field=clips.holds_field).to(device)
        return cls(plain, ours, make_run(setting, clips, provider, device=device), frames, provider)

    def plain_step(self) -> torch.Tensor:
        return self.plain.step(self.frames, self.ours.input_length, self.mask())

    def our_step(self, merge: Literal["released", "mean"] = "released") -> torch.Tensor:
        run = self.ours if merge == "released" else self.ours_mean
        return run.step(self.frames, self.fetch())[0]

    def fetch(self) -> dict[str, torch.Tensor]:
        """What each source remembers of the batch, (B, T-1, S, h, w) float16, from stored blocks."""
        rows = np.arange(len(self.frames))  # rows by number, as training takes them: a copy
        return {
            name: torch.from_numpy(self.provider.states(Request(name, 0))[rows]).to(self.frames.device)
            for name in self.provider.runners
        }

    def mask(self) -> torch.Tensor | None:
        """The true frames that our next step shows, as the plain form takes them."""
        run, (B, T) = self.ours, self.frames.shape[:2]
        drawn = truth_mask(run.plan.sampling, run.progress, B, T, run.input_length, (run.seed, run.steps_done))[1]
        return None if drawn is None else torch.from_numpy(drawn).to(self.frames.device)


def step_times(steps: Steps, *, repeats: int) -> StepTimes:
    """They take turns, in one process, with torch's number of threads."""

    def done(work: Callable[[], object]) -> Callable[[], None]:
        def run() -> None:
            work()
            wait(steps.frames.device)

        return run

    plain_flops = count_flops(convolutions_of(steps.plain_step))
    alternatives = {
        "plain": done(steps.plain_step),
        "ours": done(steps.our_step),
        "mean": done(lambda: steps.our_step("mean")),
    }
    warm_up = WARM_UP_ON_GPU if steps.frames.device.type == "cuda" else 1
    times = median_seconds(alternatives, repeats=repeats, warm_up=warm_up)
    fetching = median_seconds({"fetch": done(steps.fetch)}, repeats=5 * repeats)["fetch"]
    return StepTimes(len(steps.provider.runners), times["plain"], times["ours"], times["mean"], fetching, plain_flops)


def step_overhead(steps: Steps, *, repeats: int) -> tuple[Overhead, float]:
    """Our whole step on a processor against its convolutions alone; and the share of the rest by torch's profiler.

    On a GPU a step is one graph, in which no single kernel can be told.
    """
    by_profiler = profiled_share(steps.our_step)  # first, see `overhead`
    return overhead(steps.our_step, repeats=repeats), by_profiler


def wait(device: torch.device) -> None:
    """Until the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)

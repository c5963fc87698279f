"""A whole search of ours against the same trials each running its own sources, and where the time of a trial goes."""

import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from platform.config.home import Home
from platform.config.run import RunConfig
from platform.config.trial import TrialSettings
from platform.sizing.plain_tune import plain_search
from platform.sizing.trials import Searched, in_process, jobs, searched, target_plan
from platform.training.stream import directions
from platform.tuning.trials.target import Target


@dataclass(frozen=True)
class Whole:
    """Both searches, on one Ray one after the other, with as many trials at once and as many threads each."""

    plain_s: float
    ours: Searched
    source_passes_wanted: int  # blocks x sources x directions: what a store that holds everything needs
    source_passes_plain: int  # the same of all trials and epochs
    largest_difference: float  # of a trial's mse between both ways, relative

    @property
    def speedup(self) -> float:
        return self.plain_s / self.ours.wall_s


def whole_search(config: RunConfig, home: Home, folder: Path) -> Whole:
    """On the Ray that is initialised; nothing may be stored yet."""
    plan = target_plan(config, home)
    ours = searched(config, home, folder / "ours")
    plain_s, plain_mse = plain_search(plan, jobs(config), folder / "plain", ours.resources)
    blocks = plan.benchmark().blocks("train").num_blocks
    passes = blocks * len(config.sources) * len(directions(config.training))
    return Whole(
        plain_s=plain_s,
        ours=ours,
        source_passes_wanted=passes,
        source_passes_plain=passes * config.search.trials * config.training.epochs,
        largest_difference=max(abs(a - b) / b for a, b in zip(ours.mse, plain_mse, strict=True)),
    )


@dataclass(frozen=True)
class TrialTime:
    """Seconds of one trial that runs alone in this process, on the processor, its memories stored, with its threads."""

    data: float  # clips: waited for, cut into batches, turned into tensors
    memory: float  # waited for
    forward: float
    backward: float  # with the losses
    update: float
    evaluation: float
    setting_up: float

    @property
    def parts(self) -> dict[str, float]:
        return asdict(self)


def trial_time(config: RunConfig, home: Home) -> TrialTime:
    """Of the search's first trial, after one epoch of another that warmed everything up."""
    settings, plan = TrialSettings.model_validate(jobs(config)[0].settings), target_plan(config, home)
    threads = torch.get_num_threads()
    torch.set_num_threads(config.resources.threads_per_trial)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # once a process: the memory of merge `released` grows
            Target(plan, settings, seed=0, memory=in_process(config, home)).epoch()
        clock = _Clock()
        target = clock.timed("setting_up", lambda: Target(plan, settings, seed=0, memory=in_process(config, home)))
        clock.watch(target)
        rows = [target.epoch() for _ in range(config.training.epochs)]
    finally:
        torch.set_num_threads(threads)
    known = {name: clock.seconds[name] for name in ("forward", "backward", "update")}
    memory = target.memory.counters.waited_s
    training = sum(row["train_s"] for row in rows)
    return TrialTime(
        data=training - memory - sum(known.values()),
        memory=memory,
        **known,
        evaluation=sum(row["validate_s"] for row in rows),
        setting_up=clock.seconds["setting_up"],
    )


class _Clock:
    """Adds up the parts of training steps, from the hooks that torch calls between them."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = 0.0

    def timed(self, part: str, work: Callable[[], Any]) -> Any:
        self._begin()
        result = work()
        self._end(part)
        return result

    def watch(self, target: Target) -> None:
        def before_forward(network: torch.nn.Module, arguments: Any) -> None:
            if network.training:
                self._begin()

        def after_forward(network: torch.nn.Module, arguments: Any, prediction: Any) -> None:
            if network.training:
                self._end("forward")

        target.network.register_forward_pre_hook(before_forward)
        target.network.register_forward_hook(after_forward)
        target.run.optimizer.register_step_pre_hook(lambda *_: self._end("backward"))
        target.run.optimizer.register_step_post_hook(lambda *_: self._end("update"))

    def _begin(self) -> None:
        self._last = time.perf_counter()

    def _end(self, part: str) -> None:
        now = time.perf_counter()
        self.seconds[part] = self.seconds.get(part, 0.0) + now - self._last
        self._last = now

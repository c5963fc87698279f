"""A trial that has started and not ended, as the driver knows it."""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tensorboardX import SummaryWriter

from platform.results.progress import RunningTrial
from platform.tuning.trials.trial import trial_folder


@dataclass
class BegunTrial:
    """`row` holds all numbers of its last epoch."""

    trial: Any  # Tune's
    seed: int
    started: datetime.datetime  # with what earlier drivers took for it
    curve: list[dict[str, float]] = field(default_factory=list)
    row: dict[str, float] = field(default_factory=dict)
    restarts: int = 0
    # Counters of the processes that died; each process counts from nothing.
    memory_before: dict[str, float] = field(default_factory=dict)
    writer: SummaryWriter | None = None
    hangs: bool = False
    known: RunningTrial | None = None  # as it was last told, but for the time: so that not all are made anew each time

    def restart(self) -> None:
        """Its process died, and another takes its place."""
        self.restarts += 1
        self.known = None
        self.memory_before = memory_of(self.row)
        self.close()

    def close(self) -> None:
        """Its TensorBoard log."""
        if self.writer is not None:
            self.writer.close()
        self.writer = None

    def told(self) -> RunningTrial:
        """For the thread that Tune calls."""
        self.known = self.as_it_stands()
        return self.known

    def as_it_stands(self) -> RunningTrial:
        """Any thread may ask for it: nothing changes."""
        known = self.known
        spent_s = max(0.0, (datetime.datetime.now(datetime.UTC) - self.started).total_seconds())
        if known is not None:
            return known.model_copy(update={"spent_s": spent_s})
        return RunningTrial(
            trial=self.trial.config["trial"],
            id=trial_folder(self.trial),
            seed=self.seed,
            settings=self.trial.config["settings"],
            curve=tuple(self.curve),
            row=self.row,
            spent_s=spent_s,
            restarts=self.restarts,
        )


def memory_of(result: Mapping[str, Any]) -> dict[str, float]:
    """What its memory clients counted, of a row."""
    return {key: float(value) for key, value in result.items() if key.startswith("memory.")}

"""What the user watches: one table in a terminal, one line a finished trial elsewhere (a log file, CI)."""

import time
from itertools import islice
from typing import Any

from ray import tune
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from platform.config.run import RunConfig
from platform.config.search import direction
from platform.reporting.live_table import Progress, ended_line, live_table
from platform.results.nodes_file import Nodes
from platform.results.scores import score
from platform.tuning.cluster.whereabouts import Whereabouts
from platform.tuning.keeping.recorder import Recorder
from platform.tuning.trials.trial import FAILURE


class LiveTable(tune.Callback):
    """A Tune callback that draws the recorder's state. Enter as a context while a Tuner is fitted."""

    def __init__(
        self,
        config: RunConfig,
        recorder: Recorder,
        console: Console,
        num_trials: int,
        whereabouts: Whereabouts | None = None,
    ) -> None:
        name = config.search.objectives[0]
        self._objective = score(name, higher_is_better=direction(name) == "max")
        self._epochs = config.training.epochs
        self.recorder = recorder
        self._whereabouts = whereabouts
        self.num_trials = num_trials
        self.console = console
        self._began = time.monotonic()
        self._num_printed = 0
        self._noted: set[str] = set()  # of trials, each said once
        self._live = (
            Live(console=console, refresh_per_second=4, get_renderable=self.render) if console.is_terminal else None
        )

    def __enter__(self) -> "LiveTable":
        self._began = time.monotonic()
        if self._live is not None:
            self._live.__enter__()
        return self

    def __exit__(self, *failure: Any) -> None:
        if self._live is not None:
            self._live.__exit__(*failure)

    def __getstate__(self) -> dict[str, Any]:
        """Tune pickles its callbacks; a terminal is not something to restore."""
        return {**self.__dict__, "console": None, "_live": None}

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        if FAILURE in result:
            return
        for note in result.get("notes", ()):
            if note not in self._noted:
                self._noted.add(note)
                self.console.print(Text.assemble(("note: ", "yellow"), note), soft_wrap=True)

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        records = self.recorder.records  # those of before by their numbers, then as they ended
        if self._live is None and len(records) > self._num_printed:
            progress = self.progress()
            for record in islice(records.values(), self._num_printed, None):
                self.console.print(ended_line(progress, record), soft_wrap=True)
            self._num_printed = len(records)

    def render(self) -> Group:
        """The table as it stands."""
        return live_table(self.progress(), self.console.width)

    def progress(self) -> Progress:
        return Progress(
            objective=self._objective,
            epochs=self._epochs,
            num_trials=self.num_trials,
            records=list(self.recorder.records.values()),
            running=self.recorder.running,
            elapsed_s=time.monotonic() - self._began,
            nodes=self._whereabouts.nodes if self._whereabouts is not None else Nodes(),
        )

"""What the user watches: one table in a terminal, one line a finished trial elsewhere (a log file, CI)."""

import time
from collections.abc import Sequence
from typing import Any

from ray import tune
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from platform.config.run import RunConfig
from platform.results.record import TrialRecord
from platform.results.scores import readable_bytes
from platform.tuning.recorder import Recorder
from platform.tuning.trial import FAILURE

SHOWN_ENDED = 6
ALWAYS_SHOWN = 4  # columns that no terminal is too narrow for: trial, state, epoch, score
SHOWN_COUNTERS = ("ready", "computed", "waited_s", "bytes", "evicted")  # of a trial's memory
NARROWEST = 9  # of the other columns, below which a name says nothing
GAP = 2  # characters between rich's columns


class LiveTable(tune.Callback):
    """A Tune callback that draws the recorder's state. Enter as a context around `Tuner.fit`."""

    def __init__(self, config: RunConfig, recorder: Recorder, console: Console, num_trials: int) -> None:
        self.config = config
        self.recorder = recorder
        self.num_trials = num_trials
        self.console = console
        self._began = time.monotonic()
        self._settings: dict[int, dict[str, Any]] = {}
        self._memory: dict[int, tuple[float, ...]] = {}  # of each trial: blocks ready, computed; seconds waited
        self._trained_s: dict[int, float] = {}
        self._printed: set[int] = set()
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

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._settings[trial.config["trial"]] = trial.config["settings"]

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        if FAILURE in result:
            return
        number = trial.config["trial"]
        self._memory[number] = tuple(result[f"memory.{name}"] for name in SHOWN_COUNTERS)
        self._trained_s[number] = self._trained_s.get(number, 0.0) + result["train_s"]
        for note in result.get("notes", ()):
            if note not in self._noted:
                self._noted.add(note)
                self.console.print(Text.assemble(("note: ", "yellow"), note), soft_wrap=True)

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        if self._live is None:
            for number in sorted(set(self.recorder.records) - self._printed):
                self._printed.add(number)
                self.console.print(self._line(self.recorder.records[number]), soft_wrap=True)

    def render(self) -> Group:
        """The table as it stands."""
        objective = self.config.search.objectives[0]
        rows = []
        for number, curve in sorted(self.recorder.running.items()):
            epoch = int(curve[-1]["epoch"]) if curve else 0
            score = curve[-1].get(objective) if curve else None
            rows.append(self._cells(number, "running", self._settings.get(number, {}), epoch, score))
        rows += [self._record_cells(record) for record in self.recorder.ranking()[:SHOWN_ENDED]]
        columns = ["trial", "state", "epoch", objective, "sources", "start", "gates", "distil", "lr"]
        widths = [max(map(len, column)) for column in zip(columns, *rows, strict=True)]
        widths = fit_columns(widths, self.console.width)
        table = Table(box=None, pad_edge=False, header_style="bold")
        for name, width in zip(columns, widths, strict=False):
            table.add_column(Text(name), justify="right" if name == objective else "left", no_wrap=True, width=width)
        for row in rows:
            cells = [Text(text) for text in row[: len(widths)]]
            cells[1].stylize(_colour(row[1]))
            table.add_row(*cells)
        return Group(table, Text(), self._summary())

    def _cells(self, number: int, state: str, settings: dict[str, Any], epoch: int, score: float | None) -> list[str]:
        """What stands in a trial's row: first what must always be seen, then its settings."""
        gates = settings.get("tmu", {}) if settings.get("sources") else {}
        return [
            str(number),
            state,
            f"{epoch}/{self.config.training.epochs}",
            "" if score is None else f"{score:.4g}",
            " ".join(settings.get("sources", ())) or "none",
            str(settings.get("start", "")),
            f"{gates['merge']} {list(gates['layers'])}" if gates else "-",
            f"{settings['distil']['weight']:.3g}" if gates else "-",
            f"{settings['learning_rate']:.2g}" if settings else "",
        ]

    def _record_cells(self, record: TrialRecord) -> list[str]:
        score = record.metrics.get(self.config.search.objectives[0])
        return self._cells(record.trial, record.state, record.settings, record.epochs, score)

    def _summary(self) -> Text:
        records = list(self.recorder.records.values())
        count = {state: sum(record.state == state for record in records) for state in ("finished", "stopped", "failed")}
        elapsed = time.monotonic() - self._began
        parts = [
            f"{len(records)} of {self.num_trials} trials "
            f"({count['finished']} finished, {count['stopped']} stopped early, {count['failed']} failed)"
        ]
        if ranking := self.recorder.ranking():
            objective = self.config.search.objectives[0]
            best = f"best {objective} {ranking[0].metrics[objective]:.4g} (trial {ranking[0].trial}"
            floor = ranking[0].last_frame.get(objective)
            parts.append(best + (f"; copying the last frame {floor:.4g})" if floor is not None else ")"))
        counters = self._memory.values() or [(0,) * len(SHOWN_COUNTERS)]
        ready, computed, waited_s, num_bytes, evicted = map(sum, zip(*counters, strict=True))
        if ready + computed:
            waited = waited_s / sum(self._trained_s.values())
            told = f"memory {ready / (ready + computed):.0%} ready, waited for {waited:.1%} of training"
            parts.append(f"{told}, {readable_bytes(num_bytes)} read" + (f", {evicted:.0f} evicted" if evicted else ""))
        parts.append(f"{_clock(elapsed)} gone")
        if records:
            left = elapsed / len(records) * (self.num_trials - len(records))
            parts.append(f"about {_clock(left)} left")
        return Text(" · ".join(parts))

    def _line(self, record: TrialRecord) -> Text:
        trial, state, epoch, score, *settings = self._record_cells(record)
        done, objective = f"{len(self.recorder.records)}/{self.num_trials}", self.config.search.objectives[0]
        tail = (record.reason or "", "red") if record.state == "failed" else f"{objective} {score}"
        return Text.assemble(
            f"{done:>7}  trial {trial:>3} ", (state, _colour(state)), f"  {' · '.join([*settings, epoch])}  ", tail
        )


def fit_columns(widths: Sequence[int], room: int) -> list[int]:
    """The widths of as many leading columns as fit into `room` characters.

    The first `ALWAYS_SHOWN` keep theirs. The widest of the others shrink to `NARROWEST`, then the last ones go.
    """
    fitted = list(widths)
    while sum(fitted) + GAP * (len(fitted) - 1) > room and len(fitted) > ALWAYS_SHOWN:
        widest = max(range(ALWAYS_SHOWN, len(fitted)), key=fitted.__getitem__)
        if fitted[widest] > NARROWEST:
            fitted[widest] -= 1
        else:
            fitted.pop()
    return fitted


def _colour(state: str) -> str:
    return {"running": "cyan", "finished": "green", "stopped": "yellow"}.get(state, "red")


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"

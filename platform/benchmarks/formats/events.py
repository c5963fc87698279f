"""Cutting dated frames into recordings that no clip can leave: where a frame is missing, and where an event ends.

A radar delivers a frame every few minutes for years, and now and then none. Events, whole days or some hours of UTC,
are what splits are made of: the next hour of the same rain is no test. A reader lists its files with the times of
their frames and says how one is read (`found_in`); all else is here. Times are UTC as the files give them; none of
these formats names a zone.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np

from platform.benchmarks.encoding import Encoding
from platform.benchmarks.formats.fields import Size, by, listed, printable, stacked, stored_size
from platform.benchmarks.manifest import SkippedFile
from platform.benchmarks.recording import Found, Recording, Wanted

TOLERANCE = 0.25  # of the usual step: radars do not always keep to the second
UNNAMED = "radar"  # category where the files name no series

Source = TypeVar("Source")  # whatever finds a file again in a worker process: its path, or more
Runs = tuple[tuple[Source, tuple[int, ...]], ...]  # sources and the numbers of their frames, in the order of time
Read = Callable[[Source, tuple[int, ...]], Iterator[np.ndarray]]  # those frames as levels (H, W)


@dataclass(frozen=True, slots=True)
class DatedFile(Generic[Source]):
    """A file of one or many frames. Times may stand in any order."""

    name: str  # below the folder: what errors call it
    source: Source
    shape: Size  # (H, W) of each frame
    stamp: str  # changes when the frames could
    times: np.ndarray  # datetime64[s] (frames,)
    numbers: np.ndarray = field(default_factory=lambda: np.zeros(1, np.int64))  # of the frames within the file


@dataclass(frozen=True, slots=True)
class Stretch:
    """Frames one step apart within one event."""

    name: str  # when it begins: 20201031T0605
    group: str  # when its event begins: 2020-10-31, or 2020-10-31T06 where events are shorter than a day
    frames: np.ndarray  # int64, positions in what was cut, in the order of time


def cut(times: np.ndarray, event_hours: int) -> tuple[list[Stretch], np.ndarray]:
    """Stretches of dated frames, datetime64[s] in any order, and the positions of frames whose time came before.

    A new stretch begins where the step differs from the usual one (the most frequent) by more than a quarter, and at
    every multiple of `event_hours` since 1970-01-01T00 UTC: with 24 at midnight.
    """
    order = np.argsort(times, kind="stable")
    seconds = times[order].astype("datetime64[s]").astype(np.int64)
    repeated = np.diff(seconds, prepend=seconds[:1] - 1) == 0
    kept, seconds = order[~repeated], seconds[~repeated]
    if not len(kept):
        return [], order[repeated]
    steps, events = np.diff(seconds), seconds // (event_hours * 3600)
    usual = usual_step_s(times)
    ends = (np.abs(steps - usual) > TOLERANCE * usual) | (np.diff(events) != 0)
    begins = np.concatenate([[0], 1 + np.flatnonzero(ends)])
    stretches = [
        Stretch(_moment(seconds[begin]), _event(events[begin], event_hours), frames)
        for begin, frames in zip(begins, np.split(kept, begins[1:]), strict=True)
    ]
    return stretches, order[repeated]


def usual_step_s(times: np.ndarray) -> int:
    """The most frequent step between frames, in seconds, the shortest of several; 0 where there is only one time."""
    steps, counts = np.unique(np.diff(np.unique(times.astype("datetime64[s]").astype(np.int64))), return_counts=True)
    return int(steps[np.argmax(counts)]) if len(steps) else 0


def parsed_times(texts: Sequence[str], pattern: str) -> np.ndarray:
    """datetime64[s] (N,); NaT where a text is no such time."""
    return np.array([_parsed(text, pattern) for text in texts], "datetime64[s]")


def found_in(
    series: Mapping[str, Sequence[DatedFile[Source]]],
    read: Read[Source],
    *,
    folder: Path,
    wanted: Wanted,
    encoding: Encoding,
    skipped: Sequence[SkippedFile] = (),
) -> Found:
    """Recordings of every series (a radar, a region; `""` where files name none), each of one event and one stretch.

    The size that most frames have counts, files of another are skipped and named. Recordings are named by the time
    they begin, after the series where there are several; a series is a category. `read` is a function of a module:
    recordings are loaded in worker processes. Raises UserError where frames are smaller than wanted.
    """
    named = list(skipped)
    shape = _usual_shape([file for files in series.values() for file in files])
    size = stored_size(shape, wanted, str(folder))
    recordings: list[Recording] = []
    steps: set[int] = set()
    for name, all_files in series.items():
        files = [file for file in all_files if file.shape == shape]
        reason = "its frames are {}, most here are {}; prepare them from a folder of their own"
        named += [
            SkippedFile(file=file.name, reason=reason.format(by(file.shape), by(shape)))
            for file in all_files
            if file.shape != shape
        ]
        if not files:
            continue
        times = np.concatenate([file.times for file in files])
        numbers = np.concatenate([file.numbers for file in files])
        owners = np.repeat(np.arange(len(files)), [len(file.times) for file in files])
        stretches, repeated = cut(times, wanted.event_hours)
        named += _duplicates(files, owners[repeated], times[repeated])
        steps.add(usual_step_s(times))
        prefix = f"{name}-" if len(series) > 1 and name else ""
        for stretch in stretches:
            runs, stamps = _runs(files, owners[stretch.frames], numbers[stretch.frames])
            recordings.append(
                Recording(
                    name=f"{prefix}{stretch.name}",
                    group=stretch.group,
                    category=name or UNNAMED,
                    key=hashlib.sha256(stamps.encode()).hexdigest()[:32],
                    load=partial(load_runs, read, runs, shape, size),
                    num_frames=len(stretch.frames),
                )
            )
    provenance = {"source": printable(folder), "step_s": ", ".join(map(str, sorted(steps)))}
    return Found(recordings, size, encoding=encoding, skipped=tuple(named), provenance=provenance)


def load_runs(read: Read[Source], runs: Runs[Source], shape: Size, size: Size) -> np.ndarray:
    """One recording, uint8 (T, *size, 1) of levels. Raises UnusableFile."""
    frames = (levels for source, numbers in runs for levels in read(source, numbers))
    return stacked(frames, sum(len(numbers) for _, numbers in runs), shape, size)


def _runs(files: Sequence[DatedFile[Source]], owners: np.ndarray, numbers: np.ndarray) -> tuple[Runs[Source], str]:
    """Frames by file, and a text that changes when one of the files or of the numbers does."""
    borders = 1 + np.flatnonzero(np.diff(owners))
    of_files = [files[owner] for owner in owners[np.concatenate([[0], borders])]]
    runs = tuple(
        (file.source, tuple(part.tolist())) for file, part in zip(of_files, np.split(numbers, borders), strict=True)
    )
    stamps = [(file.name, file.stamp, held) for file, (_, held) in zip(of_files, runs, strict=True)]
    return runs, repr(stamps)


def _usual_shape(files: Sequence[DatedFile[Source]]) -> Size:
    counts: dict[Size, int] = {}
    for file in files:
        counts[file.shape] = counts.get(file.shape, 0) + len(file.times)
    return max(counts, key=lambda shape: counts[shape])


def _duplicates(files: Sequence[DatedFile[Source]], owners: np.ndarray, times: np.ndarray) -> list[SkippedFile]:
    reason = "a frame of the same time was found before: {}"
    return [
        SkippedFile(file=files[owner].name, reason=reason.format(listed(times[owners == owner])))
        for owner in np.unique(owners)
    ]


def _parsed(text: str, pattern: str) -> datetime | None:
    try:
        return datetime.strptime(text, pattern)
    except ValueError:
        return None


def _event(number: int, event_hours: int) -> str:
    begin = str(np.datetime64(int(number) * event_hours * 3600, "s"))  # 2020-10-31T06:00:00
    return begin[:10] if event_hours >= 24 else begin[:13]


def _moment(second: int) -> str:
    text = str(np.datetime64(int(second), "s")).replace("-", "").replace(":", "")
    return text.removesuffix("00")  # of seconds, which few radars count

"""Human3.6M as pictures, `S11_Walking.60457274_001621.jpg`: subject, action, camera, frame of 50 a second.

Two codes read them, and both take every fifth raw frame there is:

- The TMU code takes all pictures of one folder, the central half of each side, and every second of these frames, which
  is every 10th raw one. That choice is the search's: `frame_step: 2` there, and a clip every 10 (test: 5) frames.
- OpenSTL reads list files, `train.txt` with lines `images/S1_Directions.54138969_,226,296` (beginning of a name, first
  and last frame), and whole pictures. Where lists lie in the folder, only what they name is stored.

Stored in colour. Registration with the authors of the data is needed, and they may not be passed on.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal

from platform.benchmarks.formats.fields import nothing_usable, require_folder, skip
from platform.benchmarks.formats.files import files_below
from platform.benchmarks.formats.pictures import Fit, Series, name_gaps, series_of
from platform.benchmarks.manifest import SkippedFile
from platform.benchmarks.recording import Found, Recording, Wanted

VERSION = "1"
RAW_STEP = 5  # raw frames from one stored frame to the next
PARTS: dict[str, Literal["whole", "half"]] = {"folder": "half", "lists": "whole"}  # what each code sees of a picture
MOST_LIST_BYTES = 64 << 20
LONGEST_LINE = 200
MOST_NAMED = 20  # faults of one list: what else is wrong with it is counted

_VIDEO = r"S([0-9]{1,2})_([A-Za-z]+)(?:[_ ]?[0-9]+)?\.[0-9]+"  # S11_Discussion_1.54138969
PICTURE_NAME = re.compile(rf"({_VIDEO})_([0-9]{{1,9}})\.(?:jpe?g|png)", re.IGNORECASE | re.ASCII)
LIST_NAME = re.compile(r"\w*(?:train|test|val|valid|validation)\w*\.txt", re.IGNORECASE | re.ASCII)
LIST_LINE = re.compile(rf"([^,]*?)({_VIDEO})_,\s*([0-9]{{1,9}})\s*,\s*([0-9]{{1,9}})", re.IGNORECASE | re.ASCII)


@dataclass
class _Video:
    """Pictures of one video by frame number, in one folder."""

    subject: str
    action: str
    pictures: dict[int, Path] = field(default_factory=dict)


@dataclass(frozen=True)
class _Listed:
    """One line of a list."""

    name: str
    first: int
    last: int


def find_human36m(folder: Path, wanted: Wanted) -> Found:
    """Every video in `folder` or below it: a subject ("1", "11") is a group, an action ("walking") a category.

    Raises UserError when there is none.
    """
    require_folder(folder, "Human3.6M's pictures")
    files, skipped = files_below(folder, "*")
    videos, faults = _videos(folder, files)
    skipped += faults
    listed: list[_Listed] = []
    lists = [file for file in files if LIST_NAME.fullmatch(file.name)]
    for file in lists:
        lines, faults = _read_list(file, folder, videos)
        listed += lines
        skipped += faults
    series = _listed_series(videos, listed) if lists else _all_series(videos)
    if not series:
        repair = "Give the folder with S1_Walking.54138969_000001.jpg, ... to --from."
        if lists and videos:
            repair = "No line names a picture that is there: complete the pictures, or move the lists elsewhere."
        raise nothing_usable("S1_ACTION.CAMERA_FRAME.jpg", folder, skipped, repair)
    layout = "lists" if lists else "folder"
    fit = Fit(wanted.size, 3, PARTS[layout])
    recordings = []
    for name, (video, one) in series.items():
        recordings.append(
            Recording(
                name=name,
                group=video.subject,
                category=video.action,
                key=one.key(),
                load=partial(one.load, fit),
                ranges=one.ranges(),
                num_frames=len(one.names),
            )
        )
    if lists:
        skipped += _left_out(videos, listed)
    else:
        skipped += name_gaps((name, one) for name, (_, one) in series.items())
    steps = sorted({one.step for _, one in series.values()})
    return Found(
        recordings,
        frame_size=(wanted.size, wanted.size),
        channels=fit.channels,
        fit=fit.stamp(),
        skipped=tuple(skipped),
        provenance={
            "source": str(folder),
            "raw_frames_a_step": ", ".join(map(str, steps)),
            "part_of_picture": PARTS[layout],
        },
    )


def _videos(folder: Path, files: Sequence[Path]) -> tuple[dict[str, _Video], list[SkippedFile]]:
    """Videos by name, `S11_Walking.60457274`, as written in their first picture."""
    videos: dict[str, _Video] = {}
    names: dict[str, str] = {}
    skipped = []
    for file in files:
        match = PICTURE_NAME.fullmatch(file.name)
        if match is None:
            if not LIST_NAME.fullmatch(file.name):
                skipped.append(skip(file, folder, "its name is not S1_ACTION.CAMERA_FRAME.jpg"))
            continue
        name = names.setdefault(match[1].lower(), match[1])
        video = videos.setdefault(name, _Video(match[2].lstrip("0"), match[3].lower()))
        first = video.pictures.setdefault(int(match[4]), file)
        if first != file:
            skipped.append(skip(file, folder, f"{first.relative_to(folder)} is the same frame"))
        elif first.parent != next(iter(video.pictures.values())).parent:
            del video.pictures[int(match[4])]
            skipped.append(skip(file, folder, "other frames of its video lie in another folder; put them together"))
    return videos, skipped


def _all_series(videos: dict[str, _Video]) -> dict[str, tuple[_Video, Series]]:
    """All pictures: every fifth, where more than those are there."""
    series = {}
    for name, video in videos.items():
        one, _ = series_of(video.pictures.items())
        if RAW_STEP % one.step == 0:
            begin = one.numbers[0]
            every = [(number, file) for number, file in video.pictures.items() if (number - begin) % RAW_STEP == 0]
            one, _ = series_of(every, RAW_STEP)
        series[name] = video, one
    return series


def _listed_series(videos: dict[str, _Video], listed: Sequence[_Listed]) -> dict[str, tuple[_Video, Series]]:
    """What lines name. Lines that begin in step, as all of a video usually do, are stretches of one series."""
    wanted: dict[tuple[str, int], set[int]] = {}
    for line in listed:
        numbers = wanted.setdefault((line.name, line.first % RAW_STEP), set())
        numbers.update(number for number in _every_step(line) if number in videos[line.name].pictures)
    series: dict[str, tuple[_Video, Series]] = {}
    for (name, _), numbers in wanted.items():
        if numbers:
            video = videos[name]
            one, _ = series_of([(number, video.pictures[number]) for number in numbers], RAW_STEP)
            series[name if name not in series else f"{name}_from_{one.numbers[0]}"] = video, one
    return series


def _left_out(videos: dict[str, _Video], listed: Sequence[_Listed]) -> list[SkippedFile]:
    names = sorted(videos.keys() - {line.name for line in listed})
    if not names:
        return []
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    reason = f"no list names {', '.join(names[:5])}{more}; move the lists elsewhere to store every video"
    return [SkippedFile(file="lists", reason=reason)]


def _read_list(file: Path, folder: Path, videos: dict[str, _Video]) -> tuple[list[_Listed], list[SkippedFile]]:
    """Lines whose video is there, and what is wrong with the others."""
    try:
        with file.open(encoding="utf-8", errors="replace") as handle:
            lines = handle.read(MOST_LIST_BYTES).splitlines()
    except OSError as fault:
        return [], [skip(file, folder, f"it cannot be read ({fault.strerror})")]
    listed: list[_Listed] = []
    faults: list[str] = []
    names = {name.lower(): name for name in videos}
    seen: set[str] = set()
    for number, text in enumerate(map(str.strip, lines), start=1):
        if not text:
            continue
        if text in seen:
            faults.append(f"line {number}: {text[:LONGEST_LINE]!r} stands here twice")
            continue
        seen.add(text)
        wrong, line = _parse(text[:LONGEST_LINE], names, videos)
        if line is not None:
            listed.append(line)
        if wrong:
            faults.append(f"line {number}: {text[:LONGEST_LINE]!r} {wrong}")
    more = [f"and {len(faults) - MOST_NAMED} more lines"] if len(faults) > MOST_NAMED else []
    return listed, [skip(file, folder, told) for told in faults[:MOST_NAMED] + more]


def _parse(text: str, names: dict[str, str], videos: dict[str, _Video]) -> tuple[str, _Listed | None]:
    """What is wrong with a line, if anything; and what it names, if something."""
    match = LIST_LINE.fullmatch(text)
    if match is None:
        return "is not NAME_,FIRST,LAST, as images/S1_Directions.54138969_,226,296", None
    first, last = int(match[5]), int(match[6])
    if last < first:
        return "ends before it begins", None
    if match[1][:1] in ("/", "\\") or ":" in match[1] or ".." in re.split(r"[/\\]", match[1]):
        return "leads out of the folder; name pictures below it", None
    name = names.get(match[2].lower())
    if name is None:
        return "has no picture here", None
    line = _Listed(name, first, last)
    expected = (last - first) // RAW_STEP + 1
    there = sum(number in videos[name].pictures for number in _every_step(line)) if expected < 1 << 20 else 0
    if not there:
        return "has no picture here", None
    return ("" if there == expected else f"has {there} of its {expected} frames here"), line


def _every_step(line: _Listed) -> range:
    return range(line.first, line.last + 1, RAW_STEP)

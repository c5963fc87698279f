"""The KTH actions as they are downloaded, `personNN_<action>_dK_uncomp.avi`, or as folders of frames.

Six actions, 25 persons, four scenarios; 160x120 grey in colour frames, DivX-5, and `00sequences.txt`. The TMU and
PredRNN codes have a folder `<action>/personNN_<action>_dK_uncomp/` of `image_0001.jpg` instead, numbered like the
video's frames. Known faults of the real set are handled here: one video does not exist, one is reported corrupt, one
entry of the list is empty, tabs and spaces vary, and some videos are shorter than their ranges. The aspect (4:3) is
not kept, as in the published protocols.
"""

import re
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

from platform.benchmarks.formats.fields import listed, nothing_usable, require_folder, skip, stamp
from platform.benchmarks.formats.files import files_below
from platform.benchmarks.formats.pictures import Fit, Ranges, Series, name_gaps, series_of
from platform.benchmarks.formats.video_files import load_video, promised_frames
from platform.benchmarks.manifest import SkippedFile
from platform.benchmarks.recording import Found, Recording, Wanted
from platform.config.datasets import KTH_ACTIONS

VERSION = "1"
SEQUENCES_FILE = "00sequences.txt"
MOST_LIST_BYTES = 1 << 20  # the real list has 40 thousand
A_PART = 20  # so many listed videos are missing where somebody has a part of the data set on purpose
LONGEST_LINE, MOST_NAMED = 200, 20  # of the lines that make no sense
_NAME = rf"(person([0-9]{{2}})_({'|'.join(KTH_ACTIONS)})_d[0-9])"
VIDEO_NAME = re.compile(rf"{_NAME}_uncomp\.avi", re.IGNORECASE | re.ASCII)
FOLDER_NAME = re.compile(rf"{_NAME}(?:_uncomp)?", re.IGNORECASE | re.ASCII)
PICTURE_NAME = re.compile(r"image_([0-9]{1,9})\.(?:jpe?g|png|bmp)", re.IGNORECASE | re.ASCII)
SEQUENCE_LINE = re.compile(r"(person[0-9]{2}_[a-z]+_d[0-9])\s+(?:frames\s*)?(.*)", re.IGNORECASE | re.ASCII)
RANGE = re.compile(r"([0-9]{1,9})\s*-\s*([0-9]{1,9})", re.ASCII)


def find_kth(folder: Path, wanted: Wanted) -> Found:
    """Every KTH video in `folder` or below it; one that is there as AVI and as frames is read from its AVI.

    Raises UserError when there is none.
    """
    require_folder(folder, "KTH's AVI files, or its frames,")
    files, skipped = files_below(folder, "*")
    entries, faults = _find_sequences(folder, files)
    ranges = entries or {}
    skipped += faults
    videos, faults = _videos(folder, files)
    skipped += faults
    series, faults = _frame_folders(folder, files)
    skipped += faults
    fit = Fit(wanted.size)
    recordings: dict[str, Recording] = {}
    for name, file in videos.items():
        recordings[name] = Recording(
            name=name,
            **_who(name),
            key=stamp(file),
            load=partial(load_video, file, fit),
            ranges=ranges.get(name),
            num_frames=promised_frames(file),
        )
    for name, one in series.items():
        if name in recordings:
            skipped.append(skip(one.folder, folder, "the AVI of this video was found too, and is read instead"))
            continue
        recordings[name] = Recording(
            name=name,
            **_who(name),
            key=one.key(),
            load=partial(one.load, fit),
            ranges=one.ranges(ranges.get(name)),
            num_frames=len(one.names),
        )
    skipped += name_gaps((name, one) for name, one in series.items() if name not in videos and not ranges.get(name))
    skipped += _compared(entries, recordings)
    if not recordings:
        archives = ", ".join(file.name for file in sorted(folder.glob("*.zip"))[:6])
        hint = f"Unpack {archives} first." if archives else "Give the folder with walking/, boxing/, ... to --from."
        raise nothing_usable("personNN_<action>_dK_uncomp.avi or folder of image_0001.jpg", folder, skipped, hint)
    return Found(
        list(recordings.values()),
        frame_size=(wanted.size, wanted.size),
        fit=fit.stamp(),
        skipped=tuple(skipped),
        provenance={"source": str(folder)},
    )


def _who(name: str) -> dict[str, str]:
    match = FOLDER_NAME.fullmatch(name)
    assert match is not None
    return {"group": str(int(match[2])), "category": match[3]}


def _videos(folder: Path, files: Sequence[Path]) -> tuple[dict[str, Path], list[SkippedFile]]:
    videos: dict[str, Path] = {}
    skipped: list[SkippedFile] = []
    for file in sorted((file for file in files if file.suffix.lower() == ".avi"), key=lambda file: (file.name, file)):
        match = VIDEO_NAME.fullmatch(file.name)
        if match is None:
            skipped.append(skip(file, folder, "its name is not personNN_<action>_dK_uncomp.avi"))
        elif match[1].lower() in videos:
            skipped.append(skip(file, folder, "a video of this name was found in another folder"))
        else:
            videos[match[1].lower()] = file
    return videos, skipped


def _frame_folders(folder: Path, files: Sequence[Path]) -> tuple[dict[str, Series], list[SkippedFile]]:
    numbered: dict[Path, list[tuple[int, Path]]] = {}
    for file in files:
        if (match := PICTURE_NAME.fullmatch(file.name)) and FOLDER_NAME.fullmatch(file.parent.name):
            numbered.setdefault(file.parent, []).append((int(match[1]), file))
    series: dict[str, Series] = {}
    skipped: list[SkippedFile] = []
    for parent in sorted(numbered, key=lambda parent: (parent.name, parent)):
        match = FOLDER_NAME.fullmatch(parent.name)
        assert match is not None
        if match[1].lower() in series:
            skipped.append(skip(parent, folder, "frames of a video of this name were found in another folder"))
            continue
        series[match[1].lower()], repeated = series_of(numbered[parent], step=1)
        skipped += [skip(file, folder, "another picture here has the same number") for file in repeated]
    return series, skipped


def parse_sequences(text: str) -> tuple[dict[str, Ranges], list[str]]:
    """`00sequences.txt` -> half-open 0-based ranges by video, and the lines that make no sense.

    An entry without ranges that make sense (one is empty, one says *missing*) has none: the whole video is usable.
    """
    entries: dict[str, Ranges] = {}
    faults: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        match = SEQUENCE_LINE.fullmatch(line.strip())
        if match is None:
            if line.lower().lstrip().startswith("person"):
                faults.append(f"line {number}: {line.strip()[:LONGEST_LINE]!r}")
            continue
        pieces = [piece.strip() for piece in match[2].split(",") if piece.strip()]
        pairs = [RANGE.fullmatch(piece) for piece in pieces]
        ranges = tuple((int(pair[1]) - 1, int(pair[2])) for pair in pairs if pair and 0 < int(pair[1]) <= int(pair[2]))
        if len(ranges) < len(pieces) and match[2].strip("* \t").lower() != "missing":
            faults.append(f"line {number}: {line.strip()[:LONGEST_LINE]!r}")
        name = match[1].lower()
        if ranges and entries.get(name):
            faults.append(
                f"line {number}: {line.strip()[:LONGEST_LINE]!r} is the second of this video; the first counts"
            )
        elif ranges or name not in entries:
            entries[name] = ranges
    return entries, faults


def _compared(entries: dict[str, Ranges] | None, found: Iterable[str]) -> list[SkippedFile]:
    """What the list, where there is one, does not know, and how many are not here of what it knows.

    Many are not in a part of the data set, which is nothing to be told; a few are an incomplete copy.
    """
    if entries is None:
        return []
    told = []
    if unknown := sorted(set(found) - entries.keys()):
        told.append(f"it does not list {listed(unknown)}: whole videos are used, with empty stretches")
    missing = len({name for name, ranges in entries.items() if ranges} - set(found))
    if 0 < missing < A_PART:
        told.append(f"{missing} of the videos that it lists are not here")
    return [SkippedFile(file=SEQUENCES_FILE, reason=reason) for reason in told]


def _find_sequences(folder: Path, files: Sequence[Path]) -> tuple[dict[str, Ranges] | None, list[SkippedFile]]:
    """The list lies beside the folders of the actions, or above when `folder` is one of them. None: there is none."""
    below = [file for file in files if file.name == SEQUENCES_FILE]
    for file in (*sorted(below, key=lambda file: len(file.parts)), folder.parent / SEQUENCES_FILE):
        if file.is_file():
            try:
                with file.open(encoding="latin-1") as handle:
                    entries, faults = parse_sequences(handle.read(MOST_LIST_BYTES))
            except OSError as fault:
                return None, [SkippedFile(file=file.name, reason=f"it cannot be read ({fault.strerror})")]
            more = [f"and {len(faults) - MOST_NAMED} more lines"] if len(faults) > MOST_NAMED else []
            named = faults[:MOST_NAMED] + more
            return entries, [SkippedFile(file=file.name, reason=f"not understood: {fault}") for fault in named]
    return None, [SkippedFile(file=SEQUENCES_FILE, reason="it is missing; whole videos are used, with empty stretches")]

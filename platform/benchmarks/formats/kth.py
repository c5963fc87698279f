"""The KTH actions as they are downloaded: `personNN_<action>_dK_uncomp.avi` and `00sequences.txt`.

Six actions, 25 persons, four scenarios; 160x120 grey in colour frames, DivX-5. Known faults of the real set are handled
here: one video does not exist, one is reported corrupt, one entry of the list is empty, tabs and spaces vary, and some
videos are shorter than their ranges. The luma plane is read as it is, without a conversion library's rounding, and
stretched from video range (16-235) to 0-255 as every RGB converter does.
"""

import re
import struct
from functools import partial
from pathlib import Path

import numpy as np

from platform.benchmarks.manifest import SkippedFile
from platform.benchmarks.recording import Found, Recording, UnusableFile, Wanted
from platform.benchmarks.resize import resize_area
from platform.config.datasets import KTH_ACTIONS
from platform.config.errors import UserError

VERSION = "1"
SEQUENCES_FILE = "00sequences.txt"
VIDEO_NAME = re.compile(rf"(person(\d\d)_({'|'.join(KTH_ACTIONS)})_d\d)_uncomp\.avi", re.IGNORECASE)
SEQUENCE_LINE = re.compile(r"(person\d\d_[a-z]+_d\d)\s+(?:frames\s*)?(.*)", re.IGNORECASE)
RANGE = re.compile(r"(\d+)\s*-\s*(\d+)")

Ranges = tuple[tuple[int, int], ...]

_FULL_RANGE = np.clip(np.rint((np.arange(256) - 16) * (255 / 219)), 0, 255).astype(np.uint8)


def find_kth(folder: Path, wanted: Wanted) -> Found:
    """Every KTH video in `folder` or below it. Raises UserError when there is none."""
    if not folder.is_dir():
        raise UserError(f"no folder {folder}. Give the one with KTH's AVI files to --from.")
    listed, skipped = _find_sequences(folder)
    recordings: dict[str, Recording] = {}
    for file in sorted(folder.rglob("*.[aA][vV][iI]"), key=lambda file: (file.name, file)):
        match = VIDEO_NAME.fullmatch(file.name)
        if match is None:
            skipped.append(_skip(file, folder, "its name is not personNN_<action>_dK_uncomp.avi"))
            continue
        name, person, action = match[1].lower(), str(int(match[2])), match[3].lower()
        if name in recordings:
            skipped.append(_skip(file, folder, "a video of this name was found in another folder"))
            continue
        status = file.stat()
        recordings[name] = Recording(
            name=name,
            group=person,
            category=action,
            key=f"{status.st_size}-{status.st_mtime_ns}",
            load=partial(read_video, file, wanted.size),
            ranges=listed.get(name),
            num_frames=_promised(file)[1],
        )
    if not recordings:
        archives = ", ".join(file.name for file in sorted(folder.glob("*.zip"))[:6])
        hint = f"Unpack {archives} first." if archives else "Give the folder with walking/, boxing/, ... to --from."
        raise UserError(f"no personNN_<action>_dK_uncomp.avi in {folder} or below. {hint}")
    return Found(
        list(recordings.values()),
        frame_size=(wanted.size, wanted.size),
        skipped=tuple(skipped),
        provenance={"source": str(folder)},
    )


def read_video(file: Path, size: int) -> np.ndarray:
    """All frames, grey, at size x size by area mean: uint8 (T, size, size, 1). One decoded frame in memory at a time.

    The aspect (4:3) is not kept, as in the published protocols. Raises UnusableFile for a file that is cut off, is no
    video, or decodes to fewer frames than it promises.
    """
    import av  # 0.1 s and a heap of shared libraries: only when something is decoded

    num_bytes, num_frames = _promised(file)
    try:
        if file.stat().st_size < num_bytes:
            raise UnusableFile(f"it is cut off: {file.stat().st_size} of {num_bytes} bytes; copy it again")
        frames = []
        with av.open(str(file)) as container:
            if not container.streams.video:
                raise UnusableFile("it has no picture stream")
            stream = container.streams.video[0]
            for frame in container.decode(stream):
                plane = frame.planes[0]
                if not frame.format.name.startswith(("yuv", "gray")):
                    frame = frame.reformat(format="gray")
                    plane = frame.planes[0]
                luma = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)[
                    :, : plane.width
                ]
                full_range = frame.format.name.startswith(("yuvj", "gray")) or frame.color_range == 2
                frames.append(resize_area(luma if full_range else _FULL_RANGE[luma], size, size))
    except av.FFmpegError as fault:
        raise UnusableFile(f"it cannot be decoded ({fault.strerror}); get it again") from fault
    except OSError as fault:
        raise UnusableFile(f"it cannot be read ({fault.strerror})") from fault
    if len(frames) < num_frames:
        raise UnusableFile(f"it is damaged: {len(frames)} of {num_frames} frames decode; get it again")
    return np.stack(frames)[..., None] if frames else np.empty((0, size, size, 1), np.uint8)


def parse_sequences(text: str) -> tuple[dict[str, Ranges], list[str]]:
    """`00sequences.txt` -> half-open 0-based ranges by video, and the lines that make no sense.

    An entry without ranges (one is empty, one says *missing*) is left out: the whole video is then usable.
    """
    listed: dict[str, Ranges] = {}
    faults: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        match = SEQUENCE_LINE.fullmatch(line.strip())
        if match is None:
            if line.lower().lstrip().startswith("person"):
                faults.append(f"line {number}: {line.strip()!r}")
            continue
        pieces = [piece.strip() for piece in match[2].split(",") if piece.strip()]
        pairs = [RANGE.fullmatch(piece) for piece in pieces]
        ranges = tuple((int(pair[1]) - 1, int(pair[2])) for pair in pairs if pair and 0 < int(pair[1]) <= int(pair[2]))
        if len(ranges) < len(pieces) and match[2].strip("* \t").lower() != "missing":
            faults.append(f"line {number}: {line.strip()!r}")
        if ranges:
            listed[match[1].lower()] = ranges
    return listed, faults


def _find_sequences(folder: Path) -> tuple[dict[str, Ranges], list[SkippedFile]]:
    """The list lies beside the folders of the actions, or above when `folder` is one of them."""
    for file in (
        folder / SEQUENCES_FILE,
        *sorted(folder.rglob(SEQUENCES_FILE)),
        folder.parent / SEQUENCES_FILE,
    ):
        if file.is_file():
            try:
                listed, faults = parse_sequences(file.read_text(encoding="latin-1"))
            except OSError as fault:
                return {}, [SkippedFile(file=file.name, reason=f"it cannot be read ({fault.strerror})")]
            return listed, [SkippedFile(file=file.name, reason=f"not understood: {fault}") for fault in faults]
    return {}, [SkippedFile(file=SEQUENCES_FILE, reason="it is missing; whole videos are used, with empty stretches")]


def _promised(file: Path) -> tuple[int, int]:
    """Bytes and frames that an AVI file's header promises; (0, 0) when it has no such header."""
    try:
        with file.open("rb") as handle:
            head = handle.read(52)
    except OSError:
        return 0, 0
    if len(head) < 52 or head[:4] != b"RIFF" or head[24:28] != b"avih":
        return 0, 0
    return struct.unpack_from("<I", head, 4)[0] + 8, struct.unpack_from("<I", head, 48)[0]


def _skip(file: Path, folder: Path, reason: str) -> SkippedFile:
    return SkippedFile(file=str(file.relative_to(folder)), reason=reason)

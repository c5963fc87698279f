"""Anyone's own data, without code: a folder of videos, of folders of frames, or of `.npy` arrays (N, T, H, W[, C]).

What splits are made of comes from a regular expression that the user gives, else from the top sub-folder, else every
file stands for itself. The aspect is kept: the largest square in the middle is seen. What an array's axes mean is
never guessed: where they are in another order, the repair is named. Nothing is unpickled.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from platform.benchmarks.formats.fields import by, nothing_usable, require_folder, skip, stamp
from platform.benchmarks.formats.files import files_below
from platform.benchmarks.formats.npy import as_bytes, open_npy
from platform.benchmarks.formats.pictures import DAMAGED as NO_PICTURE
from platform.benchmarks.formats.pictures import (
    FORMATS,
    Fit,
    Series,
    check_size,
    name_gaps,
    series_of,
    stack_frames,
)
from platform.benchmarks.formats.pictures import SUFFIXES as PICTURES
from platform.benchmarks.formats.video_files import SUFFIXES as VIDEOS
from platform.benchmarks.formats.video_files import load_video, look_at_video
from platform.benchmarks.manifest import SkippedFile
from platform.benchmarks.recording import Found, Recording, UnusableFile, Wanted

VERSION = "1"
NO_SUB_FOLDER = "video"  # the category of what lies in none
COLOURS = (1, 3, 4)  # of an array's last axis: grey, RGB, RGB with a transparency that is dropped
LAST_DIGITS = re.compile(r"([0-9]{1,18})[^0-9]*$", re.ASCII)  # 18 digits fit into 64 bits


@dataclass(frozen=True)
class _Own:
    """One video file, folder of frames or array, before it is known whether anything is stored in colour."""

    path: Path
    colour: bool
    what: int | Series | np.ndarray | None  # a video's number of frames where it says so; pictures; an array on disk


def find_own(folder: Path, wanted: Wanted) -> Found:
    """Everything in `folder` or below it, in colour if anything is, unless `wanted.grey`. Raises UserError for nothing.

    Whether a folder of frames is coloured is told by its first, middle and last picture.
    """
    require_folder(folder, "videos, folders of frames, or .npy arrays,")
    pattern = re.compile(wanted.group_by) if wanted.group_by else None
    files, skipped = files_below(folder, "*")
    files.sort()
    found = [*_videos(folder, files, skipped), *_series(folder, files, skipped), *_arrays(folder, files, skipped)]
    skipped += _others(files)
    fit = Fit(wanted.size, 3 if not wanted.grey and any(one.colour for one in found) else 1, "square")
    recordings = [recording for one in found for recording in _recordings(folder, one, fit, pattern, skipped)]
    if not recordings:
        repair = "Give the folder that holds them to --from."
        if archives := ", ".join(file.name for file in files if file.suffix.lower() in (".zip", ".tar", ".gz", ".rar")):
            repair = f"Unpack {archives[:200]} first."
        raise nothing_usable("videos, folders of frames or .npy arrays", folder, skipped, repair)
    return Found(
        recordings,
        frame_size=(wanted.size, wanted.size),
        channels=fit.channels,
        fit=fit.stamp(),
        skipped=tuple(skipped),
        provenance={"source": str(folder), "groups": wanted.group_by or "sub-folders, else files"},
    )


def _videos(folder: Path, files: Sequence[Path], skipped: list[SkippedFile]) -> Iterator[_Own]:
    for file in files:
        if file.suffix.lower() in VIDEOS:
            try:
                facts = look_at_video(file)
            except UnusableFile as reason:
                skipped.append(skip(file, folder, reason))
                continue
            yield _Own(file, not facts.grey, facts.num_frames)


def _series(folder: Path, files: Sequence[Path], skipped: list[SkippedFile]) -> list[_Own]:
    """Pictures by folder, in the order of their numbers, or of their names where none has one."""
    beside = {file.parent for file in files if file.suffix.lower() in (*VIDEOS, ".npy")}
    pictures: dict[Path, list[Path]] = {}
    for file in files:
        if file.suffix.lower() in PICTURES:
            pictures.setdefault(file.parent, []).append(file)
    found = []
    for parent, held in pictures.items():
        if parent in beside:
            reason = f"{len(held)} pictures beside videos or arrays are left out; give frames a folder of their own"
            skipped.append(skip(parent, folder, reason))
            continue
        numbers = [LAST_DIGITS.search(file.stem) for file in held]
        numbered = [(int(match[1]), file) for match, file in zip(numbers, held, strict=True) if match]
        if numbered:
            without = [file for match, file in zip(numbers, held, strict=True) if not match]
            skipped += [skip(file, folder, "it has no number, the pictures beside it have") for file in without]
        one, repeated = series_of(numbered or enumerate(held, start=1))
        skipped += [skip(file, folder, "another picture here has the same number") for file in repeated]
        if len(one.names) < 2:
            skipped.append(skip(parent, folder, "it holds one picture; a video has more"))
            continue
        looked_at = {one.names[at] for at in (0, len(one.names) // 2, -1)}
        found.append(_Own(parent, any(_is_coloured(parent / name) for name in looked_at), one))
    skipped += name_gaps((_below(folder, one.path), one.what) for one in found if isinstance(one.what, Series))
    return found


def _is_coloured(picture: Path) -> bool:
    """By its header. Of what cannot be read nothing is known; loading names it."""
    from PIL import Image

    try:
        with Image.open(picture, formats=FORMATS) as opened:
            return opened.mode not in ("1", "L", "LA")
    except (*NO_PICTURE, Image.DecompressionBombError, Image.DecompressionBombWarning):
        return False


def _arrays(folder: Path, files: Sequence[Path], skipped: list[SkippedFile]) -> Iterator[_Own]:
    for file in files:
        if file.suffix.lower() == ".npy":
            try:
                array = _open_array(file)
                as_bytes(array[0, 0], 0)  # a wrong range is named once for the file, not for every sample
            except UnusableFile as reason:
                skipped.append(skip(file, folder, reason))
                continue
            yield _Own(file, array.ndim == 5 and array.shape[-1] > 1, array)


def _open_array(file: Path) -> np.ndarray:
    """(N, T, H, W) or (N, T, H, W, C), uint8 or floats, left on disk. Raises UnusableFile with the repair."""
    array = open_npy(file)
    _check_axes(array.shape)
    return array


def _check_axes(shape: tuple[int, ...]) -> None:
    axes = f"it is {by(shape)}, not (samples, frames, rows, columns) or that with 1, 3 or 4 colours last"
    if len(shape) not in (4, 5):
        one = "; of one grey video save array[None]" if len(shape) == 3 else "; reshape it"
        raise UnusableFile(axes + one)
    if not all(shape):
        raise UnusableFile(f"it is {by(shape)}: there is nothing in it; save it again")
    if len(shape) == 5 and shape[-1] not in COLOURS:
        places = [axis for axis in (2, 1, 3, 0) if shape[axis] in COLOURS]
        repair = f"save numpy.moveaxis(array, {places[0]}, -1)" if places else "choose 1, 3 or 4 of its last axis"
        raise UnusableFile(f"{axes}; {repair}")
    if len(shape) == 4 and shape[-1] in COLOURS:
        raise UnusableFile(f"{axes}; of one coloured video save array[None]")
    if shape[1] == 1:
        raise UnusableFile(f"{axes}: its videos have one frame; if the second axis is colour, save array[:, 0][None]")
    check_size((shape[2], shape[3]))


def _others(files: Iterable[Path]) -> list[SkippedFile]:
    """One entry for each kind of file that nothing is made of."""
    counts: dict[str, list[str]] = {}
    for file in files:
        if file.suffix.lower() not in (*VIDEOS, *PICTURES, ".npy"):
            counts.setdefault(file.suffix.lower(), []).append(file.name)
    told = []
    for suffix, names in counts.items():
        hint = "; save each of their arrays with numpy.save" if suffix == ".npz" else ""
        what = f"no video, picture or .npy array: {len(names)} such files{hint}"
        told.append(SkippedFile(file=names[0] if len(names) == 1 else f"*{suffix}", reason=what))
    return told


def _recordings(
    folder: Path, one: _Own, fit: Fit, pattern: re.Pattern[str] | None, skipped: list[SkippedFile]
) -> list[Recording]:
    below = _below(folder, one.path)
    parts = below.split("/")
    category = parts[0] if len(parts) > 1 else NO_SUB_FOLDER
    named = pattern.search(below) if pattern else None
    group = named[1] if named else None
    if pattern and not group:
        reason = f"--group-by {pattern.pattern!r} finds no group in its path; widen it, or move this elsewhere"
        skipped.append(SkippedFile(file=below, reason=reason))
        return []
    itself = below if isinstance(one.what, Series) else below.removesuffix(one.path.suffix)
    try:
        if isinstance(one.what, np.ndarray):
            key, array = stamp(one.path), one.what
            return [
                Recording(
                    name=f"{below}[{index}]",
                    group=group or f"{itself}_{index}",
                    category=category,
                    key=f"{key}-{index}",
                    load=partial(_load_sample, one.path, index, fit),
                    num_frames=array.shape[1],
                )
                for index in range(len(array))
            ]
        group = group or (parts[0] if len(parts) > 1 else itself)
        if isinstance(one.what, Series):
            load, ranges = partial(one.what.load, fit), one.what.ranges()
            return [Recording(below, group, category, one.what.key(), load, ranges, len(one.what.names))]
        load = partial(load_video, one.path, fit)
        return [Recording(below, group, category, stamp(one.path), load, num_frames=one.what)]
    except OSError as fault:
        skipped.append(SkippedFile(file=below, reason=f"it cannot be read ({fault.strerror})"))
        return []


def _below(folder: Path, path: Path) -> str:
    """A path below the folder; of the folder itself its name. Bytes that are no UTF-8, which no store holds, as ?."""
    below = path.relative_to(folder).as_posix() if path != folder else folder.resolve().name or "frames"
    return below.encode(errors="replace").decode()


def _load_sample(file: Path, index: int, fit: Fit) -> np.ndarray:
    """uint8 (T, size, size, channels). Raises UnusableFile."""
    array = _open_array(file)
    if index >= len(array):
        raise UnusableFile(f"{file.name} has become shorter; run the command again")
    return stack_frames((fit.frame(_picture(frame, number)) for number, frame in enumerate(array[index])), fit)


def _picture(frame: np.ndarray, number: int) -> np.ndarray:
    """(H, W[, C]) as uint8 (H, W) or (H, W, 3)."""
    levels = as_bytes(frame, number)
    return levels if levels.ndim == 2 else levels[..., 0] if levels.shape[-1] == 1 else levels[..., :3]

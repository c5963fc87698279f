"""Which files lie in a folder that a user named: every one once, in an order, and none that is elsewhere.

`Path.rglob` lists what a link leads out to, lists a file again for every link to it, and hands over pipes, which wait
for ever when they are opened. What is prepared should be what the folder holds, also when somebody else packed it.
"""

import os
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from platform.benchmarks.formats.fields import skip
from platform.benchmarks.manifest import SkippedFile

HIDDEN = "."  # begins the names of .git, .ipynb_checkpoints, and the ._copies that macOS packs: none of them is data


def files_below(folder: Path, *patterns: str) -> tuple[list[Path], list[SkippedFile]]:
    """Files of `folder`, or below it, whose name matches one of `patterns` (case counts not), by name, then by place.

    `folder` itself may be a link. Hidden entries are passed over. Named as skipped, where a pattern or a folder is
    concerned: links that lead out of it, nowhere, or to what is read already; what cannot be read or is no file.
    """
    root = os.path.realpath(folder)
    files: dict[str, Path] = {}  # by where they really are
    links: list[tuple[str, Path]] = []
    skipped: list[SkippedFile] = []
    for entry in _entries(folder, skipped):
        wanted = any(fnmatchcase(entry.name.lower(), pattern.lower()) for pattern in patterns)
        if not wanted and not (entry.is_symlink() and _is_folder(entry)):
            continue
        path = Path(entry.path)
        if entry.is_symlink() and (fault := _wrong_link(entry.path, root)):
            skipped.append(skip(path, folder, fault))
        elif not os.path.isfile(path):
            skipped.append(skip(path, folder, "it is a pipe, a socket or a device; put a file there"))
        elif entry.is_symlink():
            links.append((os.path.realpath(path), path))
        else:
            files[os.path.join(root, os.path.relpath(entry.path, folder))] = path
    for real, path in links:
        if (first := files.setdefault(real, path)) is not path:
            skipped.append(skip(path, folder, f"it is a link to {first.name}, which is read already"))
    return sorted(files.values(), key=lambda file: (file.name, file)), skipped


def _entries(folder: Path, skipped: list[SkippedFile]) -> Iterator[os.DirEntry[str]]:
    """Everything but folders, and links. Links to folders within are not followed: they are met where they really are.

    A loop over texts, for folders may nest deeper than Python's stack and pathlib's patience.
    """
    waiting = [os.fspath(folder)]
    while waiting:
        here = waiting.pop()
        try:
            with os.scandir(here) as entries:
                ordered = sorted(entries, key=lambda entry: entry.name)
        except OSError as fault:
            skipped.append(skip(Path(here), folder, f"the folder cannot be read ({fault.strerror})"))
            continue
        for entry in ordered:
            if entry.name.startswith(HIDDEN):
                continue
            if entry.is_dir(follow_symlinks=False):
                waiting.append(entry.path)
            else:
                yield entry


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False


def _wrong_link(path: str, root: str) -> str | None:
    try:
        real = os.path.realpath(path, strict=True)
    except OSError:
        return "it is a link to nowhere, or round and round; put the file itself there"
    if os.path.commonpath([real, root]) != root:
        return "it is a link that leads out of the folder; copy the file there, or give the folder that holds both"
    if os.path.isdir(real):
        return "it is a link to a folder that is read already, or to a hidden one"
    return None

"""Which files lie in a folder that a user named: links are followed only within it, and never round and round."""

import os
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

from platform.benchmarks.manifest import SkippedFile


def files_below(folder: Path, *patterns: str) -> tuple[list[Path], list[SkippedFile]]:
    """Files of `folder`, or below it, whose name matches one of `patterns` (case counts not), by name, then by place.

    `folder` itself may be a link. Named as skipped, where a pattern or a folder is concerned: links that lead out of
    it, nowhere, or back to a folder they lie in.
    """
    root = folder.resolve()
    found: list[Path] = []
    skipped: list[SkippedFile] = []
    for path in _walk(folder, root, skipped):
        if any(fnmatch(path.name.lower(), pattern.lower()) for pattern in patterns):
            if path.is_symlink() and (fault := _wrong_link(path, root)):
                skipped.append(SkippedFile(file=str(path.relative_to(folder)), reason=fault))
            else:
                found.append(path)
    return sorted(found, key=lambda file: (file.name, file)), skipped


def _walk(folder: Path, root: Path, skipped: list[SkippedFile]) -> Iterator[Path]:
    """Every entry that is no folder, links within `root` followed once."""
    seen: set[Path] = {root}
    waiting = [folder]
    while waiting:
        here = waiting.pop()
        with os.scandir(here) as entries:
            ordered = sorted(entries, key=lambda entry: entry.name)
        for entry in ordered:
            path = Path(entry.path)
            if not path.is_dir():  # False also for a link to nowhere, and for one that leads to itself
                yield path
                continue
            real = path.resolve()
            fault = _wrong_link(path, root) if entry.is_symlink() else None
            if fault is None and real not in seen:
                seen.add(real)
                waiting.append(path)
            elif entry.is_symlink():
                reason = fault or "it is a link to a folder that is read already"
                skipped.append(SkippedFile(file=str(path.relative_to(folder)), reason=reason))


def _wrong_link(path: Path, root: Path) -> str | None:
    try:
        real = path.resolve(strict=True)
    except (OSError, RuntimeError):
        return "it is a link to nowhere, or round and round; put the file itself there"
    if not real.is_relative_to(root):
        return "it is a link that leads out of the folder; copy the file there, or give the folder that holds both"
    return None

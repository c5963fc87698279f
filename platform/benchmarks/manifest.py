"""`manifest.json` of a prepared benchmark: what is stored, where in the shards, from what, and its fingerprint.

Plain JSON beside the Arrow files, so that a person can read what a folder holds without this code.
"""

import hashlib
import json
from collections.abc import Iterable
from typing import Literal

from pydantic import NonNegativeInt, PositiveInt

from platform.benchmarks.encoding import Encoding
from platform.config.model import Model

SCHEMA_VERSION = 1
MANIFEST_FILE = "manifest.json"


class SkippedFile(Model):
    """Something in the source folder that could not be used, and why."""

    file: str
    reason: str


class VideoEntry(Model):
    """One stored video: record batch `batch` of shard `shard`."""

    name: str
    group: str
    category: str
    num_frames: PositiveInt
    ranges: tuple[tuple[NonNegativeInt, PositiveInt], ...]  # half-open, 0-based; a clip never leaves one
    shard: NonNegativeInt
    batch: NonNegativeInt
    sha256: str  # of the frames' bytes


class ShardEntry(Model):
    """One Arrow IPC file. Its size tells a truncated copy apart before anything is mapped."""

    file: str
    num_bytes: PositiveInt


class Manifest(Model):
    """A whole store. `fingerprint` changes when any frame, name, group, category or range does, and not otherwise."""

    schema_version: Literal[1] = 1
    dataset: str
    synthetic: bool
    frame_size: tuple[PositiveInt, PositiveInt]  # (H, W)
    channels: PositiveInt
    encoding: Encoding | None = None  # of a measured field; None: pictures
    fingerprint: str
    inputs: str  # sha256 over the recordings' keys: the same inputs need not be prepared twice
    reader_version: str
    provenance: dict[str, str]
    skipped: tuple[SkippedFile, ...]
    shards: tuple[ShardEntry, ...]
    videos: tuple[VideoEntry, ...]

    @property
    def num_frames(self) -> int:
        return sum(video.num_frames for video in self.videos)

    @property
    def num_bytes(self) -> int:
        """Bytes on disk of all shards."""
        return sum(shard.num_bytes for shard in self.shards)

    @property
    def groups(self) -> tuple[str, ...]:
        """Every group stored, numbers in their natural order."""
        return tuple(sorted({video.group for video in self.videos}, key=_natural))


def _natural(group: str) -> tuple[int, str]:
    return (int(group), "") if group.isdigit() else (1 << 62, group)


def content_fingerprint(
    dataset: str,
    synthetic: bool,
    frame_size: tuple[int, int],
    channels: int,
    encoding: Encoding | None,
    videos: Iterable[VideoEntry],
) -> str:
    """sha256 over what the store holds; where it lies and how it is cut into shards do not count."""
    held = [[video.name, video.group, video.category, video.ranges, video.sha256] for video in videos]
    means = [] if encoding is None else [encoding.model_dump()]
    text = json.dumps([dataset, synthetic, frame_size, channels, *means, held], separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()

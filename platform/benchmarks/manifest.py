"""`manifest.json` of a prepared benchmark: what is stored, from what, in which files, and its fingerprint.

Plain JSON beside the Arrow files, so that a person can read what a folder holds without this code. The videos
themselves, which may be very many, are rows of `videos.arrow`.
"""

import hashlib
import json
import re
from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import BaseModel, FailFast, Field

from platform.benchmarks.encoding import Encoding
from platform.benchmarks.videos import VideoEntry
from platform.config.bounded import FILE_NAME, Refused, parse_json
from platform.config.model import Model

SCHEMA_VERSION = 2
MANIFEST_FILE = "manifest.json"

Count = Annotated[int, Field(gt=0, lt=1 << 62)]
Side = Annotated[int, Field(gt=0, le=1 << 16)]  # pixels


class SkippedFile(Model):
    """Something in the source folder that could not be used, and why."""

    file: str
    reason: str


class StoredFile(Model):
    """One Arrow file. Its size tells a truncated copy apart before anything is mapped."""

    file: Annotated[str, Field(pattern=FILE_NAME.pattern)]
    num_bytes: Count


class Manifest(Model):
    """A whole store. `fingerprint` changes when any frame, name, group, category or range does, and not otherwise."""

    schema_version: Literal[2] = 2
    dataset: str
    synthetic: bool
    frame_size: tuple[Side, Side]  # (H, W)
    channels: Annotated[int, Field(gt=0, le=1 << 10)]
    encoding: Encoding | None = None  # of a measured field; None: pictures
    fingerprint: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]  # a part of folders' names
    inputs: str  # sha256 over the recordings' keys: the same inputs need not be prepared twice
    reader_version: str
    provenance: dict[str, str]
    skipped: Annotated[tuple[SkippedFile, ...], FailFast()]
    shards: Annotated[tuple[StoredFile, ...], FailFast()]
    videos: StoredFile  # `videos.arrow`
    hashes: StoredFile  # `hashes.arrow`
    num_videos: Count
    num_frames: Count

    @property
    def num_bytes(self) -> int:
        """Bytes on disk of all frames."""
        return sum(shard.num_bytes for shard in self.shards)

    @property
    def step_s(self) -> int | None:
        """Seconds from frame to frame, where they have dates and all series keep to one step."""
        told = self.provenance.get("step_s", "")
        return int(told) or None if re.fullmatch("[0-9]{1,9}", told) else None


class _Version(BaseModel):
    """What the manifests of all versions say."""

    schema_version: Any = None


def parse_manifest(content: str | bytes) -> Manifest:
    """Raises Refused where it is no manifest of this version."""
    schema = parse_json(content, _Version).schema_version
    if schema != SCHEMA_VERSION:
        raise Refused(f"has schema version {str(schema)[:20]}, this version reads {SCHEMA_VERSION}")
    return parse_json(content, Manifest)


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

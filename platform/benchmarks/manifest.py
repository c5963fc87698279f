"""`manifest.json` of a prepared benchmark: what is stored, from what, in which files, and its fingerprint.

Plain JSON beside the Arrow files, so that a person can read what a folder holds without this code. The videos
themselves, which may be very many, are rows of `videos.arrow`.
"""

import hashlib
import json
from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import Field, PositiveInt, ValidationError

from platform.benchmarks.encoding import Encoding
from platform.benchmarks.videos import VideoEntry
from platform.config.model import Model

SCHEMA_VERSION = 2
MANIFEST_FILE = "manifest.json"


class SkippedFile(Model):
    """Something in the source folder that could not be used, and why."""

    file: str
    reason: str


class StoredFile(Model):
    """One Arrow file. Its size tells a truncated copy apart before anything is mapped."""

    file: Annotated[str, Field(pattern=r"^\w[\w.-]*$")]  # a plain name: a manifest cannot point out of its folder
    num_bytes: PositiveInt


class Manifest(Model):
    """A whole store. `fingerprint` changes when any frame, name, group, category or range does, and not otherwise."""

    schema_version: Literal[2] = 2
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
    shards: tuple[StoredFile, ...]
    videos: StoredFile  # `videos.arrow`
    hashes: StoredFile  # `hashes.arrow`
    num_videos: PositiveInt
    num_frames: PositiveInt

    @property
    def num_bytes(self) -> int:
        """Bytes on disk of all frames."""
        return sum(shard.num_bytes for shard in self.shards)


def parse_manifest(content: str | bytes) -> Manifest:
    """Raises ValueError, in words that follow a file's name, where it is no manifest of this version."""
    try:
        raw = json.loads(content)
    except (ValueError, RecursionError) as fault:
        raise ValueError(f"cannot be read ({fault})") from fault
    schema = raw.get("schema_version") if isinstance(raw, dict) else None
    if schema != SCHEMA_VERSION:
        raise ValueError(f"has schema version {schema}, this version reads {SCHEMA_VERSION}")
    try:
        return Manifest.model_validate_json(content)
    except ValidationError as fault:
        first = fault.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ValueError(f"is damaged ({place}: {first['msg']})") from fault


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

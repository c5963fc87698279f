"""The Arrow store, read: frames memory-mapped and handed out without a copy.

A store is a folder: `manifest.json`, the index of videos and Arrow IPC files with one record batch a video. Their one
column is a canonical `arrow.fixed_shape_tensor` of uint8 (H, W, C), a row a frame, uncompressed, so that any Arrow
reader opens it and a slice of a video is an address in the page cache. Writing is in `store_writer.py`.
"""

import hashlib
import math
import shlex
from array import array
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa

from platform.benchmarks.arrow_file import ArrowFile
from platform.benchmarks.manifest import MANIFEST_FILE, Manifest, parse_manifest
from platform.benchmarks.overlap import read_hashes
from platform.benchmarks.videos import VideoTable
from platform.config.bounded import LARGE_BYTES, Refused, check_stays_within, read_bounded
from platform.config.errors import UserError

COLUMN = "frames"
PREPARE = ["python", "-m", "platform.prepare"]


def frame_type(height: int, width: int, channels: int) -> pa.DataType:
    return pa.fixed_shape_tensor(pa.uint8(), (height, width, channels))


def shard_schema(height: int, width: int, channels: int) -> pa.Schema:
    return pa.schema([pa.field(COLUMN, frame_type(height, width, channels), nullable=False)])


@dataclass(frozen=True)
class _Shard:
    """One mapped file: as Arrow reads it, and its bare bytes, of which every video's frames are a slice."""

    file: ArrowFile
    content: np.ndarray  # uint8, read-only


class FrameStore:
    """A prepared benchmark on disk. Open with `FrameStore.open`; a pickled store opens itself again by its path."""

    def __init__(self, path: Path, manifest: Manifest, videos: VideoTable) -> None:
        self.path = path
        self.manifest = manifest
        self.videos = videos
        self._shards: dict[int, _Shard] = {}
        # Where each video begins in its shard, -1 until it is checked: its array, if kept, would take 2 kB. These are
        # no numpy arrays because one number of those costs ten times as much to take.
        self._places = array("q", [-1]) * len(videos)
        self._shard_numbers = array("i", videos.shards.tobytes())
        self._frame_shape = (*manifest.frame_size, manifest.channels)
        self._frame_bytes = math.prod(self._frame_shape)
        self._schema = shard_schema(*self._frame_shape)

    def __reduce__(self) -> tuple[Callable[[Path], "FrameStore"], tuple[Path]]:
        return FrameStore.open, (self.path,)

    @classmethod
    def open(cls, path: Path) -> "FrameStore":
        """Read the manifest and look at every file's size; frames are mapped when they are asked for.

        Raises UserError when the folder is no store, was written by another version, or a file is missing or cut off.
        """
        path = Path(path).absolute()
        manifest = _read_manifest(path)
        for stored in (*manifest.shards, manifest.videos, manifest.hashes):
            file = path / stored.file
            if not file.is_file():
                raise UserError(f"{file} is missing. {repair(path, manifest)}")
            if (size := file.stat().st_size) != stored.num_bytes:
                fault = "is cut off" if size < stored.num_bytes else "was changed"
                raise UserError(f"{file} {fault}: {size} of {stored.num_bytes} bytes. {repair(path, manifest)}")
        file = path / manifest.videos.file
        try:
            for stored in (*manifest.shards, manifest.videos, manifest.hashes):
                check_stays_within(file := path / stored.file, path)
            videos = VideoTable.read(file := path / manifest.videos.file)
            _check_fits(videos, manifest)
        except (OSError, Refused) as fault:
            raise UserError(f"{file} is damaged (it {fault}). {repair(path, manifest)}") from fault
        if len(videos) != manifest.num_videos:
            raise UserError(f"{file} has {len(videos)} of {manifest.num_videos} videos. {repair(path, manifest)}")
        return cls(path, manifest, videos)

    def frames(self, video: int, first: int = 0, end: int | None = None) -> np.ndarray:
        """Frames `first` to `end` of one video, uint8 (T, H, W, C), read-only and backed by the mapped file.

        The first time a video is asked for all of it is compared with its checksum: 0.05 s for 120 MB, once a process.
        Raises UserError when they differ.
        """
        number, place = self._shard_numbers[video], self._places[video]
        if place < 0:
            if number not in self._shards:
                self._shards[number] = self._map(number)
            place = self._places[video] = self._checked(self._shards[number], video)
        if end is None:
            end = int(self.videos.num_frames[video])
        size = self._frame_bytes
        content = self._shards[number].content[place + first * size : place + end * size]
        return content.reshape(end - first, *self._frame_shape)

    def verify(self) -> None:
        """Read every frame and compare it with its checksum. Raises UserError naming the first that differs."""
        for _ in self.read_through():
            pass

    def read_through(self) -> Iterator[np.ndarray]:
        """All videos in the store's order, checked like `frames`.

        One shard is mapped at a time, so that reading all of it does not fill this process's memory.
        """
        mapped, shard = -1, None
        for video, number in enumerate(self.videos.shards.tolist()):
            if shard is None or number != mapped:
                mapped, shard = number, self._map(number)
            self._checked(shard, video)
            yield self._read(shard, video)

    @property
    def first_frames(self) -> np.ndarray:
        """Where each video begins when the frames of all are counted through: int64 (videos,)."""
        return np.concatenate([[0], np.cumsum(self.videos.num_frames)[:-1]])

    @cached_property
    def hashes(self) -> np.ndarray:
        """A hash of every frame, counted through; see `overlap.py`. Raises UserError when the file is damaged."""
        file = self.path / self.manifest.hashes.file
        try:
            hashes = read_hashes(file)
        except (OSError, Refused) as fault:
            raise UserError(f"{file} is damaged (it {fault}). {repair(self.path, self.manifest)}") from fault
        if len(hashes) != self.manifest.num_frames:
            raise UserError(f"{file} has {len(hashes)} hashes, not one a frame. {repair(self.path, self.manifest)}")
        return hashes

    def _checked(self, shard: _Shard, video: int) -> int:
        """Where the frames begin in the shard. Raises UserError unless they are those that were stored."""
        frames = self._read(shard, video)
        place = _address(frames) - _address(shard.content)
        if not 0 <= place <= len(shard.content) - frames.nbytes:
            raise self._damaged(video, f"{self.videos[video].name} is compressed")
        if hashlib.sha256(frames.data).hexdigest() != self.videos.checksum(video):
            raise self._damaged(video, f"the frames of {self.videos[video].name} are not those that were stored")
        return place

    def _map(self, number: int) -> _Shard:
        stored = self.manifest.shards[number].file
        try:
            file = ArrowFile(self.path / stored)
            file.require(self._schema)
            return _Shard(file, np.frombuffer(file.content, np.uint8))
        except (OSError, Refused) as fault:
            raise UserError(
                f"{self.path / stored} is damaged (it {fault}). {repair(self.path, self.manifest)}"
            ) from fault

    def _read(self, shard: _Shard, video: int) -> np.ndarray:
        try:
            batch = shard.file.batch(self.videos.batch(video))
            if batch.num_rows * self._frame_bytes > len(shard.content):
                raise Refused("has a video that is longer than itself")
            frames = batch.column(0).to_numpy_ndarray()
        except (pa.ArrowException, OSError, ValueError) as fault:
            raise self._damaged(video, str(fault)) from fault
        if frames.dtype != np.uint8 or frames.shape != (self.videos.num_frames[video], *self._frame_shape):
            raise self._damaged(video, f"{self.videos[video].name} has shape {frames.shape}")
        return frames

    def _damaged(self, video: int, what: str) -> UserError:
        file = self.path / self.manifest.shards[self._shard_numbers[video]].file
        return UserError(f"{file} is damaged ({what}). {repair(self.path, self.manifest)}")


def _address(values: np.ndarray) -> int:
    return values.__array_interface__["data"][0]


def _read_manifest(path: Path) -> Manifest:
    file = path / MANIFEST_FILE
    try:
        check_stays_within(file, path)
        return parse_manifest(read_bounded(file, LARGE_BYTES))
    except FileNotFoundError:
        raise UserError(f"{path} holds no prepared benchmark: {MANIFEST_FILE} is missing. {_remake(path)}") from None
    except OSError as fault:
        raise UserError(f"{file} cannot be read ({fault.strerror}). {_remake(path)}") from fault
    except Refused as fault:
        raise UserError(f"{file} {fault}. {_remake(path)}") from fault


def _check_fits(videos: VideoTable, manifest: Manifest) -> None:
    """Raises Refused where videos cannot be in the files that the manifest names: later they are believed."""
    frame_bytes = math.prod((*manifest.frame_size, manifest.channels))
    most = np.array([shard.num_bytes // frame_bytes for shard in manifest.shards], np.int64)
    if ((videos.shards < 0) | (videos.shards >= len(most))).any():
        raise Refused("names a file that the manifest does not")
    if (videos.num_frames > most[videos.shards]).any():
        raise Refused("has a video that is longer than its file")
    if videos.num_frames.sum() != manifest.num_frames:
        raise Refused(f"has {videos.num_frames.sum()} of {manifest.num_frames} frames")


def _remake(path: Path) -> str:
    return f"Delete the folder {path} and prepare it again with `python -m platform.prepare`."


def repair(path: Path, manifest: Manifest) -> str:
    """The command that makes this store again: quoted anew, for people copy it, whoever wrote the manifest."""
    with suppress(ValueError):  # an open quote
        words = shlex.split(manifest.provenance.get("command", ""))
        if words[:3] == PREPARE:
            return f"Make it again with `{shlex.join(words)} --replace`."
    return _remake(path)

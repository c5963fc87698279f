"""The Arrow store, read: frames memory-mapped and handed out without a copy.

A store is a folder: `manifest.json`, the index of videos and Arrow IPC files with one record batch a video. Their one
column is a canonical `arrow.fixed_shape_tensor` of uint8 (H, W, C), a row a frame, uncompressed, so that any Arrow
reader opens it and a slice of a video is an address in the page cache. Writing is in `store_writer.py`.
"""

import hashlib
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa

from platform.benchmarks.manifest import MANIFEST_FILE, Manifest, parse_manifest
from platform.benchmarks.overlap import read_hashes
from platform.benchmarks.videos import VideoEntry, VideoTable
from platform.config.errors import UserError

COLUMN = "frames"


def frame_type(height: int, width: int, channels: int) -> pa.DataType:
    return pa.fixed_shape_tensor(pa.uint8(), (height, width, channels))


class FrameStore:
    """A prepared benchmark on disk. Open with `FrameStore.open`; a pickled store opens itself again by its path."""

    def __init__(self, path: Path, manifest: Manifest, videos: VideoTable) -> None:
        self.path = path
        self.manifest = manifest
        self.videos = videos
        self._shards: dict[int, pa.ipc.RecordBatchFileReader] = {}
        self._videos: dict[int, np.ndarray] = {}

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
            videos = VideoTable.read(file)
        except (pa.ArrowException, OSError, ValueError) as fault:
            raise UserError(f"{file} is damaged ({fault}). {repair(path, manifest)}") from fault
        if len(videos) != manifest.num_videos:
            raise UserError(f"{file} has {len(videos)} of {manifest.num_videos} videos. {repair(path, manifest)}")
        return cls(path, manifest, videos)

    def frames(self, video: int) -> np.ndarray:
        """All frames of one video, uint8 (T, H, W, C), read-only and backed by the mapped file.

        The first time they are compared with their checksum: 0.05 s for 120 MB, once a process. Raises UserError when
        they differ.
        """
        if video not in self._videos:
            shard = int(self.videos.shards[video])
            if shard not in self._shards:
                self._shards[shard] = self._map(shard)
            self._videos[video] = self._checked(self._shards[shard], self.videos[video])
        return self._videos[video]

    def verify(self) -> None:
        """Read every frame and compare it with its checksum. Raises UserError naming the first that differs."""
        for _ in self.read_through():
            pass

    def read_through(self) -> Iterator[np.ndarray]:
        """All videos in the store's order, checked like `frames`.

        One shard is mapped at a time, so that reading all of it does not fill this process's memory.
        """
        number, shard = -1, None
        for video in self.videos:
            if video.shard != number:
                number, shard = video.shard, self._map(video.shard)
            yield self._checked(shard, video)

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
        except (pa.ArrowException, OSError, KeyError) as fault:
            raise UserError(f"{file} is damaged ({fault}). {repair(self.path, self.manifest)}") from fault
        if len(hashes) != self.manifest.num_frames:
            raise UserError(f"{file} has {len(hashes)} hashes, not one a frame. {repair(self.path, self.manifest)}")
        return hashes

    def _checked(self, shard: pa.ipc.RecordBatchFileReader, video: VideoEntry) -> np.ndarray:
        frames = self._read(shard, video)
        if hashlib.sha256(frames.data).hexdigest() != video.sha256:
            raise self._damaged(video.shard, f"the frames of {video.name} are not those that were stored")
        return frames

    def _map(self, number: int) -> pa.ipc.RecordBatchFileReader:
        try:
            return pa.ipc.open_file(pa.memory_map(str(self.path / self.manifest.shards[number].file)))
        except (pa.ArrowInvalid, OSError) as fault:
            raise self._damaged(number, str(fault)) from fault

    def _read(self, shard: pa.ipc.RecordBatchFileReader, video: VideoEntry) -> np.ndarray:
        try:
            frames = shard.get_batch(video.batch).column(COLUMN).to_numpy_ndarray()
        except (pa.ArrowException, OSError, KeyError, AttributeError, ValueError) as fault:
            raise self._damaged(video.shard, str(fault)) from fault
        if frames.dtype != np.uint8 or frames.shape != (
            video.num_frames,
            *self.manifest.frame_size,
            self.manifest.channels,
        ):
            raise self._damaged(video.shard, f"{video.name} has shape {frames.shape}")
        return frames

    def _damaged(self, shard: int, what: str) -> UserError:
        file = self.path / self.manifest.shards[shard].file
        return UserError(f"{file} is damaged ({what}). {repair(self.path, self.manifest)}")


def _read_manifest(path: Path) -> Manifest:
    file = path / MANIFEST_FILE
    try:
        return parse_manifest(file.read_bytes())
    except FileNotFoundError:
        raise UserError(f"{path} holds no prepared benchmark: {MANIFEST_FILE} is missing. {_remake(path)}") from None
    except OSError as fault:
        raise UserError(f"{file} cannot be read ({fault.strerror}). {_remake(path)}") from fault
    except ValueError as fault:
        raise UserError(f"{file} {fault}. {_remake(path)}") from fault


def _remake(path: Path) -> str:
    return f"Delete the folder {path} and prepare it again with `python -m platform.prepare`."


def repair(path: Path, manifest: Manifest) -> str:
    """The command that makes this store again."""
    command = manifest.provenance.get("command")
    return f"Make it again with `{command} --replace`." if command else _remake(path)

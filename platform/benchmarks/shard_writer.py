"""Arrow shards, written into a partial folder a video at a time, so that a kill loses one shard at most.

A shard is written to a temporary name and renamed when complete; then a small JSON file beside it says which inputs
went in and what came out. Only a shard with that note counts as finished.
"""

import contextlib
import hashlib
import os
from pathlib import Path

import numpy as np
import pyarrow as pa

from platform.benchmarks.loading import Loaded
from platform.benchmarks.manifest import SkippedFile, StoredFile
from platform.benchmarks.recording import Recording, UnusableFile, usable_ranges
from platform.benchmarks.store import COLUMN, shard_schema
from platform.benchmarks.videos import VideoEntry
from platform.config.bounded import LARGE_BYTES, Refused, read_json
from platform.config.model import Model

NOTES = "*.arrow.json"  # of finished shards; in a store, which does not look at them, they are left from a kill


class _FinishedShard(Model):
    """What `<shard>.json` in the partial folder says: which inputs went in, what came out."""

    shard: StoredFile
    keys: tuple[str, ...]  # every recording consumed, the skipped ones too
    videos: tuple[VideoEntry, ...]
    skipped: tuple[SkippedFile, ...]


class StoreWriter:
    """Writes shards; leaving its `with` closes the open one, or drops it after a fault."""

    def __init__(self, partial: Path, shape: tuple[int, int, int], *, shard_bytes: int) -> None:
        self.partial = partial
        self.finished: list[_FinishedShard] = []
        self._shape = shape  # (H, W, C)
        self._shard_bytes = shard_bytes
        self._schema = shard_schema(*self._shape)
        self._sink: pa.OSFile | None = None
        self._writer: pa.ipc.RecordBatchFileWriter | None = None
        self._begin()

    def _begin(self) -> None:
        self._keys: list[str] = []
        self._videos: list[VideoEntry] = []
        self._skipped: list[SkippedFile] = []
        self._num_bytes = 0

    def resume(self, keys: list[str]) -> int:
        """Take over finished shards whose inputs are the first of `keys`; returns how many of these they cover.

        Whatever else lies in the partial folder is left from other inputs or from a kill, and is removed.
        """
        position = 0
        while True:
            note = self.partial / f"{_shard_name(len(self.finished))}.json"
            try:
                done = read_json(note, _FinishedShard, LARGE_BYTES)
                whole = (self.partial / done.shard.file).stat().st_size == done.shard.num_bytes
            except (OSError, Refused):
                break
            if not whole or list(done.keys) != keys[position : position + len(done.keys)]:
                break
            self.finished.append(done)
            position += len(done.keys)
        kept = {name for done in self.finished for name in (done.shard.file, f"{done.shard.file}.json")}
        for file in self.partial.iterdir():
            if file.name not in kept:
                file.unlink()
        return position

    def add(self, recording: Recording, key: str, frames: Loaded) -> None:
        """Store one recording's frames, or note why it has none."""
        if isinstance(frames, UnusableFile):
            self._skipped.append(SkippedFile(file=recording.name, reason=str(frames)))
        else:
            self._write(recording, frames)
        self._keys.append(key)
        if self._num_bytes >= self._shard_bytes:
            self._finish_shard()

    def _write(self, recording: Recording, frames: np.ndarray) -> None:
        if frames.dtype != np.uint8 or frames.shape[1:] != self._shape:
            raise ValueError(f"{recording.name}: {frames.dtype} {frames.shape} is not uint8 (T, {self._shape})")
        frames = np.ascontiguousarray(frames)
        if self._writer is None:
            self._sink = pa.OSFile(str(self._temporary), "wb")
            self._writer = pa.ipc.new_file(self._sink, self._schema)
        cells = pa.FixedSizeListArray.from_arrays(pa.array(frames.reshape(-1)), int(np.prod(self._shape)))
        column = pa.ExtensionArray.from_storage(self._schema.field(COLUMN).type, cells)
        self._writer.write_batch(pa.record_batch([column], schema=self._schema))
        self._num_bytes += frames.nbytes
        self._videos.append(
            VideoEntry(
                name=recording.name,
                group=recording.group,
                category=recording.category,
                num_frames=len(frames),
                ranges=usable_ranges(recording.ranges, len(frames)),
                shard=len(self.finished),
                batch=len(self._videos),
                sha256=hashlib.sha256(frames.data).hexdigest(),
            )
        )

    def __enter__(self) -> "StoreWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._finish_shard()
        finally:  # after Ctrl-C, a full disk, a bug: finished shards stay, the open one goes
            with contextlib.suppress(OSError, pa.ArrowInvalid):
                self._close()
            self._temporary.unlink(missing_ok=True)

    def _finish_shard(self) -> None:
        if not self._videos:
            return  # only skipped recordings since the last shard: nothing to close
        self._close()
        file = self.partial / _shard_name(len(self.finished))
        flush(self._temporary)
        self._temporary.replace(file)
        done = _FinishedShard(
            shard=StoredFile(file=file.name, num_bytes=file.stat().st_size),
            keys=tuple(self._keys),
            videos=tuple(self._videos),
            skipped=tuple(self._skipped),
        )
        write_whole(file.with_name(f"{file.name}.json"), done.model_dump_json().encode())
        self.finished.append(done)
        self._begin()

    def _close(self) -> None:
        writer, sink, self._writer, self._sink = self._writer, self._sink, None, None
        try:
            if writer is not None:
                writer.close()
        finally:
            if sink is not None:
                sink.close()

    @property
    def _temporary(self) -> Path:
        return self.partial / "writing.arrow"

    @property
    def skipped(self) -> tuple[SkippedFile, ...]:
        return tuple(skip for done in self.finished for skip in done.skipped) + tuple(self._skipped)

    @property
    def videos(self) -> tuple[VideoEntry, ...]:
        return tuple(video for done in self.finished for video in done.videos)


def write_whole(file: Path, content: bytes) -> None:
    """Write a small file so that it is there completely or not at all."""
    temporary = file.with_name(f"{file.name}.tmp")
    try:
        temporary.write_bytes(content)
        flush(temporary)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    temporary.replace(file)


def flush(file: Path) -> None:
    """Wait until the file is on the disk."""
    with file.open("rb+") as handle:
        os.fsync(handle.fileno())


def _shard_name(number: int) -> str:
    return f"frames-{number:05d}.arrow"

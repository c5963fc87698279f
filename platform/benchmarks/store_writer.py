"""The Arrow store, written: one video in memory, restartable, and never visible half-done.

Everything happens in `<store>.partial/`. A writer that is killed leaves finished shards there (`shard_writer.py`),
which the next one takes over if their inputs are still the same. At the end all is verified and the folder renamed.
"""

import hashlib
import json
import math
import shutil
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import numpy as np

from platform.benchmarks.disk_space import NOT_WRITABLE, check_space, disk_full
from platform.benchmarks.loading import loaded
from platform.benchmarks.manifest import MANIFEST_FILE, Manifest, StoredFile, content_fingerprint
from platform.benchmarks.overlap import HASHES_FILE, hash_frames, write_hashes
from platform.benchmarks.recording import Found, Recording
from platform.benchmarks.shard_writer import NOTES, StoreWriter, flush, write_whole
from platform.benchmarks.store import FrameStore
from platform.benchmarks.videos import VIDEOS_FILE, VideoTable
from platform.config.errors import UserError
from platform.storage.fetching import FULL, locked

SHARD_BYTES = 64 << 20  # about 3 s of decoding: what a kill can cost

Report = Callable[[int, int, str], None]  # recordings done, of how many, the one just done


def write_store(
    target: Path,
    found: Found,
    *,
    dataset: str,
    synthetic: bool,
    reader_version: str,
    replace: bool = False,
    shard_bytes: int = SHARD_BYTES,
    workers: int = 1,
    report: Report | None = None,
) -> FrameStore:
    """Store every recording under `target` and return the verified store. The same for any number of `workers`.

    The same inputs stored there already are verified and returned. Two processes never write one store: the second
    waits and finds it done. Raises UserError when other inputs lie there and `replace` is not set, when nothing could
    be used, and when the disk is full.
    """
    keys = [_key(recording, found, reader_version) for recording in found.recordings]
    inputs = hashlib.sha256("\n".join([dataset, *keys]).encode()).hexdigest()
    partial = target.with_name(f"{target.name}.partial")
    frame_bytes = math.prod(found.frame_size) * found.channels
    report = report or _silent
    _make_folder(target.parent)
    try:
        with locked(target, lambda: report(0, len(keys), "another process is at it; waiting")):
            if done := _already_there(target, inputs, replace):
                return done
            partial.mkdir(exist_ok=True)
            try:
                writer = StoreWriter(partial, (*found.frame_size, found.channels), shard_bytes=shard_bytes)
                start = writer.resume(keys)
                check_space(partial, found.recordings[start:], frame_bytes)
                with writer, closing(loaded(found.recordings[start:], workers)) as frames:
                    for index in range(start, len(keys)):
                        recording = found.recordings[index]
                        writer.add(recording, keys[index], next(frames))  # held by no name: one video in memory
                        report(index + 1, len(keys), recording.name)
                manifest = _manifest(writer, found, dataset, synthetic, inputs, reader_version)
                _publish(partial, target, _with_hashes(partial, manifest))
            finally:
                with suppress(OSError):
                    partial.rmdir()  # goes only if it is empty: finished shards are worth keeping
            return FrameStore.open(target)
    except OSError as fault:
        if fault.errno in FULL:
            raise disk_full(partial, found.recordings, frame_bytes) from fault
        if fault.errno in NOT_WRITABLE:
            raise _not_writable(target.parent, fault) from fault
        raise


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as fault:  # whatever the reason, another folder is the repair
        raise _not_writable(folder, fault) from fault


def _not_writable(folder: Path, fault: OSError) -> UserError:
    return UserError(f"cannot write in {folder} ({fault.strerror}). Choose another folder with --to or TMU_HOME.")


def _silent(done: int, total: int, now: str) -> None:
    """Where nobody watches."""


def _key(recording: Recording, found: Found, reader_version: str) -> str:
    """Changes when anything does that the stored frames of this recording, or its line in the index, depend on."""
    of_reader = [recording.name, recording.group, recording.category, recording.key, recording.ranges]
    means = None if found.encoding is None else found.encoding.model_dump()
    parts = [*of_reader, *found.frame_size, found.channels, means, found.fit, reader_version]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def _already_there(target: Path, inputs: str, replace: bool) -> FrameStore | None:
    if not target.exists():
        return None
    try:
        store = FrameStore.open(target)
        if store.manifest.inputs == inputs:
            store.verify()
            return store
    except UserError:
        if not replace:
            raise
        return None
    if replace:
        return None
    raise UserError(
        f"{target} already holds {store.manifest.num_videos} videos from "
        f"{store.manifest.provenance.get('source', 'elsewhere')}. "
        "Add --replace to make it anew, or --to another folder."
    )


def _manifest(
    writer: StoreWriter,
    found: Found,
    dataset: str,
    synthetic: bool,
    inputs: str,
    reader_version: str,
) -> Manifest:
    skipped = (*found.skipped, *writer.skipped)
    if not writer.videos:
        shutil.rmtree(writer.partial)
        named = "; ".join(f"{skip.file}: {skip.reason}" for skip in skipped[:5])
        more = f"; and {len(skipped) - 5} more" if len(skipped) > 5 else ""
        raise UserError(
            f"no usable file for {dataset} ({named}{more}). Get these files again and run the command again."
        )
    VideoTable.of(writer.videos).write(writer.partial / VIDEOS_FILE)
    return Manifest(
        dataset=dataset,
        synthetic=synthetic,
        frame_size=found.frame_size,
        encoding=found.encoding,
        channels=found.channels,
        fingerprint=content_fingerprint(
            dataset, synthetic, found.frame_size, found.channels, found.encoding, writer.videos
        ),
        inputs=inputs,
        reader_version=reader_version,
        provenance=found.provenance,
        skipped=skipped,
        shards=tuple(done.shard for done in writer.finished),
        videos=_stored(writer.partial / VIDEOS_FILE),
        hashes=StoredFile(file=HASHES_FILE, num_bytes=1),  # written last, see `_with_hashes`
        num_videos=len(writer.videos),
        num_frames=sum(video.num_frames for video in writer.videos),
    )


def _with_hashes(partial: Path, manifest: Manifest) -> Manifest:
    """Read all frames back from the disk, which verifies them, and store a hash of each."""
    field = manifest.encoding is not None
    try:
        store = FrameStore(partial, manifest, VideoTable.read(partial / VIDEOS_FILE))
        hashes = [hash_frames(frames, field=field) for frames in store.read_through()]
    except UserError as fault:
        shutil.rmtree(partial)
        raise UserError(
            f"what was written does not read back ({fault}) Check the disk and run the command again."
        ) from fault
    write_hashes(partial / HASHES_FILE, np.concatenate(hashes))
    return manifest.model_copy(update={"hashes": _stored(partial / HASHES_FILE)})


def _stored(file: Path) -> StoredFile:
    flush(file)
    return StoredFile(file=file.name, num_bytes=file.stat().st_size)


def _publish(partial: Path, target: Path, manifest: Manifest) -> None:
    """Make it the store in one rename. Notes of finished shards go last: until then a kill may leave work to resume."""
    write_whole(partial / MANIFEST_FILE, manifest.model_dump_json(indent=1).encode())
    old = target.with_name(f".{target.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.replace(old)
    partial.replace(target)
    for note in target.glob(NOTES):
        note.unlink()
    shutil.rmtree(old, ignore_errors=True)

"""One block of memories as an Arrow file that says what it is: its whole key, and a checksum of its numbers.

The numbers are one canonical `arrow.fixed_shape_tensor`, a row a clip, so that any Arrow reader opens the file; key and
checksum stand in the schema's metadata. What does not check out is damaged, and nobody is given it.
"""

import hashlib
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa

from platform.benchmarks.arrow_file import ArrowFile
from platform.config.bounded import Refused, parse_json
from platform.config.model import Model
from platform.memory.request import MemoryIdentity, Request

# N clips, T frames, S channels, h w grid cells

COLUMN = "memories"
LABEL, CHECKSUM = b"label", b"sha256"


class DamagedBlock(Exception):
    """A file that is not the block it should be: short, changed, or of another key."""


class BlockKey(Model):
    """Everything that decides what the numbers of a block are."""

    source_sha256: str
    clips_fingerprint: str
    input_length: int
    grid: tuple[int, int]
    dtype: str
    memory: str
    direction: str
    feed: str
    variant: int
    block: int

    @classmethod
    def of(cls, identity: MemoryIdentity, request: Request) -> "BlockKey":
        return cls(
            source_sha256=identity.source_sha256,
            clips_fingerprint=identity.clips_fingerprint,
            input_length=identity.input_length,
            grid=identity.grid,
            dtype=identity.dtype,
            memory=request.memory,
            direction=request.direction,
            feed=request.feed,
            variant=request.variant,
            block=request.block,
        )


class BlockLabel(Model):
    """What a file says of itself: the key, and how the run that stored it called the source and the clips."""

    key: BlockKey
    shape: tuple[int, ...]  # (N, T-1, S, h, w)
    source: str
    entry: str  # of the bank; empty where the source was never in one
    clips: str  # the benchmark; empty where nobody told


def block_batch(identity: MemoryIdentity, request: Request, memories: np.ndarray) -> pa.RecordBatch:
    """Memories (N, T-1, S, h, w) as the one batch of a file, labelled. Raises ValueError unless they are rounded."""
    if memories.dtype.name != identity.dtype:
        raise ValueError(f"memories are {memories.dtype}, to be stored as {identity.dtype}")
    label = BlockLabel(
        key=BlockKey.of(identity, request),
        shape=memories.shape,
        source=request.source,
        entry=identity.entry,
        clips=identity.clips,
    )
    content = label.model_dump_json().encode()
    column = pa.FixedShapeTensorArray.from_numpy_ndarray(memories)
    metadata = {LABEL: content, CHECKSUM: _checksum(content, memories)}
    return pa.record_batch([column], schema=pa.schema([pa.field(COLUMN, column.type)], metadata=metadata))


def file_bytes(batch: pa.RecordBatch) -> int:
    """How long the file will be, Arrow's own part included."""
    sink = pa.MockOutputStream()
    _write(sink, batch)
    return sink.size()


def write_block(file: BinaryIO, batch: pa.RecordBatch) -> None:
    _write(file, batch)
    file.flush()


def _write(sink: BinaryIO | pa.MockOutputStream, batch: pa.RecordBatch) -> None:
    with pa.ipc.new_file(sink, batch.schema) as writer:
        writer.write_batch(batch)


def read_label(path: Path) -> BlockLabel:
    """What the file says of itself, unchecked. Raises as `map_block`."""
    return _label(map_block(path))


def map_block(path: Path) -> pa.RecordBatch:
    """The file's batch, mapped. Raises FileNotFoundError and other OSErrors as they come, DamagedBlock for the rest."""
    try:
        return ArrowFile(path).batch(0)
    except Refused as fault:
        raise DamagedBlock(f"{path} {fault}") from fault


def memories_of(batch: pa.RecordBatch) -> np.ndarray:
    """(N, T-1, S, h, w), read-only, without a copy."""
    return batch.column(0).to_numpy_ndarray()


def check_block(batch: pa.RecordBatch, key: BlockKey) -> None:
    """Raises DamagedBlock unless the batch is what was stored under this key."""
    try:
        batch.validate(full=True)  # else a length that is too large would be read past the file's end
        memories = memories_of(batch)
    except (pa.ArrowException, AttributeError, ValueError, IndexError) as fault:
        raise DamagedBlock(f"block {key.block} cannot be read: {fault}") from fault
    label = _label(batch)
    if label.key != key:
        raise DamagedBlock(f"the file of block {key.block} holds another one: {label.key!r}")
    if (memories.dtype.name, memories.shape) != (key.dtype, label.shape):
        raise DamagedBlock(f"block {key.block} is {memories.dtype} {memories.shape}, not {key.dtype} {label.shape}")
    if _checksum(batch.schema.metadata[LABEL], memories) != batch.schema.metadata.get(CHECKSUM):
        raise DamagedBlock(f"the numbers of block {key.block} are not those that were stored")


def _label(batch: pa.RecordBatch) -> BlockLabel:
    try:
        return parse_json(batch.schema.metadata[LABEL], BlockLabel)
    except (KeyError, TypeError, Refused) as fault:
        raise DamagedBlock(f"a file has no label: {fault}") from fault


def _checksum(label: bytes, memories: np.ndarray) -> bytes:
    digest = hashlib.sha256(label)
    digest.update(np.ascontiguousarray(memories).data)
    return digest.hexdigest().encode()
